/** Two agents on simulated hosts behind NATs, with a STUN server of two addresses, a TURN server, and a channel between them. */

import { type Agent, type AgentOptions, createAgent, type Path, type RelayServer } from '../../src/nat.ts'
import type { Clock } from '../../src/platform/clock.ts'
import {
  type NatKind,
  type NatOptions,
  SeededRandom,
  type SimulatedHost,
  type SimulatedNetwork,
  simulate,
} from '../../src/testing/index.ts'
import { TcpRecorder } from '../contract/recorder.ts'
import { StunServer } from './stun-server.ts'
import { CREDENTIAL, TurnServer } from './turn-server.ts'

export interface ChannelOptions {
  readonly delayMs?: number
  /** A random part added to it: messages overtake each other. */
  readonly jitterMs?: number
  /** From 0 to 1. */
  readonly loss?: number
  readonly duplicates?: number
}

export interface Side {
  readonly host: SimulatedHost
  readonly agent: Agent
  readonly paths: readonly Path[]
  /** What was read from each path, started as it was given out. */
  readonly recorders: readonly TcpRecorder[]
  readonly warnings: readonly string[]
}

export interface Pair {
  readonly a: Side
  readonly b: Side
}

export const STUN: readonly [string, string] = ['198.51.100.1', '198.51.100.2']
export const TURN: string = '198.51.100.3'

export class IceStage implements AsyncDisposable {
  readonly net: SimulatedNetwork
  readonly channel: ChannelOptions
  /** After `serveTurn`. */
  turnHost: SimulatedHost | undefined
  readonly sides: Record<string, Side> = {}
  readonly #random: SeededRandom
  readonly #clock: Clock

  constructor({ seed = 1, channel = {} }: { readonly seed?: number; readonly channel?: ChannelOptions } = {}) {
    this.net = simulate({ seed })
    this.#clock = this.net.host('channel', { lans: [] }).network.clock
    this.channel = { delayMs: 20, ...channel }
    this.#random = new SeededRandom(seed).fork('channel')
  }

  /** A host behind a NAT of its own. */
  behind(name: string, kind: NatKind | 'public', options: Omit<NatOptions, 'kind'> = {}): SimulatedHost {
    if (kind === 'public') return this.net.host(name, { lans: ['internet'] })
    this.net.nat(`${name}-gw`, { kind, ...options })
    return this.net.host(name, { lans: [`${name}-gw`] })
  }

  async serveStun(): Promise<StunServer> {
    const lans = [{ lan: 'internet', addresses: STUN.map(address => `${address}/24`) }]
    return StunServer.start(this.net.host('stun', { lans }).network, { addresses: STUN })
  }

  async serveTurn(): Promise<TurnServer> {
    const lans = [{ lan: 'internet', addresses: [`${TURN}/24`] }]
    this.turnHost = this.net.host('turn', { lans })
    return TurnServer.start(this.turnHost.network, { address: TURN })
  }

  /** The server is another one, which knows nothing of what was. */
  async restartTurn(): Promise<void> {
    this.turnHost!.start()
    await TurnServer.start(this.turnHost!.network, { address: TURN })
  }

  /** Two agents that talk over the channel. */
  connect(
    a: SimulatedHost,
    b: SimulatedHost,
    options: Partial<AgentOptions> = {},
    forB: Partial<AgentOptions> = {},
  ): Pair {
    const sides = [this.start(a, b, options), this.start(b, a, { ...options, ...forB })] as const
    return { a: sides[0], b: sides[1] }
  }

  start(host: SimulatedHost, to: SimulatedHost, options: Partial<AgentOptions> = {}): Side {
    const paths: Path[] = []
    const recorders: TcpRecorder[] = []
    const warnings: string[] = []
    const agent = createAgent({
      localId: host.name,
      remoteId: to.name,
      stun: [`stun:${STUN[0]}`],
      network: host.network,
      send: message => this.#carry(message, to.name),
      onPath: path => {
        paths.push(path)
        recorders.push(new TcpRecorder(path.connection))
      },
      onWarning: error => warnings.push(error.message),
      ...options,
    })
    const side = { host, agent, paths, recorders, warnings }
    this.sides[host.name] = side
    return side
  }

  /** The relay that `serveTurn` starts. */
  get turn(): readonly RelayServer[] {
    return [{ server: `turn:${TURN}`, username: CREDENTIAL.username, credential: CREDENTIAL.password }]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.net.until(Promise.all(Object.values(this.sides).map(({ agent }) => agent.close())))
  }

  #carry(message: Uint8Array, to: string): void {
    const { delayMs = 0, jitterMs = 0, loss = 0, duplicates = 0 } = this.channel
    const copies = this.#random.fraction() < duplicates ? 2 : 1
    for (let i = 0; i < copies; i++) {
      if (this.#random.fraction() < loss) continue
      this.#clock.setTimer(delayMs + this.#random.fraction() * jitterMs, () => this.sides[to]?.agent.receive(message))
    }
  }
}
