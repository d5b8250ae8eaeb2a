/**
 * Cuts what comes on a connection into headers and payloads, wherever the segments end: the program reads with one call
 * each and loses its place.
 *
 *     header ── DATA ──► payload ──► header          of a stream, once its size is known:
 *        └── PING and the like: a sign of life       payload ──► payload, a PING between two of them
 */

import { protocolViolation } from '../../errors.ts'
import type { ByteQueue } from '../../wire/byte-queue.ts'
import { type DataHeader, decodeDataHeader } from './data-header.ts'
import { decodeHeader, encodeHeader, HEADER_BYTES } from './header.ts'
import { type ConnectionTerms, type DataType, decodeDataType } from './hello.ts'

/** The size of a stream's messages, in both directions: whoever sends first sets it. */
export interface StreamSize {
  bytes: number | undefined
}

export type Incoming =
  | { readonly kind: 'message'; readonly dataType: DataType; readonly bytes: Uint8Array }
  /** Of a type that was not agreed on; its payload is skipped. The program would take that for headers. */
  | { readonly kind: 'skipped'; readonly dataType: DataType; readonly sizeBytes: number }
  | { readonly kind: 'sign-of-life' }

const PING = encodeHeader('PING')
/** How a header of a stream's first message begins. */
const DATA = new TextEncoder().encode('DATA|data_')

export class MessageReader {
  readonly #queue: ByteQueue
  readonly #terms: ConnectionTerms
  readonly #streamSize: StreamSize
  #expected: (DataHeader & { readonly dataType: DataType }) | undefined
  #skip = 0
  #hasReceived = false

  constructor(queue: ByteQueue, terms: ConnectionTerms, streamSize: StreamSize) {
    this.#queue = queue
    this.#terms = terms
    this.#streamSize = streamSize
  }

  /** The next thing in the queue; undefined where it is not there in whole. @throws `protocol-violation` */
  next(): Incoming | undefined {
    if (this.#skip > 0) this.#skip -= this.#queue.drop(this.#skip)
    if (this.#skip > 0) return undefined
    if (this.#expected !== undefined) return this.#payload(this.#expected)
    const size = this.#terms.isStream ? this.#streamSize.bytes : undefined
    return size === undefined ? this.#header() : this.#streamed(size)
  }

  #header(): Incoming | undefined {
    if (this.#queue.length < HEADER_BYTES) return undefined
    const header = decodeHeader(this.#queue.take(HEADER_BYTES))
    return header.type === 'DATA' ? this.#data(decodeDataHeader(header)) : { kind: 'sign-of-life' }
  }

  #data({ sizeBytes, dataType: text }: DataHeader): Incoming | undefined {
    const dataType = decodeDataType(text)
    if (this.#terms.isStream) this.#agree(sizeBytes)
    if (this.#terms.strict && dataType !== this.#terms.dataType) {
      this.#skip = sizeBytes
      return { kind: 'skipped', dataType, sizeBytes }
    }
    this.#expected = { sizeBytes, dataType }
    return this.#payload(this.#expected)
  }

  #agree(sizeBytes: number): void {
    const agreed = this.#streamSize.bytes ?? sizeBytes
    if (sizeBytes === 0 || sizeBytes !== agreed)
      throw protocolViolation(`a message of ${sizeBytes} bytes in a stream of messages of ${agreed} bytes`)
    this.#streamSize.bytes = agreed
  }

  #payload({ sizeBytes, dataType }: DataHeader & { readonly dataType: DataType }): Incoming | undefined {
    if (this.#queue.length < sizeBytes) return undefined
    this.#expected = undefined
    this.#hasReceived = true
    return { kind: 'message', dataType, bytes: this.#queue.take(sizeBytes) }
  }

  /**
   * The program's keep-alive comes between two messages of a stream as well: it sends it in one piece, and takes it for
   * data itself. And where both sides begin at the same time, the other's first message has its header.
   */
  #streamed(sizeBytes: number): Incoming | undefined {
    const start = this.#queue.peek(HEADER_BYTES)
    if (start.length === HEADER_BYTES && start.every((byte, at) => byte === PING[at])) {
      this.#queue.drop(HEADER_BYTES)
      return { kind: 'sign-of-life' }
    }
    if (!this.#hasReceived && start.length > 0 && DATA.every((byte, at) => byte === (start[at] ?? byte)))
      return this.#header()
    return this.#payload({ sizeBytes, dataType: this.#terms.dataType })
  }
}
