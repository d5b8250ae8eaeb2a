/**
 * Between handshake and session (docs/protocol.md, "Greeting"): each side says what it is in a `hello` and admits the
 * other or refuses it. The connection becomes a session when both have admitted.
 *
 *     initiator                                    responder
 *       hello, admit if it need not look  ───────►
 *                                         ◄───────   hello, admit     or goodbye
 *       admit                             ───────►                    or goodbye
 *
 * The responder tells nothing of itself before it has admitted the initiator.
 */

import { EarshotError, protocolViolation } from '../errors.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { decodeGoodbye, encodeGoodbye, Frame, type Goodbye } from './frame.ts'
import { decodeHello, encodeHello, type Hello } from './hello.ts'
import type { RecordReceiver, SecureConnection } from './secure-connection.ts'

/** `undefined` admits, a goodbye refuses. */
export type Verdict = Goodbye | undefined

export interface GreetingOptions {
  readonly role: 'initiator' | 'responder'
  /** Called when the hello is sent. */
  hello(): Hello
  /** Called once, with the other side's hello; for an eager initiator before it has arrived, with undefined. */
  judge(remote: Hello | undefined): Verdict | Promise<Verdict>
  /** The initiator admits whoever answers: saves a round trip. */
  readonly isEager: boolean
  /** The other side's hello has arrived: it is no longer half-open, only undecided. */
  onHello(remote: Hello): void
  /** Both have admitted. To give the connection its next receiver at once: its first records may be here already. */
  onGreeted(remote: Hello): void
  /** There will be no session: `refused` with its reason, or what ended the connection. `goodbye` is the other side's. */
  onFailed(error: unknown, goodbye?: Goodbye): void
}

/** Greets the peer over a connection whose handshake is done. */
export function greet(connection: SecureConnection, options: GreetingOptions): void {
  const greeting = new Greeting(connection, options)
  connection.receive(greeting)
  greeting.start()
}

class Greeting implements RecordReceiver {
  readonly #connection: SecureConnection
  readonly #options: GreetingOptions
  readonly #unsent: Uint8Array[] = []
  #remote: Hello | undefined
  #hasAdmitted = false
  #isAdmitted = false
  #isSettled = false

  constructor(connection: SecureConnection, options: GreetingOptions) {
    this.#connection = connection
    this.#options = options
  }

  start(): void {
    if (this.#isSettled || this.#options.role === 'responder') return
    this.#unsent.push(encodeHello(this.#options.hello()))
    if (this.#options.isEager) this.#judge()
    this.#send()
  }

  onRecord(plaintext: Uint8Array): void {
    const reader = new ByteReader(plaintext)
    try {
      while (reader.remaining > 0 && !this.#isSettled) this.#frame(reader)
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error
      this.#send(encodeGoodbye({ code: 'protocol-violation', reason: '', retryAfterMs: 0 }))
      this.#connection.end()
      this.#reject(error)
    }
  }

  onWritable(): void {}

  onClosed(error: EarshotError | undefined): void {
    this.#reject(error ?? new EarshotError('closed', 'the peer hung up before it admitted us'))
  }

  #frame(reader: ByteReader): void {
    const type = reader.uint8('frame type')
    if (type === Frame.hello && !this.#remote) {
      this.#remote = decodeHello(reader)
      this.#options.onHello(this.#remote)
      if (!this.#options.isEager) this.#judge()
    } else if (type === Frame.admit && this.#remote && !this.#isAdmitted) {
      this.#isAdmitted = true
    } else if (type === Frame.goodbye) {
      this.#onGoodbye(decodeGoodbye(reader))
      return
    } else throw protocolViolation(`a frame of type ${type} in the greeting`)
    // Records of the session have numbers: none begins in the middle of another one.
    if (this.#isAdmitted && reader.remaining > 0) throw protocolViolation('frames behind the greeting in one record')
    this.#finish()
  }

  #judge(): void {
    let verdict: Verdict | Promise<Verdict>
    try {
      verdict = this.#options.judge(this.#remote)
    } catch (error) {
      this.#abort(error)
      return
    }
    if (verdict instanceof Promise) {
      verdict.then(
        result => this.#onVerdict(result),
        error => this.#abort(error),
      )
    } else this.#onVerdict(verdict)
  }

  #onVerdict(verdict: Verdict): void {
    if (this.#isSettled) return
    if (verdict) {
      this.#send(encodeGoodbye(verdict))
      this.#connection.end()
      this.#reject(refused('we refused the peer', verdict))
      return
    }
    if (this.#options.role === 'responder') this.#unsent.push(encodeHello(this.#options.hello()))
    this.#send(Uint8Array.of(Frame.admit))
    this.#hasAdmitted = true
    this.#finish()
  }

  #finish(): void {
    if (!this.#hasAdmitted || !this.#isAdmitted || !this.#remote || this.#isSettled) return
    this.#isSettled = true
    this.#options.onGreeted(this.#remote)
  }

  #onGoodbye(goodbye: Goodbye): void {
    this.#connection.end()
    this.#reject(refused('the peer refused us', goodbye), goodbye)
  }

  /** Our own `admit` function threw: the peer is refused, and the error belongs to the application. */
  #abort(error: unknown): void {
    this.#send(encodeGoodbye({ code: 'refused', reason: 'error', retryAfterMs: 0 }))
    this.#connection.end()
    this.#reject(error)
  }

  /** Sends what is due, in one record. */
  #send(...frames: readonly Uint8Array[]): void {
    const due = [...this.#unsent.splice(0), ...frames]
    if (due.length === 0) return
    const record = new ByteWriter(due.reduce((length, frame) => length + frame.length, 0))
    for (const frame of due) record.append(frame)
    this.#connection.sendRecord(record.finish())
  }

  #reject(error: unknown, goodbye?: Goodbye): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#options.onFailed(error, goodbye)
  }
}

function refused(who: string, { code, reason, retryAfterMs }: Goodbye): EarshotError {
  const word = reason || code
  return new EarshotError('refused', `${who}: ${word}`, { reason: word, retryAfterMs })
}
