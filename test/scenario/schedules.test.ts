/**
 * A model of exactly-once delivery against random schedules: partitions, sleep, interfaces that go and come back,
 * addresses that change, programs that are killed and start anew. Whatever happens, each message that a session accepted
 * arrives once and in order, or the sender was told that this session is over.
 */

import fc from 'fast-check'
import { test } from 'vitest'
import { Identity } from '../../src/identity/identity.ts'
import { SeededRandom } from '../../src/testing/index.ts'
import { areAllTogether, checkDelivery, Program } from './delivery-model.ts'
import { onStage, type Stage } from './stage.ts'

const RUNS = Number(process.env['SCHEDULES'] ?? 240)
const NAMES = ['ada', 'bob', 'eve']

type Event =
  | { readonly kind: 'cut' | 'sleep' | 'unplug' | 'move' | 'restart'; readonly who: number; readonly forMs: number }
  | { readonly kind: 'burst'; readonly who: number; readonly count: number; readonly bytes: number }

const who = fc.nat(NAMES.length - 1)
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('cut' as const, 'sleep' as const, 'unplug' as const, 'move' as const, 'restart' as const),
      who,
      forMs: fc.constantFrom(10, 300, 1_000, 4_500, 13_000, 30_000, 80_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('burst' as const),
      who,
      count: fc.integer({ min: 1, max: 40 }),
      bytes: fc.constantFrom(10, 1_000, 20_000, 100_000),
    }),
  },
)

const schedule = fc.record({
  seed: fc.nat(1_000_000),
  delayMs: fc.constantFrom(0.2, 5, 60),
  loss: fc.constantFrom(0, 0, 0, 0.02),
  twoLans: fc.boolean(),
  events: fc.array(fc.record({ event, thenMs: fc.constantFrom(0, 5, 100, 1_500, 9_000) }), {
    minLength: 3,
    maxLength: 14,
  }),
})

class World {
  readonly stage: Stage
  /** The ones that run; of one that is killed, until it starts anew. */
  readonly programs: Program[] = []
  readonly #random: SeededRandom
  readonly #identities: Identity[]
  #address = 100

  constructor(stage: Stage, seed: number) {
    this.stage = stage
    this.#random = new SeededRandom(seed)
    this.#identities = NAMES.map(() => new Identity(this.#random.bytes(32)))
  }

  async start(at: number): Promise<void> {
    this.programs[at] = new Program(await this.stage.join(NAMES[at]!, { identity: this.#identities[at]! }))
  }

  /** Begins what happens; the returned function ends it. */
  apply(event: Event): (() => Promise<void> | void) | undefined {
    const { stage } = this
    const host = stage.host(NAMES[event.who]!)
    switch (event.kind) {
      case 'burst':
        if (host.state === 'running') this.programs[event.who]!.burst(event.count, event.bytes)
        return undefined
      case 'cut':
        stage.net.lan('home').isolate(host.name)
        return () => stage.net.lan('home').heal()
      case 'sleep':
        if (host.state !== 'running') return undefined
        host.sleep()
        return () => host.wake()
      case 'unplug': {
        const plug = host.interface('eth0')
        plug.down()
        return () => plug.up()
      }
      case 'move':
        host.interface('eth0').setAddresses([`192.168.1.${this.#address++}/24`])
        return undefined
      case 'restart':
        if (host.state !== 'running') return undefined
        host.kill()
        return () => {
          host.start()
          return this.start(event.who)
        }
    }
  }
}

test(`${RUNS} random schedules lose nothing, repeat nothing and mix nothing up`, { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(schedule, async ({ seed, delayMs, loss, twoLans, events }) =>
      onStage(
        async stage => {
          if (twoLans) stage.net.lan('garden', { delayMs })
          for (const name of NAMES) stage.host(name, twoLans ? { lans: ['home', 'garden'] } : {})
          const world = new World(stage, seed)
          for (const at of NAMES.keys()) await world.start(at)
          await stage.advance(2_000)
          const { clock } = stage.host('observer').network
          let pending = 0
          for (const { event, thenMs } of events) {
            const end = world.apply(event)
            if (end && event.kind !== 'burst') {
              pending++
              clock.setTimer(event.forMs, () => {
                void end()
                pending--
              })
            }
            await stage.advance(thenMs)
          }
          while (pending > 0) await stage.advance(1_000)
          await stage.advance(120_000)
          // A peer may be quiet for a moment where packets are lost.
          await stage.until(() => areAllTogether(world.programs), 30_000)
          checkDelivery(world.programs)
        },
        { seed, lan: { delayMs, loss } },
      ),
    ),
    { numRuns: RUNS, verbose: 1 },
  )
})
