import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Message, StandardSchemaV1 } from '../../src/index.ts'
import { failureOf, onStage, peerOf } from './stage.ts'

const Move = z.object({ x: z.number(), y: z.number() })

describe('a channel', () => {
  test('carries its messages to the channel of the same name, and to the room', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const [inChannel, inRoom, elsewhere]: [unknown[], unknown[], unknown[]] = [[], [], []]
      bob!.channel('moves').on('message', ({ data, from, channel }) => inChannel.push([data, from.name, channel]))
      bob!.channel('other').on('message', ({ data }) => elsewhere.push(data))
      bob!.on('message', ({ data, channel }) => inRoom.push([data, channel]))
      await ada!.channel('moves').send(1)
      await ada!.channel('moves').send(2, { to: 'bob', receipt: true })
      await ada!.send(3, { receipt: true })
      expect(inChannel).toEqual([
        [1, 'ada', 'moves'],
        [2, 'ada', 'moves'],
      ])
      expect(inRoom).toEqual([
        [1, 'moves'],
        [2, 'moves'],
        [3, ''],
      ])
      expect(elsewhere).toEqual([])
    }))

  test('is the same object for the same name and schema', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      expect(ada.channel('moves')).toBe(ada.channel('moves'))
      expect(ada.channel('moves', { schema: Move })).toBe(ada.channel('moves', { schema: Move }))
      expect(ada.channel('moves', { schema: Move })).not.toBe(ada.channel('moves'))
    }))

  test('with a schema refuses what does not fit where it is sent', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const heard: unknown[] = []
      bob!.channel('moves').on('message', ({ data }) => heard.push(data))
      const moves = ada!.channel('moves', { schema: Move })
      const error = await failureOf(moves.send({ x: 1, y: 'two' } as never))
      expect(error).toMatchObject({ code: 'invalid-data' })
      expect(error.message).toMatch(/moves.*y: /)
      await moves.send({ x: 1, y: 2 }, { receipt: true })
      expect(heard).toEqual([{ x: 1, y: 2 }])
    }))

  test('with a schema drops what does not fit where it arrives: a warning there, a receipt that fails here', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const heard: unknown[] = []
      const warnings: unknown[] = []
      bob!.on('warning', ({ code, message }) => warnings.push(`${code} ${message}`))
      bob!.channel('moves', { schema: Move }).on('message', ({ data }) => heard.push(data))
      expect(await failureOf(ada!.channel('moves').send({ x: 1 }, { receipt: true }))).toMatchObject({
        code: 'invalid-data',
      })
      await ada!.channel('moves').send({ x: 1, y: 2, z: 3 }, { receipt: true })
      expect(heard).toEqual([{ x: 1, y: 2 }])
      expect(warnings).toEqual([expect.stringMatching(/^invalid-data .*'ada'.*'moves'.*y: /)])
    }))

  test('with a schema that takes its time keeps the order', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const heard: unknown[] = []
      const delaying: StandardSchemaV1<number, number> = {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: value => {
            const n = value as number
            if (n % 3 === 0) return { value: n }
            return stage.advance(10 - n).then(() => (n === 4 ? Promise.reject(new Error('four')) : { value: n }))
          },
        },
      }
      const warnings: string[] = []
      bob!.on('warning', ({ message }) => warnings.push(message))
      bob!.channel('numbers', { schema: delaying }).on('message', ({ data }) => heard.push(data))
      for (let i = 0; i < 8; i++) await ada!.channel('numbers').send(i)
      await stage.until(() => heard.length === 7)
      expect(heard).toEqual([0, 1, 2, 3, 5, 6, 7])
      expect(warnings).toEqual([expect.stringContaining('four')])
    }))

  test('with a schema that takes its time slows the sender down to the speed of the schema', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      let heard = 0
      let accepted = 0
      const slow: StandardSchemaV1<Uint8Array, Uint8Array> = {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: value => stage.advance(50).then(() => ({ value: value as Uint8Array })),
        },
      }
      bob!.channel('log', { schema: slow }).on('message', ({ data }) => {
        expect(data[0]).toBe(heard++)
        // A window of 1 MiB, and what the next frame makes of it.
        expect(accepted - heard).toBeLessThan(13)
      })
      for (let i = 0; i < 60; i++) {
        await ada!.channel('log').send(new Uint8Array(100_000).fill(i))
        accepted++
      }
      await stage.until(() => heard === 60)
    }))

  test('whose schema makes something else of a message sends what it was given and hands on what it made', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const schema = z.object({ at: z.number() }).transform(({ at }) => new Date(at))
      const heard: unknown[] = []
      bob!.channel('times', { schema }).on('message', ({ data }) => heard.push(data.toISOString()))
      await ada!.channel('times', { schema }).send({ at: 0 }, { receipt: true })
      expect(heard).toEqual(['1970-01-01T00:00:00.000Z'])
    }))
})

describe('a loop over a channel', () => {
  test('gets what waited and what comes, and ends with the room', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      await ada!.channel('log').send('early')
      await stage.advance(100)
      const lines: unknown[] = []
      const reading = (async () => {
        for await (const { data, from } of bob!.channel<string>('log')) lines.push(`${from.name}: ${data}`)
      })()
      await stage.advance(10)
      await ada!.channel('log').send('late')
      await stage.advance(10)
      expect(lines).toEqual(['ada: early', 'ada: late'])
      await bob!.close()
      await reading
      for await (const _ of bob!.channel('log')) expect.fail('there is nothing to come')
    }))

  test('slows the sender down to its own speed', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const log = bob!.channel<Uint8Array>('log')
      let read = 0
      let accepted = 0
      const sending = (async () => {
        for (let i = 0; i < 60; i++) {
          await ada!.channel('log').send(new Uint8Array(100_000).fill(i))
          accepted++
        }
      })()
      for await (const { data } of log) {
        expect(data[0]).toBe(read++)
        await stage.advance(50)
        // A window of 1 MiB, and what the next frame makes of it.
        expect(accepted - read).toBeLessThan(13)
        if (read === 60) break
      }
      await sending
    }))

  test('that is left takes nothing more, and what was held for it is given back', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const log = bob!.channel<Uint8Array>('log')
      const sent = Promise.all(Array.from({ length: 30 }, () => ada!.channel('log').send(new Uint8Array(100_000))))
      for await (const _ of log) break
      await sent
      await stage.advance(100)
      let heard = 0
      log.on('message', () => heard++)
      expect(heard).toBeGreaterThan(15)
      await ada!.channel('log').send(new Uint8Array(1), { receipt: true })
    }))

  test('runs beside others: each gets every message', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const take = async (count: number): Promise<unknown[]> => {
        const items: Message[] = []
        for await (const item of bob!.channel('log')) if (items.push(item) === count) break
        return items.map(({ data }) => data)
      }
      const [three, five] = [take(3), take(5)]
      for (let i = 0; i < 5; i++) await ada!.channel('log').send(i)
      expect(await three).toEqual([0, 1, 2])
      expect(await five).toEqual([0, 1, 2, 3, 4])
      expect(peerOf(bob!, ada!).state).toBe('here')
    }))
})
