/**
 * The same model of exactly-once delivery across the Internet: an hour each of random NATs that change and are started anew,
 * losses, hosts that move and sleep, programs that are killed, brokers and relays that are down. Afterwards no session is stuck.
 */

import fc from 'fast-check'
import { test } from 'vitest'
import { Identity } from '../../src/identity/identity.ts'
import { PRESENCE_REFRESH_MS } from '../../src/limits.ts'
import { type NatKind, SeededRandom, type SimulatedHost } from '../../src/testing/index.ts'
import type { SimulatedProgram } from '../../src/testing/simulated-program.ts'
import { areAllTogether, checkDelivery, Program } from './delivery-model.ts'
import { InternetStage } from './internet-stage.ts'

const RUNS = Number(process.env['HOURS'] ?? 3)
const NAMES = ['ada', 'bob', 'eve', 'kim']
const HOUR_MS = 3_600_000

const KINDS: readonly NatKind[] = [
  'none',
  'full-cone',
  'restricted',
  'port-restricted',
  'symmetric',
  'symmetric-seq',
  'udp-blocked',
]

const EVENTS = [
  'nat-restarts',
  'moves',
  'sleeps',
  'is-killed',
  'is-cut-off',
  'no-broker',
  'no-turn',
  'no-stun',
] as const

const schedule = fc.record({
  seed: fc.nat(1_000_000),
  kinds: fc.array(fc.constantFrom(...KINDS), { minLength: NAMES.length, maxLength: NAMES.length }),
  delayMs: fc.constantFrom(5, 40),
  loss: fc.constantFrom(0, 0, 0.01),
  brokerLoss: fc.constantFrom(0, 0.2),
  events: fc.array(
    fc.record({
      kind: fc.constantFrom(...EVENTS),
      who: fc.nat(NAMES.length - 1),
      forMs: fc.constantFrom(300, 4_000, 13_000, 30_000, 80_000, 300_000),
      burst: fc.constantFrom(0, 1, 20),
      bytes: fc.constantFrom(10, 1_000, 50_000),
      thenMs: fc.constantFrom(0, 100, 2_000, 20_000, 60_000, 300_000),
    }),
    { minLength: 20, maxLength: 40 },
  ),
})

type Schedule = typeof schedule extends fc.Arbitrary<infer T> ? T : never

class World {
  readonly programs: Program[] = []
  readonly #stage: InternetStage
  readonly #identities: Identity[]
  readonly #hosts: readonly SimulatedHost[]
  readonly #platforms: SimulatedProgram[] = []
  /** Where each host is: the number of its site. */
  readonly #site: number[] = NAMES.map(() => 0)
  readonly #busy = new Set<string>()

  constructor(stage: InternetStage, { seed, kinds }: Schedule) {
    this.#stage = stage
    const random = new SeededRandom(seed)
    this.#identities = NAMES.map(() => new Identity(random.bytes(32)))
    this.#hosts = NAMES.map((name, at) => stage.behind(name, kinds[at]!))
    for (const [at, name] of NAMES.entries()) stage.site(`${name}-elsewhere`, kinds[(at + 1) % kinds.length]!)
  }

  async start(at: number): Promise<void> {
    const host = this.#hosts[at]!
    const program = host.launch()
    this.#platforms[at] = program
    const room = await this.#stage.join(host, { on: program, identity: this.#identities[at]! })
    this.programs[at] = new Program(room)
  }

  burst(at: number, count: number, bytes: number): void {
    if (!this.#busy.has(`killed ${at}`)) this.programs[at]!.burst(count, bytes)
  }

  /** Begins what happens; the returned function ends it. Undefined where it is happening already. */
  begin(kind: (typeof EVENTS)[number], at: number): (() => unknown) | undefined {
    const stage = this.#stage
    const name = NAMES[at]!
    const host = this.#hosts[at]!
    switch (kind) {
      case 'nat-restarts':
        stage.nat(name).restart({ newAddress: at % 2 === 0 })
        return () => undefined
      case 'moves':
        host.detach('eth0')
        this.#site[at] = 1 - this.#site[at]!
        host.attach(stage.net.lan(this.#site[at] === 0 ? `${name}-gw` : `${name}-elsewhere`))
        return () => undefined
      // A program cannot be started on a machine that sleeps.
      case 'sleeps':
        if (this.#busy.has(`killed ${at}`)) return undefined
        return this.#once(
          `asleep ${at}`,
          () => host.sleep(),
          () => host.wake(),
        )
      case 'is-killed':
        if (this.#busy.has(`asleep ${at}`)) return undefined
        return this.#once(
          `killed ${at}`,
          () => stage.kill(this.#platforms[at]!),
          () => this.start(at),
        )
      case 'is-cut-off':
        return this.#once(
          'cut',
          () => stage.net.internet.isolate(`${name}-gw`),
          () => stage.net.internet.heal(),
        )
      case 'no-broker':
        return this.#once(
          'broker',
          () => stage.broker.stop(),
          () => stage.broker.start(),
        )
      case 'no-turn':
        return this.#once(
          'turn',
          () => stage.turnHost!.stop(),
          () => stage.restartTurn(),
        )
      case 'no-stun':
        return this.#once(
          'stun',
          () => stage.stunHost!.sleep(),
          () => stage.stunHost!.wake(),
        )
    }
  }

  #once(what: string, begin: () => void, end: () => unknown): (() => unknown) | undefined {
    if (this.#busy.has(what)) return undefined
    this.#busy.add(what)
    begin()
    return () => {
      this.#busy.delete(what)
      return end()
    }
  }
}

async function play(plan: Schedule): Promise<void> {
  const { seed, delayMs, loss, brokerLoss, events } = plan
  await InternetStage.play({ seed, broker: { loss: brokerLoss, jitterMs: 50 } }, async stage => {
    stage.net.internet.delayMs = delayMs
    await stage.serveStun()
    await stage.serveTurn()
    // What a broker loses is said again when presence is refreshed.
    const patienceMs = brokerLoss === 0 ? 120_000 : 1.2 * PRESENCE_REFRESH_MS
    const world = new World(stage, plan)
    for (const at of NAMES.keys()) await world.start(at)
    await stage.until(() => areAllTogether(world.programs), patienceMs)
    stage.net.internet.loss = loss
    const { clock } = stage.net.host('observer', { lans: [] }).network
    const endsAt = stage.net.now + HOUR_MS
    let pending = 0
    for (const { kind, who, forMs, burst, bytes, thenMs } of events) {
      if (stage.net.now >= endsAt) break
      world.burst(who, burst, bytes)
      const end = world.begin(kind, who)
      if (end) {
        pending++
        clock.setTimer(forMs, async () => {
          await end()
          pending--
        })
      }
      await stage.net.advance(thenMs)
    }
    while (pending > 0) await stage.net.advance(1_000)
    await stage.net.advance(Math.max(0, endsAt - stage.net.now))
    await stage.until(() => areAllTogether(world.programs), patienceMs)
    checkDelivery(world.programs)
  })
}

test(`${RUNS} random hours lose nothing, repeat nothing, and leave no session stuck`, {
  timeout: 3_600_000,
}, async () => {
  await fc.assert(fc.asyncProperty(schedule, play), { numRuns: RUNS, verbose: 1, endOnFailure: true })
})
