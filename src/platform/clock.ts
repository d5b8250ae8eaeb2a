/** The clock port. Nothing outside `platform/node` and `testing` knows what time it is. */

export interface Timer {
  /** Idempotent; does nothing once the timer has fired. */
  cancel(): void
}

export interface Clock {
  /** Monotonic time in milliseconds, with fractions. Only differences mean something. */
  now(): number

  /** Wall-clock time in milliseconds since 1970. It may jump, for example after sleep. */
  wallTime(): number

  /**
   * Runs `fn` once, `delayMs` milliseconds from now. A timer never keeps the process alive: open sockets do, and
   * with the last of them closed there is nothing left to wait for.
   */
  setTimer(delayMs: number, fn: () => void): Timer

  /**
   * Runs `fn` when the present turn of the event loop is over: after the running code and every promise that it
   * settles. What was written during one turn leaves together there (docs/protocol.md, "Records").
   */
  afterTurn(fn: () => void): void
}
