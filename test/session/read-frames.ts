/** Reads the plaintext of records independently of the session, as docs/protocol.md, "Frames", describes it. */

import { Frame, isPayload, type Pool, poolOf } from '../../src/session/frame.ts'
import { Reassembly, ReassemblyBudget } from '../../src/session/reassembly.ts'
import { ByteReader } from '../../src/wire/byte-reader.ts'

export interface PayloadFrame {
  readonly kind: 'payload'
  readonly pool: Pool
  readonly type: number
  readonly a: number
  readonly b: number
  readonly body: Uint8Array
  /** What it costs of the credit. */
  readonly length: number
}

export type ReadFrame =
  | PayloadFrame
  | { readonly kind: 'fragment'; readonly pool: Pool; readonly total: number | undefined; readonly bytes: Uint8Array }
  | { readonly kind: 'hello'; readonly content: Uint8Array }
  | { readonly kind: 'admit' }
  | { readonly kind: 'number'; readonly type: number; readonly value: number }
  | { readonly kind: 'credit'; readonly pool: Pool; readonly bytes: number }
  | { readonly kind: 'label'; readonly id: number; readonly name: string }
  | { readonly kind: 'receipt'; readonly number: number; readonly outcome: number }
  | { readonly kind: 'pull'; readonly question: number; readonly count: number }
  | { readonly kind: 'info'; readonly json: string }
  | { readonly kind: 'start'; readonly number: number }
  | { readonly kind: 'acknowledgement'; readonly received: number }
  | {
      readonly kind: 'stream'
      readonly type: number
      readonly stream: number
      readonly bytes?: number
      readonly code?: number
      readonly reason?: string
    }
  | {
      readonly kind: 'goodbye'
      readonly code: number
      readonly retryAfterMs: number
      readonly reason: string
    }

const PATH_MARK = 0x00
const START = 0x01
const ACKNOWLEDGEMENT = 0x02

/** All frames of one record. */
export function readFrames(plaintext: Uint8Array): ReadFrame[] {
  const reader = new ByteReader(plaintext)
  const frames: ReadFrame[] = []
  if (plaintext[0] === PATH_MARK) {
    reader.uint8('mark')
    while (reader.remaining > 0) frames.push(readPathFrame(reader))
  }
  while (reader.remaining > 0) frames.push(readFrame(reader))
  return frames
}

function readPathFrame(reader: ByteReader): ReadFrame {
  const type = reader.uint8('type')
  switch (type) {
    case START:
      return { kind: 'start', number: reader.varint('number') }
    case ACKNOWLEDGEMENT:
      return { kind: 'acknowledgement', received: reader.varint('received') }
    case Frame.goodbye:
      return readGoodbye(reader)
    case Frame.ping:
    case Frame.pong:
      return { kind: 'number', type, value: reader.varint('token') }
    default:
      throw new Error(`a path frame of type ${type}`)
  }
}

function readFrame(reader: ByteReader): ReadFrame {
  const start = reader.offset
  const type = reader.uint8('type')
  if (isPayload(type)) return readPayload(reader, start, type)
  switch (type) {
    case Frame.hello:
      return { kind: 'hello', content: reader.view(reader.varint('length'), 'hello') }
    case Frame.admit:
      return { kind: 'admit' }
    case Frame.firstFragment:
    case Frame.fragment: {
      const pool = reader.uint8('pool') as Pool
      const total = type === Frame.firstFragment ? reader.varint('total') : undefined
      return { kind: 'fragment', pool, total, bytes: reader.view(reader.varint('length'), 'fragment') }
    }
    case Frame.cancel:
      return { kind: 'number', type, value: reader.varint('number') }
    case Frame.credit:
      return { kind: 'credit', pool: reader.uint8('pool') as Pool, bytes: reader.varint('bytes') }
    case Frame.label:
      return { kind: 'label', id: reader.varint('id'), name: readText(reader) }
    case Frame.receipt:
      return { kind: 'receipt', number: reader.varint('number'), outcome: reader.uint8('outcome') }
    case Frame.pull:
      return { kind: 'pull', question: reader.varint('question'), count: reader.varint('count') }
    case Frame.info:
      return { kind: 'info', json: readText(reader) }
    case Frame.goodbye:
      return readGoodbye(reader)
    case Frame.streamEnd:
    case Frame.streamReset:
    case Frame.streamStop:
    case Frame.streamCredit:
      return readStreamFrame(type, reader)
    default:
      throw new Error(`a frame of type ${type}`)
  }
}

function readStreamFrame(type: number, reader: ByteReader): ReadFrame {
  const stream = reader.varint('stream')
  if (type === Frame.streamEnd) return { kind: 'stream', type, stream }
  if (type === Frame.streamCredit) return { kind: 'stream', type, stream, bytes: reader.varint('bytes') }
  return { kind: 'stream', type, stream, code: reader.uint8('code'), reason: readText(reader) }
}

function readPayload(reader: ByteReader, start: number, type: number): PayloadFrame {
  const a = reader.varint('a')
  const b = reader.varint('b')
  const body = reader.view(reader.varint('body length'), 'body')
  return { kind: 'payload', pool: poolOf(type), type, a, b, body, length: reader.offset - start }
}

function readText(reader: ByteReader): string {
  return reader.utf8(reader.varint('length'), 'text')
}

/** The payload frames of a sequence of records, fragments put together. */
export function payloadFrames(records: readonly Uint8Array[]): PayloadFrame[] {
  const share = new ReassemblyBudget().share('', () => {})
  const reassemblies = [new Reassembly(share), new Reassembly(share)] as const
  const payloads: PayloadFrame[] = []
  for (const frame of records.flatMap(readFrames)) {
    if (frame.kind === 'payload') payloads.push(frame)
    if (frame.kind !== 'fragment') continue
    if (frame.total !== undefined) reassemblies[frame.pool].begin(frame.total)
    const whole = reassemblies[frame.pool].add(frame.bytes)
    if (whole) payloads.push(...(readFrames(whole) as PayloadFrame[]))
  }
  return payloads
}

function readGoodbye(reader: ByteReader): ReadFrame {
  const code = reader.uint8('code')
  return { kind: 'goodbye', code, retryAfterMs: reader.varint('retry-after'), reason: readText(reader) }
}
