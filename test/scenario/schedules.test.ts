/**
 * A model of exactly-once delivery against random schedules: partitions, sleep, interfaces that go and come back,
 * addresses that change, programs that are killed and start anew. Whatever happens, each message that a session accepted
 * arrives once and in order, or the sender was told that this session is over.
 */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Identity } from '../../src/identity/identity.ts'
import type { Peer, Room } from '../../src/index.ts'
import { SeededRandom } from '../../src/testing/index.ts'
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

/** What one run of a program has sent and got in each session: sessions are told apart by the peer object. */
class Program {
  /** Of all programs, so that what an earlier run has sent can be told from what a later one has. */
  static #sent = 0
  readonly room: Room
  readonly received = new Map<Peer, number[]>()
  readonly accepted = new Map<Peer, number[]>()
  readonly failures: string[] = []

  constructor(room: Room) {
    this.room = room
    room.on('message', ({ data, from }) => {
      const numbers = this.received.get(from) ?? []
      numbers.push((data as { n: number }).n)
      this.received.set(from, numbers)
    })
    room.on('warning', ({ code, message }) => {
      if (code === 'protocol-violation') this.failures.push(message)
    })
    room.on('peer-gone', ({ peer, code, reason }) => {
      if (/violation|limit/.test(reason)) this.failures.push(`${peer.name} ${code} ${reason}`)
    })
  }

  /** Numbers count up, so the numbers that one session gets count up, too. */
  burst(count: number, bytes: number): void {
    const filler = 'x'.repeat(bytes)
    for (let i = 0; i < count; i++) {
      const n = Program.#sent++
      for (const peer of this.room.peers) {
        const log = this.accepted.get(peer) ?? []
        this.accepted.set(peer, log)
        log.push(n)
        // Rejects where the session is over; then nothing is promised.
        peer.send({ n, filler }).catch(() => {})
      }
    }
  }
}

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
          await stage.until(() => world.programs.every(isAmongAll), 30_000)
          check(world.programs)
        },
        { seed, lan: { delayMs, loss } },
      ),
    ),
    { numRuns: RUNS, verbose: 1 },
  )
})

function isAmongAll({ room }: Program): boolean {
  return room.peers.filter(({ state }) => state === 'here').length === NAMES.length - 1
}

function check(programs: readonly Program[]): void {
  for (const program of programs) expect(program.failures).toEqual([])
  for (const sender of programs) {
    for (const receiver of programs) {
      if (sender !== receiver) checkPair(sender, receiver)
    }
  }
}

function checkPair(sender: Program, receiver: Program): void {
  const { id } = receiver.room.self
  const got = [...receiver.received].filter(([peer]) => peer.id === sender.room.self.id).map(([, numbers]) => numbers)
  // Never twice, never out of order, in all sessions together.
  for (const numbers of got) expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
  const all = got.flat()
  expect(new Set(all).size).toBe(all.length)
  // What the session of today accepted has arrived, all of it.
  const present = sender.room.peers.find(peer => peer.id === id)
  expect(present?.state).toBe('here')
  const accepted = sender.accepted.get(present!) ?? []
  expect(accepted.filter(n => !all.includes(n))).toEqual([])
}
