import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, test } from 'vitest'
import type { AcceptedStream, Peer, Room } from '../../src/index.ts'
import { failureOf, heardBy, logOf, onStage, peerOf, type Stage } from './stage.ts'

async function adaAndBob(stage: Stage): Promise<{ ada: Room; bob: Room; toBob: Peer; toAda: Peer }> {
  const [ada, bob] = await stage.joinAll('ada', 'bob')
  await stage.met([ada!, bob!])
  return { ada: ada!, bob: bob!, toBob: peerOf(ada!, bob!), toAda: peerOf(bob!, ada!) }
}

async function readAll(readable: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of readable) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8))
}

describe('a stream', () => {
  test('goes both ways between programs, with its header and who opened it', () =>
    onStage(async stage => {
      const { bob, toBob, toAda } = await adaAndBob(stage)
      let accepted: AcceptedStream<Peer> | undefined
      bob.accept('echo', async stream => {
        accepted = stream
        await stream.readable.pipeTo(stream.writable)
      })
      const { readable, writable } = toBob.open('echo', { header: { size: 3_000_000, tags: new Set(['a']) } })
      const back = readAll(readable)
      const writer = writable.getWriter()
      await writer.write(bytes(3_000_000))
      await writer.close()
      expect(Buffer.compare(await back, bytes(3_000_000))).toBe(0)
      expect(accepted?.from).toBe(toAda)
      expect(accepted?.header).toEqual({ size: 3_000_000, tags: new Set(['a']) })
    }))

  test('is what Node streams can be made of', () =>
    onStage(async stage => {
      const { bob, toBob } = await adaAndBob(stage)
      const received: Buffer[] = []
      let isOver = false
      bob.accept('log', async ({ readable, writable }) => {
        await writable.close()
        await pipeline(
          Readable.fromWeb(readable as never),
          new Writable({
            write(chunk, _, done) {
              received.push(chunk)
              done()
            },
          }),
        )
        isOver = true
      })
      const { writable } = toBob.open('log')
      await pipeline(Readable.from([bytes(100), bytes(200_000)]), Writable.fromWeb(writable as never))
      await stage.until(() => isOver)
      expect(Buffer.concat(received)).toHaveLength(200_100)
    }))

  test('does not delay messages and questions of others or its own peer by much, however much it carries', () =>
    onStage(
      async stage => {
        const { bob, toBob } = await adaAndBob(stage)
        const eve = await stage.join('eve')
        await stage.met([bob, eve])
        bob.answer('time', () => 12)
        bob.accept('film', async ({ readable }) => {
          for await (const _ of readable);
        })
        await toBob.ask('time')
        const idle = await toBob.ping()
        let isOver = false
        const writer = toBob.open('film').writable.getWriter()
        const film = (async () => {
          while (!isOver) await writer.write(new Uint8Array(65_536))
        })()
        await stage.advance(500)
        for (let i = 0; i < 5; i++) {
          const startedAt = stage.net.now
          await toBob.ask('time')
          // The record under way and what the system has queued, at 12.5 bytes a microsecond.
          expect(stage.net.now - startedAt).toBeLessThan(idle + 40)
          await stage.advance(50)
        }
        isOver = true
        await film
        await writer.close()
      },
      { lan: { bitsPerSecond: 100_000_000 } },
    ))

  test('shares the path fairly with others', () =>
    onStage(
      async stage => {
        const { bob, toBob } = await adaAndBob(stage)
        const read = new Map<string, number>()
        for (const name of ['a', 'b', 'c']) {
          bob.accept(name, async ({ readable }) => {
            for await (const chunk of readable) read.set(name, (read.get(name) ?? 0) + chunk.length)
          })
        }
        const controller = new AbortController()
        const { signal } = controller
        const floods = ['a', 'b', 'c'].map(async name => {
          const writer = toBob.open(name, { signal }).writable.getWriter()
          for (;;) await writer.write(new Uint8Array(name === 'a' ? 1_000_000 : 30_000))
        })
        await stage.advance(3_000)
        controller.abort(new Error('enough'))
        for (const flood of floods) expect((await failureOf(flood)).message).toBe('enough')
        const [least, most] = [Math.min(...read.values()), Math.max(...read.values())]
        expect(least).toBeGreaterThan(1_000_000)
        expect(most / least).toBeLessThan(1.5)
      },
      { lan: { bitsPerSecond: 100_000_000 } },
    ))
})

describe('a link that breaks', () => {
  test('costs no byte: the stream goes on over the next connection, at its pace and with its ends', () =>
    onStage(
      async stage => {
        const { ada, bob, toBob } = await adaAndBob(stage)
        const log = logOf(ada)
        const all: Promise<Buffer>[] = []
        bob.accept('film', ({ readable, writable }) => {
          all.push(readAll(readable))
          return writable.close()
        })
        const { readable, writable } = toBob.open('film')
        const writer = writable.getWriter()
        const film = bytes(6_000_000)
        const writing = writer.write(film).then(() => writer.close())
        await stage.advance(150)
        for (let round = 0; round < 2; round++) {
          stage.net.lan('home').isolate('bob')
          await stage.advance(20_000)
          expect(toBob.state).toBe('away')
          stage.net.lan('home').heal()
          await stage.until(() => toBob.state === 'here')
          await stage.advance(100)
        }
        await writing
        expect(Buffer.compare(await all[0]!, film)).toBe(0)
        expect(await readAll(readable)).toHaveLength(0)
        expect(log.filter(line => line.startsWith('gone'))).toEqual([])
      },
      { lan: { bitsPerSecond: 100_000_000 } },
    ))
})

describe('ends', () => {
  test('that nobody accepts: no-answer on both halves, and nobody else notices', () =>
    onStage(async stage => {
      const { ada, bob, toBob } = await adaAndBob(stage)
      const log = logOf(ada)
      const { readable, writable } = toBob.open('nobody')
      expect(await failureOf(readAll(readable))).toMatchObject({ code: 'no-answer' })
      expect(await failureOf(writable.getWriter().closed)).toMatchObject({ code: 'no-answer' })

      const stop = bob.accept('nobody', ({ writable }) => writable.close())
      expect(await readAll(toBob.open('nobody').readable)).toHaveLength(0)
      stop()
      expect(await failureOf(readAll(toBob.open('nobody').readable))).toMatchObject({ code: 'no-answer' })
      expect(log).toEqual(['peer bob'])
    }))

  test('room.close lets out what was written, and fails what had not ended', () =>
    onStage(
      async stage => {
        const { ada, bob, toBob } = await adaAndBob(stage)
        const outcomes: Promise<unknown>[] = []
        for (const name of ['ended', 'open']) {
          bob.accept(name, ({ readable }) => {
            outcomes.push(
              readAll(readable).then(
                all => all.length,
                error => error.code,
              ),
            )
          })
        }
        const ended = toBob.open('ended').writable.getWriter()
        void ended.write(bytes(500_000))
        void ended.close()
        const open = toBob.open('open')
        await open.writable.getWriter().write(bytes(1_000))
        const reading = failureOf(readAll(open.readable))
        await ada.close()
        await stage.advance(100)
        expect(await Promise.all(outcomes)).toEqual([500_000, 'closed'])
        expect(await reading).toMatchObject({ code: 'closed' })
      },
      { lan: { bitsPerSecond: 100_000_000 } },
    ))

  test('room.close waits no longer than its second for one that nobody reads', () =>
    onStage(async stage => {
      const { ada, bob, toBob } = await adaAndBob(stage)
      bob.accept('pipe', () => {})
      const writing = failureOf(toBob.open('pipe').writable.getWriter().write(new Uint8Array(1_000_000)))
      await stage.advance(10)
      const startedAt = stage.net.now
      await ada.close()
      expect(stage.net.now - startedAt).toBeLessThanOrEqual(1_000)
      expect(await writing).toMatchObject({ code: 'closed' })
    }))

  test('a peer that loses its power fails its streams, as lost', () =>
    onStage(async stage => {
      const { bob, toBob } = await adaAndBob(stage)
      bob.accept('pipe', () => {})
      const { readable, writable } = toBob.open('pipe')
      const reading = failureOf(readAll(readable))
      await stage.advance(100)
      stage.host('bob').stop()
      await stage.until(() => toBob.state === 'gone', 200_000)
      expect(await reading).toMatchObject({ code: 'lost' })
      expect(await failureOf(writable.getWriter().closed)).toMatchObject({ code: 'lost' })
      expect(() => toBob.open('pipe')).toThrow(expect.objectContaining({ code: 'closed' }))
    }))

  test('messages of the same peer go on beside a stream that is given up', () =>
    onStage(async stage => {
      const { bob, toBob } = await adaAndBob(stage)
      const heard = heardBy(bob)
      bob.accept('pipe', ({ readable }) => readable.cancel('full'))
      const writing = failureOf(toBob.open('pipe').writable.getWriter().write(new Uint8Array(1_000_000)))
      expect(await writing).toMatchObject({ code: 'reset', reason: 'full' })
      await toBob.send('still here', { receipt: true })
      expect(heard).toEqual(['still here'])
    }))
})

describe('arguments', () => {
  test('that are wrong are told by name and range', () =>
    onStage(async stage => {
      const { bob, toBob } = await adaAndBob(stage)
      bob.accept('pipe', () => {})
      expect(() => bob.accept('pipe', () => {})).toThrow(RangeError)
      expect(() => bob.accept('', () => {})).toThrow(RangeError)
      expect(() => bob.accept('x', 'y' as never)).toThrow(TypeError)
      expect(() => toBob.open('')).toThrow(RangeError)
      expect(() => toBob.open('x'.repeat(129))).toThrow(RangeError)
      expect(() => toBob.open('pipe', { signal: 'no' as never })).toThrow(TypeError)
      expect(() => toBob.open('pipe', { header: () => {} })).toThrow(TypeError)
      expect(() => toBob.open('pipe', { header: 'x'.repeat(8_193) })).toThrow(
        expect.objectContaining({ code: 'too-large' }),
      )
    }))
})
