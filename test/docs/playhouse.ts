/** Runs programs on simulated hosts of one LAN: what they import as `earshot` knows which host it is on. */

import * as zod from 'zod'
import * as compatBridge from '../../src/compat/bridge.ts'
import * as peerpy from '../../src/compat/peerpy.ts'
import * as pythonConnect from '../../src/compat/pythonconnect.ts'
import * as doctor from '../../src/doctor.ts'
import * as earshot from '../../src/index.ts'
import * as mdns from '../../src/mdns.ts'
import * as nat from '../../src/nat.ts'
import * as net from '../../src/net.ts'
import * as testing from '../../src/testing/index.ts'
import { StunServer } from '../nat/stun-server.ts'
import { TurnServer } from '../nat/turn-server.ts'
import type { Program, ProgramEnvironment } from './program.ts'

/** What else blocks import: here already, since loading takes time that the simulation does not know of. */
const OTHERS: Readonly<Record<string, object>> = { zod }
/** How long programs play that do not end by themselves. */
const PLAY_MS = 15_000

export interface Performance {
  /** What each host wrote, a line for each call of `console.log`. */
  readonly output: Readonly<Record<string, readonly string[]>>
  /** Codes and messages of the warnings of all rooms. */
  readonly warnings: readonly string[]
  /** What was left open after all rooms were closed. */
  readonly open: readonly unknown[]
}

/** The program on each of these hosts; ends what has not ended after a while, as Ctrl-C would. */
export async function play(program: Program, hosts: readonly string[]): Promise<Performance> {
  const simulation = testing.simulate({ seed: 1 })
  await startServers(simulation)
  const players = hosts.map(name => new Player(simulation, name))
  const ends = players.map(player => settled(program(player)))
  await simulation.advance(PLAY_MS)
  await simulation.run(async () => {
    await Promise.all(players.map(player => player.leave()))
    for (const end of ends) await (await end)()
  })
  await simulation.advance(PLAY_MS)
  return {
    output: Object.fromEntries(players.map(({ name, lines }) => [name, lines])),
    warnings: players.flatMap(({ warnings }) => warnings),
    open: simulation.open().filter(({ host }) => hosts.includes(host)),
  }
}

/** What `stun:stun.local` and `turn:turn.local` are in the documents. */
async function startServers(simulation: testing.SimulatedNetwork): Promise<void> {
  const host = (name: string, addresses: readonly string[]) => {
    simulation.lan('home')
    return simulation.host(name, { lans: [{ lan: 'home', addresses: addresses.map(address => `${address}/24`) }] })
  }
  const addresses = ['192.168.1.240', '192.168.1.241']
  await StunServer.start(host('stun', addresses).network, { addresses })
  await TurnServer.start(host('turn', ['192.168.1.242']).network, { address: '192.168.1.242' })
}

/** A program that has a simulation of its own: it says itself how time passes there. */
export async function rehearse(program: Program): Promise<void> {
  const modules: Readonly<Record<string, object>> = {
    earshot,
    'earshot/mdns': mdns,
    'earshot/nat': nat,
    'earshot/testing': testing,
  }
  await program({ load: async specifier => modules[specifier] ?? import(specifier), console: { log() {} } })
}

class Player implements ProgramEnvironment {
  readonly name: string
  readonly lines: string[] = []
  readonly warnings: string[] = []
  readonly console: ProgramEnvironment['console'] = {
    log: (...values) => this.lines.push(values.map(String).join(' ')),
  }
  readonly load: ProgramEnvironment['load'] = async specifier => this.#modules[specifier] ?? import(specifier)
  readonly #simulation: testing.SimulatedNetwork
  readonly #rooms: earshot.Room[] = []
  /** What else is closed at the end. */
  readonly #others: { close(): Promise<void> }[] = []
  readonly #leaving = new AbortController()
  readonly #modules: Readonly<Record<string, object>>

  constructor(simulation: testing.SimulatedNetwork, name: string) {
    this.name = name
    this.#simulation = simulation
    const { network } = simulation.host(name)
    this.#modules = {
      ...OTHERS,
      earshot: {
        ...earshot,
        join: (service: string, options: earshot.JoinOptions = {}) => this.#join(service, { network, ...options }),
        discover: (service?: string, options: earshot.DiscoverOptions = {}) =>
          earshot.discover(service, { network, ...this.#untilLeaving(options) }),
      },
      'earshot/mdns': {
        publish: (options: mdns.PublishOptions) => mdns.publish({ network, ...this.#untilLeaving(options) }),
        browse: (type: string, options: mdns.BrowseOptions = {}) =>
          mdns.browse(type, { network, ...this.#untilLeaving(options) }),
      },
      'earshot/compat/peerpy': {
        ...peerpy,
        PeerpyPeer: { listen: (options: peerpy.PeerpyPeerOptions = {}) => this.#listen({ network, ...options }) },
      },
      'earshot/nat': {
        ...nat,
        requestBinding: (server: string, options: nat.RequestBindingOptions = {}) =>
          nat.requestBinding(server, { network, ...this.#untilLeaving(options) }),
        discoverBehaviour: (options: nat.BehaviourOptions) =>
          nat.discoverBehaviour({ network, ...this.#untilLeaving(options) }),
        measureMappingLifetime: (options: nat.LifetimeOptions) =>
          nat.measureMappingLifetime({ network, ...this.#untilLeaving(options) }),
        allocateTcp: (options: nat.AllocateTcpOptions) => nat.allocateTcp({ network, ...this.#untilLeaving(options) }),
        allocate: (options: nat.AllocateOptions) => nat.allocate({ network, ...this.#untilLeaving(options) }),
        createAgent: (options: nat.AgentOptions) => nat.createAgent({ network, ...options }),
        mapPort: (options: nat.MapPortOptions) => nat.mapPort({ network, ...this.#untilLeaving(options) }),
      },
      'earshot/doctor': {
        ...doctor,
        checkLan: (options: doctor.CheckLanOptions = {}) =>
          doctor.checkLan({ network, ...this.#untilLeaving(options) }),
        checkInternet: (options: doctor.CheckInternetOptions = {}) =>
          doctor.checkInternet({ network, ...this.#untilLeaving(options) }),
      },
      'earshot/compat/pythonconnect': {
        ...pythonConnect,
        PythonConnectNode: {
          join: (options: pythonConnect.PythonConnectOptions = {}) => this.#joinDevices({ network, ...options }),
        },
      },
      'earshot/compat/bridge': {
        ...compatBridge,
        bridge: (service: string, kind: compatBridge.NetworkKind, options: compatBridge.BridgeOptions = {}) =>
          this.#bridge(service, kind, { network, ...options }),
      },
      'earshot/net': {
        ...net,
        interfaces: () => net.interfaces({ network }),
        watchInterfaces: (options: net.WatchInterfacesOptions = {}) =>
          net.watchInterfaces({ network, ...this.#untilLeaving(options) }),
      },
    }
  }

  async leave(): Promise<void> {
    this.#leaving.abort()
    await Promise.all([...this.#rooms, ...this.#others].map(each => each.close()))
  }

  async #listen(options: peerpy.PeerpyPeerOptions): Promise<peerpy.PeerpyPeer> {
    const peer = await peerpy.PeerpyPeer.listen(options)
    peer.on('warning', ({ code, message }) => this.warnings.push(`${code}: ${message}`))
    this.#others.push(peer)
    return peer
  }

  async #joinDevices(options: pythonConnect.PythonConnectOptions): Promise<pythonConnect.PythonConnectNode> {
    const node = await pythonConnect.PythonConnectNode.join(options)
    node.on('warning', ({ code, message }) => this.warnings.push(`${code}: ${message}`))
    this.#others.push(node)
    return node
  }

  async #bridge(
    service: string,
    kind: compatBridge.NetworkKind,
    options: compatBridge.BridgeOptions,
  ): Promise<compatBridge.RoomBridge> {
    const opened = await compatBridge.bridge(service, kind, options)
    opened.on('warning', ({ code, message }) => this.warnings.push(`${code}: ${message}`))
    this.#others.push(opened)
    return opened
  }

  async #join(service: string, options: earshot.JoinOptions): Promise<earshot.Room> {
    const joining = earshot.join(service, options)
    // Deriving the key of a secret is work in the real world.
    const room = await (options.secret === undefined ? joining : this.#simulation.freeze(joining))
    room.on('warning', ({ code, message }) => this.warnings.push(`${code}: ${message}`))
    this.#rooms.push(room)
    return room
  }

  #untilLeaving<T extends { readonly signal?: AbortSignal }>(options: T): T & { readonly signal: AbortSignal } {
    const signals = [this.#leaving.signal, ...(options.signal ? [options.signal] : [])]
    return { ...options, signal: AbortSignal.any(signals) }
  }
}

/** How it ended, for whoever asks later: an error now would otherwise be nobody's. */
function settled(work: Promise<void>): Promise<() => void> {
  return work.then(
    () => () => {},
    error => () => {
      throw error
    },
  )
}
