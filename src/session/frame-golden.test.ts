/**
 * The frames of version 1 on the wire (docs/protocol.md, "Frames" and "Values"), which are kept for ever: whoever
 * changes what these bytes are makes a new version of the protocol.
 */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { RecordLog } from '../../test/session/record-log.ts'
import { RecordingSession, stage } from '../../test/session/stage.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import type { BulkSource } from './bulk-sources.ts'
import { encodeGoodbye, encodeLabel, Frame, Payload, putStreamData } from './frame.ts'
import { decodeHello, encodeHello } from './hello.ts'
import { decodePathRecord, encodePathRecord, type PathFrame } from './path-record.ts'
import type { Session } from './session.ts'

interface Fixture {
  readonly name: string
  readonly hex: string
  /** So many zero bytes follow. */
  readonly zeros?: number
}

const vectors = new URL('../../test/vectors/frames-v1.json', import.meta.url)
const { frames, pathRecords } = JSON.parse(readFileSync(vectors, 'utf8')) as {
  frames: Fixture[]
  pathRecords: Fixture[]
}

const utf8 = (text: string) => new TextEncoder().encode(text)
const bytesOf = ({ hex, zeros = 0 }: Fixture) => Uint8Array.from(Buffer.from(hex + '00'.repeat(zeros), 'hex'))

function fixture(name: string, among: readonly Fixture[] = frames): Fixture {
  const found = among.find(frame => frame.name === name)
  if (!found) throw new Error(`no fixture is called ${name}`)
  return found
}

/** Bytes that go out as they are. */
function sourceOf(stream: number, bytes: Uint8Array): BulkSource {
  return {
    isQueued: false,
    pending: bytes.length,
    get sendable() {
      return this.pending
    },
    put(target, offset) {
      Object.assign(this, { pending: 0 })
      return putStreamData(target, offset, stream, 0, bytes)
    },
  }
}

const ADA = {
  instance: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  session: undefined,
  port: 4_112,
  name: 'Ada',
  info: '{"team":"red"}',
  hello: '{"level":3}',
  udpPort: 4_112,
  network: 0,
}

describe('version 1 on the wire (test/vectors/frames-v1.json)', () => {
  test('hello', () => {
    expect(Buffer.from(encodeHello(ADA)).toString('hex')).toBe(fixture('hello').hex)
    expect(decodeHello(new ByteReader(bytesOf(fixture('hello')), 1))).toEqual(ADA)
  })

  test.each([
    ['hello that offers a session', 0],
    ['hello that offers a session and tells a network', 2],
  ])('%s', (name, network) => {
    const session = { id: Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i), received: 300 }
    expect(Buffer.from(encodeHello({ ...ADA, session, network })).toString('hex')).toBe(fixture(name).hex)
    expect(decodeHello(new ByteReader(bytesOf(fixture(name)), 1))).toEqual({ ...ADA, session, network })
  })

  test.each<[string, PathFrame]>([
    ['start', { kind: 'start', number: 300 }],
    ['acknowledgement', { kind: 'acknowledgement', received: 16_383 }],
    ['goodbye', { kind: 'goodbye', goodbye: { code: 'kicked', reason: 'too loud', retryAfterMs: 60_000 } }],
    ['ping', { kind: 'ping', token: 1 }],
    ['pong', { kind: 'pong', token: 1 }],
  ])('path record: %s', (name, frame) => {
    const record = encodePathRecord(frame)
    expect(Buffer.from(record).toString('hex')).toBe(fixture(name, pathRecords).hex)
    const decoded: PathFrame[] = []
    decodePathRecord(record, one => decoded.push(one))
    expect(decoded).toEqual([frame])
  })

  test('admit', () => {
    expect(Buffer.of(Frame.admit).toString('hex')).toBe(fixture('admit').hex)
  })

  test('goodbye', () => {
    const goodbye = encodeGoodbye({ code: 'kicked', reason: 'too loud', retryAfterMs: 60_000 })
    expect(Buffer.from(goodbye).toString('hex')).toBe(fixture('goodbye').hex)
  })

  test('label', () => {
    expect(Buffer.from(encodeLabel(1, 'scores')).toString('hex')).toBe(fixture('label').hex)
  })

  test.each<[string, (session: Session) => unknown]>([
    ['receipt', session => session.receipt(300, 1)],
    ['cancel', session => session.cancel(70_000)],
    ['pull', session => session.pull(5, 16)],
    ['info', session => session.info('{"team":"blue"}')],
    ['message of bytes', session => session.send(0, Payload.message | 0, 0, 0, Uint8Array.of(0xca, 0xfe))],
    ['message of text', session => session.send(0, Payload.message | 1, 0, 0, utf8('hi'))],
    ['message of JSON', session => session.send(1, Payload.message | 2, 1, 7, utf8('{"a":1}'))],
    ['message of CBOR', session => session.send(1, Payload.message | 3, 1, 64, Uint8Array.of(0xf7))],
    ['unreliable message', session => void session.sendNow(Payload.unreliable | 2, 1, 0, utf8('{"a":1}'))],
    ['question', session => session.send(-1, Payload.question | 2, 16_384, 2, utf8('[1,2]'))],
    ['answer', session => session.send(-1, Payload.answer | 2, 16_384, 0, utf8('3'))],
    ['answer item', session => session.send(-1, Payload.answerItem | 1, 5, 0, utf8('first'))],
    ['answer end', session => session.send(-1, Payload.answerEnd, 5, 0, new Uint8Array(0))],
    ['answer error', session => session.send(-1, Payload.answerError, 5, 0, utf8('ENOENT'))],
    ['stream open', session => session.send(-1, Payload.streamOpen | 2, 6, 1, utf8('{"line":1}'))],
    ['stream data', session => session.bulk.offer(sourceOf(6, Uint8Array.of(0xca, 0xfe, 1)))],
    ['stream end', session => session.streamFrame({ kind: 'end', stream: 6 })],
    ['stream reset', session => session.streamFrame({ kind: 'reset', stream: 7, code: 'reset', reason: 'ENOENT' })],
    [
      'stream reset of a stream that nobody accepts',
      session => session.streamFrame({ kind: 'reset', stream: 9, code: 'no-answer', reason: '' }),
    ],
    ['stream stop', session => session.streamFrame({ kind: 'stop', stream: 6, code: 'reset', reason: 'enough now' })],
    ['stream credit', session => session.streamFrame({ kind: 'credit', stream: 7, bytes: 65_536 })],
  ])('%s, as a session sends it', async (name, send) => {
    const set = await stage()
    const { session } = new RecordingSession(set.ada)
    const log = new RecordLog(set.bob)
    send(session)
    await set.net.advance(10)

    expect(log.take()).toBe(fixture(name).hex)
  })

  test('credit and pong, as a session answers', async () => {
    const set = await stage()
    const ada = new RecordingSession(set.ada)
    const log = new RecordLog(set.bob)
    for (let i = 0; i < 16; i++) set.bob.connection.sendRecord(bytesOf(fixture('message for credit')))
    await set.net.advance(10)
    expect(ada.payloads).toHaveLength(16)
    expect(log.take()).toBe(`000208000210${fixture('credit').hex}`)

    set.bob.connection.sendRecord(bytesOf(fixture('ping', pathRecords)))
    await set.net.advance(10)
    expect(log.take()).toBe(fixture('pong', pathRecords).hex)
  })

  test('the fragments of a large message', async () => {
    const set = await stage()
    const ada = new RecordingSession(set.ada)
    const log = new RecordLog(set.bob)
    void ada.session.send(0, Payload.message, 0, 0, new Uint8Array(70_000))
    await set.net.advance(10)
    expect(log.records.map(record => Buffer.from(record))).toEqual(
      ['first fragment', 'fragment'].map(name => Buffer.from(bytesOf(fixture(name)))),
    )
  })

  test('all of it is understood', async () => {
    const set = await stage()
    const ada = new RecordingSession(set.ada)
    const greeting = ['admit', 'goodbye']
    for (const frame of frames.filter(({ name }) => !name.startsWith('hello') && !greeting.includes(name))) {
      set.bob.connection.sendRecord(bytesOf(frame))
    }
    set.bob.connection.sendRecord(bytesOf(fixture('goodbye', pathRecords)))
    await set.net.advance(10)

    expect(ada.session.labelName(1)).toBe('scores')
    expect([ada.receipts, ada.cancels, ada.pulls, ada.infos]).toEqual([
      [[300, 1]],
      [70_000],
      [[5, 16]],
      ['{"team":"blue"}'],
    ])
    expect(ada.payloads.map(({ type, a, b, body }) => [type, a, b, body.length])).toEqual([
      [0x10, 0, 0, 2],
      [0x11, 0, 0, 2],
      [0x12, 1, 7, 7],
      [0x13, 1, 64, 1],
      [0x36, 1, 0, 7],
      [0x16, 16_384, 2, 5],
      [0x1a, 16_384, 0, 1],
      [0x1d, 5, 0, 5],
      [0x20, 5, 0, 0],
      [0x24, 5, 0, 6],
      [0x10, 0, 0, 16_379],
      [0x10, 0, 0, 70_000],
      [0x2e, 6, 1, 10],
      [0x28, 6, 0, 3],
    ])
    expect(ada.streamFrames).toEqual([
      { kind: 'end', stream: 6 },
      { kind: 'reset', stream: 7, code: 'reset', reason: 'ENOENT' },
      { kind: 'reset', stream: 9, code: 'no-answer', reason: '' },
      { kind: 'stop', stream: 6, code: 'reset', reason: 'enough now' },
      { kind: 'credit', stream: 7, bytes: 65_536 },
    ])
    expect(ada.ends).toEqual([
      { code: 'kicked', reason: 'too loud', byPeer: true, retryAfterMs: 60_000, error: undefined },
    ])
  })
})
