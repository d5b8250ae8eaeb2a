/**
 * Reads the records of a session that have arrived: frame by frame, in order, until the session ends. What is too large
 * for one record is put together here, and what payload cost is given back as credit.
 */

import { protocolViolation } from '../errors.ts'
import { MAX_INFO_BYTES } from '../limits.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import {
  boundedUtf8,
  CALL_POOL,
  decodeLabel,
  decodeStreamFrame,
  FIRST_STREAM_TYPE,
  Frame,
  isPayload,
  isStreamData,
  LAST_STREAM_TYPE,
  MESSAGE_POOL,
  type Pool,
  poolOf,
  type StreamFrame,
} from './frame.ts'
import { ReceivedLabels } from './label-table.ts'
import { Reassembly, type ReassemblyShare } from './reassembly.ts'
import { ReceiveCredit } from './receive-credit.ts'
import type { SendQueue } from './send-queue.ts'

/** What the frames mean is the business of `messaging/`. */
export interface FrameHandlers {
  /** A payload frame; `length` is what it costs of the pool's credit, for `hold`. */
  onPayload(type: number, a: number, b: number, body: Uint8Array, length: number): void
  onReceipt(number: number, outcome: number): void
  onCancel(question: number): void
  /** The asker of a streamed answer takes `count` more items. */
  onPull(question: number, count: number): void
  onStreamFrame(frame: StreamFrame): void
  /** The peer changed its public data: JSON text, empty for none. */
  onInfo(info: string): void
}

export class ReceivedFrames {
  /** The names that the peer has told. */
  readonly labels: ReceivedLabels = new ReceivedLabels()
  readonly #handlers: FrameHandlers
  readonly #queue: Pick<SendQueue, 'addCredit' | 'control'>
  readonly #credits: readonly [ReceiveCredit, ReceiveCredit] = [new ReceiveCredit(), new ReceiveCredit()]
  readonly #reassemblies: readonly [Reassembly, Reassembly]
  #isOver = false

  /** The queue takes the credit of either side: what the peer gives, and what it is given. */
  constructor(handlers: FrameHandlers, queue: Pick<SendQueue, 'addCredit' | 'control'>, share: ReassemblyShare) {
    this.#handlers = handlers
    this.#queue = queue
    this.#reassemblies = [new Reassembly(share), new Reassembly(share)]
  }

  /** Hands on every frame of a record. Throws `protocol-violation` or `limit-reached`. */
  read(plaintext: Uint8Array): void {
    const reader = new ByteReader(plaintext)
    while (reader.offset < reader.end && !this.#isOver) this.#frame(reader)
  }

  /** The application has not read `bytes` of messages yet: the peer gets no new credit for them. */
  hold(pool: Pool, bytes: number): void {
    this.#credits[pool].hold(bytes)
  }

  release(pool: Pool, bytes: number): void {
    this.#credits[pool].release(bytes)
  }

  /** Gives the peer what credit it can have, where that is worth a frame. */
  grant(): void {
    this.#grantPool(MESSAGE_POOL)
    this.#grantPool(CALL_POOL)
  }

  /** The session is over: what is left of a record is not read, and what was put together is dropped. */
  discard(): void {
    this.#isOver = true
    for (const reassembly of this.#reassemblies) reassembly.discard()
  }

  #frame(reader: ByteReader): void {
    const type = reader.uint8('frame type')
    if (isPayload(type)) {
      const start = reader.offset - 1
      const a = reader.varint('frame field a')
      const b = reader.varint('frame field b')
      const body = reader.view(reader.varint('body length'), 'body')
      const length = reader.offset - start
      if (!isStreamData(type)) this.#credits[poolOf(type)].received(length)
      this.#handlers.onPayload(type, a, b, body, length)
      return
    }
    this.#controlFrame(type, reader)
  }

  #controlFrame(type: number, reader: ByteReader): void {
    switch (type) {
      case Frame.credit:
        this.#queue.addCredit(readPool(reader), reader.varint('credit'))
        return
      case Frame.label: {
        const { id, name } = decodeLabel(reader)
        this.labels.add(id, name)
        return
      }
      case Frame.receipt:
        this.#handlers.onReceipt(reader.varint('receipt number'), reader.uint8('receipt outcome'))
        return
      case Frame.cancel:
        this.#handlers.onCancel(reader.varint('question id'))
        return
      case Frame.pull:
        this.#handlers.onPull(reader.varint('question id'), reader.varint('item count'))
        return
      case Frame.info:
        this.#handlers.onInfo(boundedUtf8(reader, MAX_INFO_BYTES, 'info'))
        return
      case Frame.firstFragment: {
        const pool = readPool(reader)
        this.#reassemblies[pool].begin(reader.varint('frame length'))
        this.#fragment(pool, reader)
        return
      }
      case Frame.fragment:
        this.#fragment(readPool(reader), reader)
        return
      default:
        if (type < FIRST_STREAM_TYPE || type > LAST_STREAM_TYPE) {
          throw protocolViolation(`a frame of unknown type ${type}`)
        }
        this.#handlers.onStreamFrame(decodeStreamFrame(type, reader))
    }
  }

  #fragment(pool: Pool, reader: ByteReader): void {
    const fragment = reader.view(reader.varint('fragment length'), 'fragment')
    this.#credits[pool].received(fragment.length)
    const frame = this.#reassemblies[pool].add(fragment)
    if (!frame) return
    const inner = new ByteReader(frame)
    const type = inner.uint8('frame type')
    if (!isPayload(type) || isStreamData(type) || poolOf(type) !== pool) {
      throw protocolViolation(`a frame of type ${type} in fragments of pool ${pool}`)
    }
    const a = inner.varint('frame field a')
    const b = inner.varint('frame field b')
    const body = inner.view(inner.varint('body length'), 'body')
    inner.finish('a fragmented frame')
    this.#handlers.onPayload(type, a, b, body, frame.length)
  }

  #grantPool(pool: Pool): void {
    const bytes = this.#credits[pool].grant()
    if (bytes > 0) this.#queue.control(new ByteWriter(10).uint8(Frame.credit).uint8(pool).varint(bytes).finish())
  }
}

function readPool(reader: ByteReader): Pool {
  const pool = reader.uint8('pool')
  if (pool !== MESSAGE_POOL && pool !== CALL_POOL) throw protocolViolation(`there is no pool ${pool}`)
  return pool
}
