import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { besieged, type MessengerPair, messengers, rejection } from '../../test/messaging/messengers.ts'
import { EarshotError } from '../errors.ts'
import {
  MAX_OPEN_STREAMS,
  MAX_STREAM_HEADER_BYTES,
  MAX_STREAM_WINDOW_BYTES,
  MAX_WHOLE_FRAME_BYTES,
  STREAM_WINDOW_BYTES,
} from '../limits.ts'
import {
  encodeLabel,
  encodeStreamFrame,
  Frame,
  Payload,
  payloadLength,
  putPayload,
  type StreamFrame,
} from '../session/frame.ts'
import type { ByteStream } from './open-stream.ts'
import type { AcceptedStream } from './streams.ts'

/** Two messengers, and a stream called 'pipe' from alice to bert. */
async function withStream(
  header?: unknown,
): Promise<MessengerPair & { near: ByteStream; far: AcceptedStream<string> }> {
  const set = await messengers()
  let far: AcceptedStream<string> | undefined
  set.bert.acceptors.set('pipe', stream => {
    far = stream
  })
  const near = set.alice.open('pipe', header)
  await set.net.advance(10)
  return Object.assign(set, { near, far: far! })
}

function bytes(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i * 31 + seed + (i >> 8))
}

async function readAll({ readable }: { readonly readable: ReadableStream<Uint8Array> }): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of readable) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function writeAll({ writable }: { readonly writable: WritableStream<Uint8Array> }, ...chunks: Uint8Array[]) {
  const writer = writable.getWriter()
  for (const chunk of chunks) await writer.write(chunk)
  await writer.close()
}

const reset = (reason?: string) => expect.objectContaining({ code: 'reset', reason })

// Bytes ---------------------------------------------------------------------------------------------------------------

test('bytes of any lengths go both ways, whole and in order, with the header first', async () => {
  const { net, near, far } = await withStream({ line: 7 })
  expect([far.from, far.header]).toEqual(['alice', { line: 7 }])
  const parts = [1, 0, 70_000, 3, 65_536, 500_000].map((length, seed) => bytes(length, seed))
  const [there, back] = await net.until(
    Promise.all([readAll(far), readAll(near), writeAll(near, ...parts), writeAll(far, ...parts.toReversed())]),
  )
  expect(Buffer.compare(there, Buffer.concat(parts))).toBe(0)
  expect(Buffer.compare(back, Buffer.concat(parts.toReversed()))).toBe(0)
})

test('what is written right away goes behind the opening, and many small chunks share records', async () => {
  const { net, alice, bert } = await messengers()
  const read: Promise<Buffer>[] = []
  bert.acceptors.set('pipe', stream => void read.push(readAll(stream)))
  const writer = alice.open('pipe').writable.getWriter()
  for (let i = 0; i < 2_000; i++) void writer.write(Uint8Array.of(i, i >> 8))
  void writer.close()
  await net.advance(50)
  expect((await read[0]!).length).toBe(4_000)
})

test('views of any kind are bytes; what is none resets the stream, and says so', async () => {
  const { net, near, far } = await withStream()
  const writer = near.writable.getWriter()
  const reader = far.readable.getReader()
  await writer.write(new DataView(new ArrayBuffer(4), 1, 2) as never)
  await writer.write(new ArrayBuffer(3) as never)
  const first = await net.until(reader.read())
  expect(first.value?.length).toBe(5)
  await expect(writer.write('text' as never)).rejects.toThrow(TypeError)
  await expect(net.until(reader.read())).rejects.toEqual(reset('a stream takes bytes (Uint8Array), not string'))
})

test('a chunk is copied before its write resolves: the application may use its buffer again', async () => {
  const { net, near, far } = await withStream()
  const buffer = new Uint8Array(200_000)
  const all = readAll(far)
  await net.until(
    (async () => {
      const writer = near.writable.getWriter()
      for (let i = 1; i <= 5; i++) await writer.write(buffer.fill(i))
      await writer.close()
    })(),
  )
  const read = await net.until(all)
  for (let i = 1; i <= 5; i++) expect(read[i * 200_000 - 1]).toBe(i)
})

// Back-pressure -------------------------------------------------------------------------------------------------------

describe('a reader that does not read', () => {
  test('stops its writer at one window, and messages go on', async () => {
    const { net, alice, bert, near, far } = await withStream()
    const writer = near.writable.getWriter()
    let written = 0
    const flood = (async () => {
      for (;;) {
        await writer.write(new Uint8Array(10_000))
        written += 10_000
      }
    })()
    flood.catch(() => {})
    await net.advance(5_000)
    expect(written).toBeLessThanOrEqual(STREAM_WINDOW_BYTES)
    expect(written).toBeGreaterThan(STREAM_WINDOW_BYTES - 10_000)
    alice.send('', 'by the way')
    await net.advance(10)
    expect(bert.messages.map(({ data }) => data)).toEqual(['by the way'])

    // Some reading lets some more come: neither less nor much more.
    const reader = far.readable.getReader()
    let read = 0
    while (read < STREAM_WINDOW_BYTES) read += (await net.until(reader.read())).value!.length
    await net.advance(1_000)
    expect(written).toBeGreaterThan(read)
    expect(written).toBeLessThanOrEqual(read + 2 * STREAM_WINDOW_BYTES)
    await writer.abort().catch(() => {})
  })

  test('does not hold up other streams', async () => {
    const { net, alice, bert, near } = await withStream()
    void near.writable
      .getWriter()
      .write(new Uint8Array(1_000_000))
      .catch(() => {})
    const all: Promise<Buffer>[] = []
    bert.acceptors.set('other', stream => void all.push(readAll(stream)))
    await net.until(writeAll(alice.open('other'), bytes(2_000_000)))
    expect((await net.until(all[0]!)).length).toBe(2_000_000)
  })
})

test('a fast reader gives more and more credit, up to the bound', async () => {
  const { net, alice, raw } = await besieged()
  alice.acceptors.set('pipe', readAll)
  raw.send(LABEL, opening(0))
  let unused = STREAM_WINDOW_BYTES
  let most = 0
  let seen = 0
  for (let round = 0; round < 60 && most <= 4 * STREAM_WINDOW_BYTES; round++) {
    for (; unused > 0; unused -= Math.min(unused, 60_000)) raw.send(data(0, Math.min(unused, 60_000)))
    await net.advance(3)
    const frames = raw.of('stream')
    unused = frames.slice(seen).reduce((sum, { bytes: given = 0 }) => sum + given, 0)
    seen = frames.length
    most = Math.max(most, unused)
  }
  expect(most).toBeGreaterThan(4 * STREAM_WINDOW_BYTES)
  expect(most).toBeLessThanOrEqual(MAX_STREAM_WINDOW_BYTES)
})

test('chunks that wait unread are put together where they are small', async () => {
  const { net, near, far } = await withStream()
  const writer = near.writable.getWriter()
  for (let i = 0; i < 300; i++) {
    await writer.write(bytes(100, i))
    if (i % 10 === 0) await net.advance(1)
  }
  await net.advance(10)
  const reader = far.readable.getReader()
  const first = await reader.read()
  expect(first.value!.length).toBeGreaterThan(10_000)
  expect(first.value!.buffer.byteLength).toBeLessThanOrEqual(2 * first.value!.length)
})

// Ends ----------------------------------------------------------------------------------------------------------------

describe('either half ends on its own', () => {
  test('half-close: the other direction goes on', async () => {
    const { net, near, far } = await withStream()
    await writeAll(near, bytes(10))
    expect((await net.until(readAll(far))).length).toBe(10)
    await net.advance(1_000)
    const back = readAll(near)
    await net.until(writeAll(far, bytes(100_000)))
    expect((await net.until(back)).length).toBe(100_000)
  })

  test('an aborted writable fails the readable at once, with the reason', async () => {
    const { net, near, far } = await withStream()
    const writer = near.writable.getWriter()
    await writer.write(bytes(10))
    await net.advance(10)
    const reader = far.readable.getReader()
    void writer.abort(Object.assign(new Error('no more film'), { code: 'ENOENT' }))
    await net.advance(10)
    await expect(reader.read()).rejects.toEqual(reset('ENOENT'))
    await writeAll(far, bytes(5))
    expect((await net.until(readAll(near))).length).toBe(5)
  })

  test('a writable that waits for credit can be aborted, too', async () => {
    const { net, near, far } = await withStream()
    const writer = near.writable.getWriter()
    const stuck = rejection(writer.write(new Uint8Array(1_000_000)))
    await net.advance(100)
    const aborted = writer.abort(new Error('enough'))
    await net.until(aborted)
    expect(await stuck).toMatchObject({ message: 'enough' })
    await net.advance(10)
    await expect(far.readable.getReader().read()).rejects.toEqual(reset('enough'))
  })

  test('a cancelled readable fails the writable, also in the middle of a chunk', async () => {
    const { net, near, far } = await withStream()
    const writer = near.writable.getWriter()
    const stuck = rejection(writer.write(new Uint8Array(1_000_000)))
    await net.advance(10)
    await far.readable.cancel('seen enough')
    await net.advance(10)
    expect(await stuck).toEqual(reset('seen enough'))
    await writeAll(far, bytes(5))
    expect((await net.until(readAll(near))).length).toBe(5)
  })

  test('a cancel that crosses the end of the other side, or comes after it, is no violation', async () => {
    const { net, alice, bert, near, far } = await withStream()
    void writeAll(near, bytes(10))
    await far.readable.cancel()
    await net.advance(10)
    const next = alice.open('pipe')
    await net.advance(10)
    await next.writable.close()
    await next.readable.cancel()
    await net.advance(10)
    expect([alice.ends, bert.ends]).toEqual([[], []])
  })

  test('what the opener wrote before it cancels everything may still arrive', async () => {
    const { net, alice, bert, near, far } = await withStream()
    const pump = far.readable.pipeTo(far.writable).catch(error => error)
    void near.writable
      .getWriter()
      .write(bytes(50_000))
      .catch(() => {})
    await near.readable.cancel('gone')
    await net.advance(100)
    expect(await pump).toEqual(reset('gone'))
    expect([alice.ends, bert.ends]).toEqual([[], []])
  })
})

test('a signal gives up both directions', async () => {
  const { net, alice, bert } = await messengers()
  let far: AcceptedStream<string> | undefined
  bert.acceptors.set('pipe', stream => {
    far = stream
  })
  const controller = new AbortController()
  const near = alice.open('pipe', undefined, controller.signal)
  await net.advance(10)
  const reading = rejection(near.readable.getReader().read())
  const reason = new Error('changed my mind')
  controller.abort(reason)
  expect(await reading).toBe(reason)
  expect(await rejection(near.writable.getWriter().closed as never)).toBe(reason)
  await net.advance(10)
  await expect(far!.readable.getReader().read()).rejects.toEqual(reset('changed my mind'))
  await expect(far!.writable.getWriter().closed).rejects.toEqual(reset('changed my mind'))

  expect(() => alice.open('pipe', undefined, controller.signal)).toThrow(reason)
})

test.each([
  [
    'throws',
    () => {
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
    },
  ],
  [
    'rejects',
    async () => {
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
    },
  ],
])('an accepting function that %s resets the stream with its code', async (_, accept) => {
  const { net, alice, bert } = await messengers()
  bert.acceptors.set('pipe', accept)
  const { readable, writable } = alice.open('pipe')
  const writer = writable.getWriter()
  void writer.closed.catch(() => {})
  await net.advance(10)
  await expect(readable.getReader().read()).rejects.toEqual(reset('ENOENT'))
  await expect(writer.closed).rejects.toEqual(reset('ENOENT'))
})

test('a stream that nobody accepts fails with no-answer, and its bytes go nowhere', async () => {
  const { net, alice, bert } = await messengers()
  const { readable, writable } = alice.open('nobody')
  const writing = rejection(writable.getWriter().write(new Uint8Array(500_000)))
  const reading = rejection(readable.getReader().read())
  await net.advance(100)
  expect(await reading).toMatchObject({ code: 'no-answer', hint: expect.stringContaining("room.accept('nobody'") })
  expect(await writing).toMatchObject({ code: 'no-answer' })
  expect(bert.ends).toEqual([])
})

describe('the end of the session', () => {
  test('gives readers what has arrived, then its error; writers the error', async () => {
    const { net, alice, bert, near, far } = await withStream()
    const writer = near.writable.getWriter()
    await writer.write(bytes(1_000))
    await net.advance(10)
    const stuck = rejection(writer.write(new Uint8Array(1_000_000)))
    await net.advance(10)
    for (const { session } of [alice, bert]) session.abort(new EarshotError('lost', 'the cable'))
    expect(await stuck).toMatchObject({ code: 'lost' })
    const chunks: number[] = []
    const reader = far.readable.getReader()
    const reading = (async () => {
      for (;;) chunks.push((await reader.read()).value!.length)
    })()
    expect(await rejection(reading)).toMatchObject({ code: 'lost' })
    expect(chunks.reduce((sum, length) => sum + length)).toBe(STREAM_WINDOW_BYTES)
    expect(() => alice.open('pipe')).toThrow(expect.objectContaining({ code: 'closed' }))
  })

  test('does not touch what had ended: it can still be read', async () => {
    const { net, bert, near, far } = await withStream()
    await writeAll(near, bytes(30_000))
    await net.advance(10)
    bert.session.abort(new EarshotError('lost', 'the cable'))
    expect((await readAll(far)).length).toBe(30_000)
  })

  test('in good order lets out what was written', async () => {
    const { net, alice, near, far } = await withStream()
    const all = readAll(far)
    void writeAll(near, bytes(200_000), bytes(100_000))
    void alice.session.close('closed')
    expect((await net.until(all)).length).toBe(300_000)
  })
})

// Limits --------------------------------------------------------------------------------------------------------------

test('so many streams may be open, and as one is over the next may come', async () => {
  const { net, alice, bert } = await messengers()
  const far: AcceptedStream<string>[] = []
  bert.acceptors.set('pipe', stream => void far.push(stream))
  const near = Array.from({ length: MAX_OPEN_STREAMS }, () => alice.open('pipe'))
  expect(() => alice.open('pipe')).toThrow(expect.objectContaining({ code: 'limit-reached' }))
  await net.advance(50)
  expect(far).toHaveLength(MAX_OPEN_STREAMS)
  expect(() => bert.open('pipe')).not.toThrow()

  for (const round of [0, 1, 2]) {
    await near[round]!.writable.close()
    await far[round]!.writable.close()
    await net.advance(20)
    alice.open('pipe')
    await net.advance(20)
  }
  expect(() => alice.open('pipe')).toThrow(expect.objectContaining({ code: 'limit-reached' }))
  expect([alice.ends, bert.ends]).toEqual([[], []])
})

test('more streams than may be open come and go one after another', async () => {
  const { net, alice, bert } = await messengers()
  bert.acceptors.set('echo', ({ readable, writable }) => readable.pipeTo(writable))
  await net.until(
    (async () => {
      for (let i = 0; i < 1.5 * MAX_OPEN_STREAMS; i += 16) {
        const echoes = Array.from({ length: 16 }, async (_, index) => {
          const stream = alice.open('echo')
          const read = readAll(stream)
          await writeAll(stream, Uint8Array.of(i, index))
          expect([...(await read)]).toEqual([i & 0xff, index])
        })
        await Promise.all(echoes)
      }
    })(),
  )
})

// Peers that keep no rules --------------------------------------------------------------------------------------------

function payload(type: number, a: number, b: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(payloadLength(a, b, body.length))
  putPayload(frame, 0, type, a, b, body)
  return frame
}

const opening = (stream: number) => payload(Payload.streamOpen, stream, 1, new Uint8Array(0))
const data = (stream: number, length: number) => payload(Payload.streamData, stream, 0, new Uint8Array(length))
const control = (frame: StreamFrame) => encodeStreamFrame(frame)
const end = (stream: number) => control({ kind: 'end', stream })
const LABEL = encodeLabel(1, 'pipe')
/** More than a record holds goes in several. */
const window = [...Array(4)].map(() => data(0, MAX_WHOLE_FRAME_BYTES))

describe('a violation that ends the session', () => {
  test.each<[string, (Uint8Array | readonly number[])[][]]>([
    ['bytes of a stream that was never opened', [[data(0, 1)]]],
    ['the end of a stream that was never opened', [[end(0)]]],
    ['a stop of a stream that was never opened', [[control({ kind: 'stop', stream: 1, code: 'reset', reason: '' })]]],
    ['credit for a stream that was never opened', [[control({ kind: 'credit', stream: 0, bytes: 1 })]]],
    ['an opening by the wrong side', [[LABEL, opening(1)]]],
    ['an opening under a name that was never given', [[opening(0)]]],
    ['a number that was used before', [[LABEL, opening(0), opening(0)]]],
    ['a number below the last one', [[LABEL, opening(4), opening(2)]]],
    ['bytes beyond the credit', [[LABEL, opening(0)], ...window.map(frame => [frame]), [data(0, 1)]]],
    ['bytes after the end', [[LABEL, opening(0), end(0), data(0, 1)]]],
    ['a second end', [[LABEL, opening(0), end(0), end(0)]]],
    ['a frame without bytes', [[LABEL, opening(0), data(0, 0)]]],
    [
      'a header that is too long',
      [[LABEL, payload(Payload.streamOpen, 0, 1, new Uint8Array(MAX_STREAM_HEADER_BYTES + 1))]],
    ],
    ['a header that cannot be decoded', [[LABEL, payload(Payload.streamOpen | 2, 0, 1, Uint8Array.of(0x7b))]]],
    [
      'bytes beyond the credit of a stream that nobody accepted',
      [[encodeLabel(1, 'nobody'), opening(0)], ...window.map(frame => [frame]), [data(0, 1)]],
    ],
    [
      'stream data in fragments',
      [
        [[Frame.firstFragment, 1], [0x80, 0, 0x50, 0], [0x01], [Payload.streamData]],
        ...Array(1).fill([[Frame.fragment, 1, 0x80, 0, 0x4f, 0xff], new Uint8Array(0x4fff)]),
      ],
    ],
  ])('%s', async (_, records) => {
    const { net, alice, raw } = await besieged()
    alice.acceptors.set('pipe', () => {})
    for (const record of records) raw.send(...record)
    await net.advance(2_000)
    expect(alice.ends).toMatchObject([{ code: 'protocol-violation' }])
    expect(raw.of('goodbye')).toMatchObject([{ code: 4 }])
  })

  test('more streams than allowed', async () => {
    const { net, alice, raw } = await besieged()
    alice.acceptors.set('pipe', () => {})
    raw.send(LABEL)
    for (let stream = 0; stream <= MAX_OPEN_STREAMS; stream++) raw.send(opening(stream * 2))
    await net.advance(2_000)
    expect(alice.ends).toMatchObject([{ code: 'limit-reached' }])
  })
})

describe('what may be under way for a stream that is over', () => {
  test('is ignored: credit and stops', async () => {
    const { net, alice, raw } = await besieged()
    alice.acceptors.set('pipe', async ({ readable, writable }) => {
      await readable.cancel()
      await writable.close()
    })
    raw.send(LABEL, opening(0), end(0))
    await net.advance(10)
    raw.send(
      control({ kind: 'credit', stream: 0, bytes: 9 }),
      control({ kind: 'stop', stream: 0, code: 'reset', reason: '' }),
    )
    await net.advance(10)
    expect(alice.ends).toEqual([])
  })

  test('is ignored: bytes to a reader that has cancelled, up to its credit', async () => {
    const { net, alice, raw } = await besieged()
    alice.acceptors.set('pipe', ({ readable }) => readable.cancel())
    raw.send(LABEL, opening(0))
    await net.advance(10)
    for (const frame of window) raw.send(frame)
    await net.advance(10)
    expect(alice.ends).toEqual([])
    raw.send(data(0, 1))
    await net.advance(10)
    expect(alice.ends).toMatchObject([{ code: 'protocol-violation' }])
  })
})

test('a peer that gives endless credit and does not read fills nothing', async () => {
  const { net, alice, raw, ada, bob } = await besieged()
  alice.acceptors.set('pipe', () => {})
  const writer = alice.open('pipe').writable.getWriter()
  await net.advance(10)
  bob.tcp.pause()
  for (let i = 0; i < 20; i++) raw.send(control({ kind: 'credit', stream: 1, bytes: Number.MAX_SAFE_INTEGER }))
  let written = 0
  void (async () => {
    for (;;) written += await writer.write(new Uint8Array(65_536)).then(() => 65_536)
  })().catch(() => {})
  await net.advance(5_000)
  expect(written).toBeLessThan(2_000_000)
  expect(alice.session.queuedBytes).toBeLessThan(200_000)
  void ada
})

test('windows of many streams that nobody reads grow no further than at their start', async () => {
  const { net, alice, raw } = await besieged()
  let reads = 0
  alice.acceptors.set('pipe', async ({ readable }) => {
    await readable.getReader().read()
    reads++
  })
  raw.send(LABEL)
  for (let stream = 0; stream < 200; stream += 2) {
    raw.send(opening(stream))
    for (let i = 0; i < 4; i++) raw.send(data(stream, MAX_WHOLE_FRAME_BYTES))
  }
  await net.advance(100)
  expect(reads).toBe(100)
  const credit = raw.of('stream').reduce((sum, { bytes: given = 0 }) => sum + given, 0)
  expect(credit).toBeLessThanOrEqual(100 * MAX_WHOLE_FRAME_BYTES)
  expect(MAX_STREAM_WINDOW_BYTES).toBeGreaterThan(STREAM_WINDOW_BYTES)
})

test('whatever frames of streams come, in whatever order, the session goes on or ends with a code', async () => {
  const stream = fc.integer({ min: 0, max: 7 })
  const anyFrame = fc.oneof(
    stream.map(opening),
    fc.tuple(stream, fc.nat(200)).map(([id, length]) => data(id, length)),
    stream.map(end),
    fc
      .tuple(stream, fc.constantFrom('reset' as const, 'stop' as const))
      .map(([id, kind]) => control({ kind, stream: id, code: 'reset', reason: 'because' })),
    fc.tuple(stream, fc.nat(100_000)).map(([id, given]) => control({ kind: 'credit', stream: id, bytes: given })),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(anyFrame, { maxLength: 30 }), async frames => {
      const { net, alice, raw } = await besieged()
      alice.acceptors.set('pipe', async ({ readable, writable }) => readable.pipeTo(writable))
      for (const name of ['pipe', 'nobody']) {
        const { readable, writable } = alice.open(name)
        void writable
          .getWriter()
          .write(new Uint8Array(100_000))
          .catch(() => {})
        void readable.cancel().catch(() => {})
      }
      raw.send(LABEL)
      for (const frame of frames) raw.send(frame)
      await net.advance(50)
      for (const { code } of alice.ends) expect(['protocol-violation', 'limit-reached']).toContain(code)
    }),
    { numRuns: 60 },
  )
})
