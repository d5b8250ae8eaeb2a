import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Caller } from '../../src/index.ts'
import { type JoinAs, logOf, onStage, peerOf } from './stage.ts'

const sessions = ({ kind }: { kind: string }) => kind === 'tcp connection'

describe('where two peers dial each other', () => {
  test('at the same instant, one session stays, and both know the same one', () =>
    onStage(async stage => {
      const [ada, bob] = [await stage.join('ada', { discovery: [] }), await stage.join('bob', { discovery: [] })]
      const [logOfAda, logOfBob] = [logOf(ada), logOf(bob)]
      const [fromAda, fromBob] = await Promise.all([ada.connect(bob.addresses[0]!), bob.connect(ada.addresses[0]!)])
      expect([fromAda.id, fromBob.id]).toEqual([bob.self.id, ada.self.id])
      await stage.advance(30_000)
      expect([logOfAda, logOfBob]).toEqual([['peer bob'], ['peer ada']])
      expect(peerOf(ada, bob).path.local).toBe(peerOf(bob, ada).path.remote)
      expect(stage.net.open().filter(sessions)).toHaveLength(2)
    }))

  test('with any delay, jitter and distance in time, exactly one session stays', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.nat(1_000_000),
          delayMs: fc.constantFrom(0.1, 1, 20, 120),
          jitterMs: fc.constantFrom(0, 0.3, 5, 80),
          apartMs: fc.constantFrom(0, 0.2, 0.5, 1, 3, 40, 100, 300),
          dials: fc.array(fc.constantFrom('ada', 'bob'), { minLength: 2, maxLength: 5 }),
          admits: fc.record({ ada: fc.boolean(), bob: fc.boolean() }),
          segmentation: fc.constantFrom('as-written' as const, 'random' as const),
        }),
        async ({ seed, delayMs, jitterMs, apartMs, dials, admits, segmentation }) =>
          onStage(
            async stage => {
              const admit = (isUsed: boolean): Partial<JoinAs> =>
                isUsed ? { admit: (caller: Caller) => caller.accept() } : {}
              const ada = await stage.join('ada', { discovery: [], ...admit(admits.ada) })
              const bob = await stage.join('bob', { discovery: [], ...admit(admits.bob) })
              const [logOfAda, logOfBob] = [logOf(ada), logOf(bob)]
              const connecting = []
              for (const who of dials) {
                const [from, to] = who === 'ada' ? [ada, bob] : [bob, ada]
                connecting.push(from.connect(to.addresses[0]!))
                await stage.advance(apartMs)
              }
              const peers = await Promise.all(connecting)
              expect(new Set(peers).size).toBe(new Set(dials).size)
              await stage.advance(5_000)
              expect([logOfAda, logOfBob]).toEqual([['peer bob'], ['peer ada']])
              expect(peerOf(ada, bob).path.local).toBe(peerOf(bob, ada).path.remote)
              await peerOf(ada, bob).send('still the same', { receipt: false })
              await peerOf(bob, ada).ping()
              expect(stage.net.open().filter(sessions)).toHaveLength(2)
            },
            { seed, segmentation, lan: { delayMs, jitterMs } },
          ),
      ),
      { numRuns: 60 },
    )
  })

  test('found by mDNS on two LANs with all their addresses, exactly one session stays', {
    timeout: 600_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.nat(1_000_000),
          jitterMs: fc.constantFrom(0, 1, 30),
          apartMs: fc.constantFrom(0, 1, 50, 500, 3_000),
        }),
        async ({ seed, jitterMs, apartMs }) =>
          onStage(
            async stage => {
              stage.net.lan('garden', { jitterMs })
              const lans = { lans: ['home', 'garden'] }
              const ada = await stage.join('ada', { on: stage.host('ada', lans).network })
              const logOfAda = logOf(ada)
              await stage.advance(apartMs)
              const bob = await stage.join('bob', { on: stage.host('bob', lans).network })
              const logOfBob = logOf(bob)
              await stage.advance(20_000)
              expect([logOfAda, logOfBob]).toEqual([['peer bob'], ['peer ada']])
              // One path on each of the LANs, and each has two ends.
              expect(stage.net.open().filter(sessions)).toHaveLength(4)
            },
            { seed, lan: { jitterMs } },
          ),
      ),
      { numRuns: Number(process.env['CROSSINGS'] ?? 25) },
    )
  })
})
