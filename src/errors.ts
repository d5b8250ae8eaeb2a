/**
 * The one error class of the project, with a closed list of codes. Every code has a paragraph in `docs/errors.md`.
 *
 * A code answers the question "what can the caller do now?". The message says what was tried, with which values;
 * the hint is a sentence that a user can act on; the cause stays attached.
 */

/** Every code that an {@link EarshotError} can carry. Adding one is a minor version, removing one a major version. */
export const ERROR_CODES = [
  'address-in-use',
  'answer-failed',
  'cancelled',
  'clock-skew',
  'closed',
  'invalid-data',
  'limit-reached',
  'lost',
  'name-taken',
  'no-answer',
  'no-network',
  'no-space',
  'not-found',
  'not-installed',
  'permission-denied',
  'protocol-violation',
  'refused',
  'reset',
  'timeout',
  'too-large',
  'transfer-failed',
  'unknown-peer',
  'unreachable',
  'untrusted-peer',
  'version-mismatch',
  'wrong-secret',
  'wrong-service',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

/** One path that a failed `connect` tried. */
export interface ConnectAttempt {
  /** The address tried, `'ip:port'`. */
  readonly address: string
  /** How the address was learned: `'mdns'`, `'known'`, `'argument'`, … */
  readonly via: string
  /** How long the attempt took, in milliseconds. */
  readonly durationMs: number
  readonly code: ErrorCode
  readonly message: string
  /** What the other side gave as its reason; `'nobody-listens'` where its machine answered that no program is there. */
  readonly reason?: string
}

export interface EarshotErrorOptions extends ErrorOptions {
  /** A sentence that a user can act on. */
  readonly hint?: string
  /** For a failed `connect`: each path tried, in the order in which they were started. */
  readonly attempts?: readonly ConnectAttempt[]
  /** What the other side gave as its reason, for example the code passed to `deny`. Untrusted text, bounded. */
  readonly reason?: string
  /** When trying again may help, in milliseconds from now. */
  readonly retryAfterMs?: number
}

export class EarshotError extends Error {
  override readonly name = 'EarshotError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly attempts: readonly ConnectAttempt[]
  readonly reason: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, options: EarshotErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.hint = options.hint
    this.attempts = options.attempts ?? []
    this.reason = options.reason
    this.retryAfterMs = options.retryAfterMs
  }
}

/** The error every decoder throws: bytes from the network which the protocol does not allow. */
export function protocolViolation(message: string, cause?: unknown): EarshotError {
  return new EarshotError('protocol-violation', message, cause === undefined ? {} : { cause })
}

/** `thrown` as an Error: anything may be thrown, and what is shown to a user should have a message. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
