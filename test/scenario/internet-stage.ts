/** Rooms behind NATs of the simulated Internet, with a broker, a STUN server of two addresses, and a TURN server. */

import { expect } from 'vitest'
import { type InternetOptions, type JoinOptions, join, type Room } from '../../src/index.ts'
import type { Platform } from '../../src/platform/platform.ts'
import type {
  NatKind,
  NatOptions,
  SimulatedHost,
  SimulatedNat,
  SimulatedNetwork,
  SimulatedProgram,
} from '../../src/testing/index.ts'
import { simulate } from '../../src/testing/index.ts'
import { MemoryBroker, type MemoryBrokerFaults } from '../../src/testing/memory-broker.ts'
import { STUN, TURN } from '../nat/ice-stage.ts'
import { StunServer } from '../nat/stun-server.ts'
import { CREDENTIAL, TurnServer } from '../nat/turn-server.ts'

const STEP_MS = 5

export interface InternetStageOptions {
  readonly seed?: number
  readonly broker?: MemoryBrokerFaults
}

export interface JoinFar extends Omit<JoinOptions, 'network' | 'internet' | 'secret'> {
  /** Undefined for a room without. @default 'far away' */
  readonly secret?: string | undefined
  /** @default 'chat' */
  readonly service?: string
  readonly internet?: Partial<InternetOptions>
  /** @default the first program of the host */
  readonly on?: Platform
}

export class InternetStage {
  readonly net: SimulatedNetwork
  readonly broker: MemoryBroker
  stunHost: SimulatedHost | undefined
  turnHost: SimulatedHost | undefined
  readonly #rooms = new Set<Room>()
  readonly #nats = new Map<string, SimulatedNat>()
  readonly #killedOn: string[] = []
  #hasTurn = false

  constructor({ seed = 1, broker = {} }: InternetStageOptions = {}) {
    this.net = simulate({ seed })
    const { clock, random } = this.net.host('broker', { lans: [] }).network
    this.broker = new MemoryBroker({ clock, random, delayMs: 20, ...broker })
  }

  /** Plays in virtual time; afterwards every room is closed and nothing is left open. */
  static async play(options: InternetStageOptions, play: (stage: InternetStage) => Promise<void>): Promise<void> {
    const stage = new InternetStage(options)
    await stage.net.run(() => play(stage), { withinMs: 7_200_000 })
    await stage.net.run(() => stage.closeAll())
    await stage.net.advance(5_000)
    const others = ['stun', 'turn', 'broker', ...stage.#killedOn]
    const left = stage.net.open().filter(({ host }) => !others.includes(host))
    expect(left.map(({ host, kind, detail }) => `${host}: ${kind} ${detail}`)).toEqual([])
  }

  /** A host behind a NAT of its own. */
  behind(name: string, kind: NatKind | 'public', options: Omit<NatOptions, 'kind'> = {}): SimulatedHost {
    if (kind === 'public') return this.net.host(name, { lans: ['internet'] })
    this.#nats.set(name, this.net.nat(`${name}-gw`, { kind, ...options }))
    return this.net.host(name, { lans: [`${name}-gw`] })
  }

  /** A NAT with nobody behind it yet. */
  site(name: string, kind: NatKind): void {
    this.net.nat(name, { kind })
  }

  async serveStun(): Promise<void> {
    const lans = [{ lan: 'internet', addresses: STUN.map(address => `${address}/24`) }]
    this.stunHost = this.net.host('stun', { lans })
    await StunServer.start(this.stunHost.network, { addresses: STUN })
  }

  async serveTurn(): Promise<void> {
    this.#hasTurn = true
    this.turnHost = this.net.host('turn', { lans: [{ lan: 'internet', addresses: [`${TURN}/24`] }] })
    await TurnServer.start(this.turnHost.network, { address: TURN })
  }

  /** What rooms ask for their own addresses, after `serveStun`. */
  get stun(): readonly string[] {
    return [`stun:${STUN[0]}`]
  }

  /** As SIGKILL does. What the broker in memory still hands to it is not looked for at the end. */
  kill(program: SimulatedProgram): void {
    this.#killedOn.push(program.hostName)
    program.kill()
  }

  /** The server is another one, which knows nothing of what was. */
  async restartTurn(): Promise<void> {
    this.turnHost!.start()
    await TurnServer.start(this.turnHost!.network, { address: TURN })
  }

  /** The NAT in front of the host of this name. */
  nat(name: string): SimulatedNat {
    return this.#nats.get(name)!
  }

  async join(host: SimulatedHost, far: JoinFar = {}): Promise<Room> {
    const { internet = {}, on = host.network, secret, service = 'chat', ...options } = { secret: 'far away', ...far }
    const { username, password: credential } = CREDENTIAL
    const joining = join(service, {
      name: host.name,
      network: on,
      ...(secret === undefined ? {} : { secret }),
      ...options,
      internet: {
        rendezvous: internet.rendezvous ?? [this.broker.rendezvous(on)],
        stun: this.stun,
        turn: this.#hasTurn ? [{ urls: `turn:${TURN}`, username, credential }] : [],
        ...internet,
      },
    })
    // Deriving the keys of a secret is work in the real world.
    const room = await this.net.freeze(joining)
    this.#rooms.add(room)
    return room
  }

  /** Waits until something is so, and returns how many milliseconds that took. */
  async until(isSo: () => boolean, withinMs = 30_000): Promise<number> {
    const startedAt = this.net.now
    while (!isSo()) {
      if (this.net.now - startedAt >= withinMs) expect.fail(`not so within ${withinMs} ms: ${isSo}`)
      await this.net.advance(STEP_MS)
    }
    return this.net.now - startedAt
  }

  /** Waits until each of these rooms has each of the others as its peer. */
  met(rooms: readonly Room[], withinMs?: number): Promise<number> {
    return this.until(
      () => rooms.every(room => rooms.every(other => other === room || room.peer(other.self.id)?.state === 'here')),
      withinMs,
    )
  }

  async closeAll(): Promise<void> {
    await Promise.race([Promise.all([...this.#rooms].map(room => room.close())), this.net.advance(5_000)])
  }
}
