/**
 * Requests under way and the responses to them (RFC 8489 section 6). A response belongs to a request by its transaction id
 * of 96 random bits and by the address that it comes from; whatever else arrives, late, forged or twice, changes nothing.
 *
 * Knows no socket: `transmit` sends, and whoever reads the socket hands messages to `receive`. So several protocols can share
 * a port.
 */

import { EarshotError } from '../../errors.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { SocketAddress } from '../../platform/network.ts'
import type { Random } from '../../platform/random.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { errorCodeIn } from './attribute.ts'
import { hasValidIntegrity, type StunIntegrity } from './integrity.ts'
import {
  encodeStunMessage,
  notUnderstood,
  type ReceivedStunMessage,
  type StunAttribute,
  TRANSACTION_ID_BYTES,
} from './message.ts'

export interface StunRequest {
  readonly method: number
  /** Some values need the transaction id. @default none */
  readonly attributes?: (transactionId: Uint8Array) => readonly StunAttribute[]
  readonly to: SocketAddress
  /** Whether the answer may come from another address, as after CHANGE-REQUEST. @default false */
  readonly fromAnywhere?: boolean
  /** Signs the request; the answer must be signed alike. @default none */
  readonly integrity?: StunIntegrity | undefined
  /** How long to wait after each time it is sent: `retransmissionDelays()`. @default those of the constructor */
  readonly delaysMs?: readonly number[]
  readonly signal?: AbortSignal | undefined
}

export interface StunResponse {
  /** 'success' or 'error'. */
  readonly message: ReceivedStunMessage
  readonly from: SocketAddress
  /** From the first request on, in milliseconds. */
  readonly rttMs: number
  /** How often the request was sent. */
  readonly requests: number
}

export interface StunTransactionsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly transmit: (bytes: Uint8Array, to: SocketAddress) => void
  readonly delaysMs: readonly number[]
}

/** Responses that cannot be signed, because the server does not know the key (RFC 8489 sections 9.2.4 and 10). */
const UNSIGNED_ERRORS: readonly number[] = [300, 400, 401, 438]

export class StunTransactions {
  readonly #options: StunTransactionsOptions
  readonly #open = new Map<string, Transaction>()
  #closed: { readonly reason: unknown } | undefined

  constructor(options: StunTransactionsOptions) {
    this.#options = options
  }

  /** How many requests wait for their response. */
  get size(): number {
    return this.#open.size
  }

  /**
   * Sends a request and waits for its response, be it success or error. Rejects with `timeout`; with `untrusted-peer`
   * where the only answers were not signed as they should be; with `protocol-violation` where the response has attributes
   * that must be understood and are not; with what `close` was given; or with `signal.reason`.
   */
  request(request: StunRequest): Promise<StunResponse> {
    const { clock, random, transmit, delaysMs } = this.#options
    const transactionId = random.bytes(TRANSACTION_ID_BYTES)
    const { method, attributes, integrity, signal } = request
    const bytes = encodeStunMessage(
      { class: 'request', method, transactionId, attributes: attributes?.(transactionId) ?? [] },
      { integrity },
    )
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      if (this.#closed) return reject(this.#closed.reason)
      const key = keyOf(transactionId)
      const onAbort = () => transaction.fail(signal!.reason)
      const transaction = new Transaction({
        request,
        clock,
        send: () => transmit(bytes, request.to),
        delaysMs: request.delaysMs ?? delaysMs,
        resolve,
        reject,
        onSettled: () => {
          this.#open.delete(key)
          signal?.removeEventListener('abort', onAbort)
        },
      })
      this.#open.set(key, transaction)
      signal?.addEventListener('abort', onAbort)
      transaction.start()
    })
  }

  /** True where it is a response to an open request, used or not. */
  receive(message: ReceivedStunMessage, from: SocketAddress): boolean {
    if (message.class !== 'success' && message.class !== 'error') return false
    const transaction = this.#open.get(keyOf(message.transactionId))
    transaction?.receive(message, from)
    return transaction !== undefined
  }

  /** Rejects what is open, and whatever is asked afterwards. */
  close(reason: unknown): void {
    this.#closed ??= { reason }
    for (const transaction of [...this.#open.values()]) transaction.fail(reason)
  }
}

interface TransactionParts {
  readonly request: StunRequest
  readonly clock: Clock
  readonly send: () => void
  readonly delaysMs: readonly number[]
  readonly resolve: (response: StunResponse) => void
  readonly reject: (reason: unknown) => void
  readonly onSettled: () => void
}

class Transaction {
  readonly #parts: TransactionParts
  readonly #startedAt: number
  #sent = 0
  #timer: Timer | undefined
  /** Answers with the right id and address, and without the signature they should have. */
  #unsigned = 0

  constructor(parts: TransactionParts) {
    this.#parts = parts
    this.#startedAt = parts.clock.now()
  }

  start(): void {
    const { clock, delaysMs, send } = this.#parts
    const delayMs = delaysMs[this.#sent]
    if (delayMs === undefined) {
      this.fail(this.#timeout())
      return
    }
    this.#sent += 1
    this.#timer = clock.setTimer(delayMs, () => this.start())
    send()
  }

  receive(message: ReceivedStunMessage, from: SocketAddress): void {
    const { method, to, fromAnywhere, integrity } = this.#parts.request
    if (message.method !== method || !(fromAnywhere || isSame(from, to))) return
    if (integrity && !hasValidIntegrity(message, integrity) && !mayBeUnsigned(message)) {
      this.#unsigned += 1
      return
    }
    const unknown = notUnderstood(message)
    if (unknown.length > 0) this.fail(unknownAttributes(from, unknown))
    else this.#succeed(message, from)
  }

  fail(reason: unknown): void {
    this.#settle()
    this.#parts.reject(reason)
  }

  #succeed(message: ReceivedStunMessage, { address, port }: SocketAddress): void {
    const rttMs = this.#parts.clock.now() - this.#startedAt
    this.#settle()
    this.#parts.resolve({ message, from: { address, port }, rttMs, requests: this.#sent })
  }

  #settle(): void {
    this.#timer?.cancel()
    this.#parts.onSettled()
  }

  #timeout(): EarshotError {
    const server = formatSocketAddress(this.#parts.request.to)
    if (this.#unsigned > 0) {
      return new EarshotError('untrusted-peer', `the answers from ${server} are not signed as they should be`, {
        hint: 'Somebody on the way may be forging them.',
      })
    }
    const waitedMs = Math.round(this.#parts.clock.now() - this.#startedAt)
    return new EarshotError('timeout', `no answer from ${server} within ${waitedMs} ms`, {
      hint: 'The server may be off, or a firewall drops the packets on their way.',
    })
  }
}

function mayBeUnsigned(message: ReceivedStunMessage): boolean {
  if (message.class !== 'error' || message.integrity.length > 0) return false
  try {
    return UNSIGNED_ERRORS.includes(errorCodeIn(message)?.code ?? 0)
  } catch {
    return false // It is malformed, and as good as none.
  }
}

function unknownAttributes(from: SocketAddress, types: readonly number[]): EarshotError {
  const list = types.map(type => `0x${type.toString(16).padStart(4, '0')}`).join(', ')
  const message = `the answer from ${formatSocketAddress(from)} has attributes that must be understood and are not known here: ${list}`
  return new EarshotError('protocol-violation', message)
}

function keyOf(transactionId: Uint8Array): string {
  return String.fromCharCode(...transactionId)
}

function isSame(a: SocketAddress, b: SocketAddress): boolean {
  return a.port === b.port && a.address === b.address
}
