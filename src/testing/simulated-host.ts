/**
 * A simulated machine: its interfaces, its power switch, and the programs that run on it.
 *
 *     running ◄── start ── killed          no program; the system refuses connections
 *        │ ▲ ──── kill ──►
 *        │ └──── start ─── stopped         no power; silence
 *        │ ────── stop ──►
 *        └── sleep ──► asleep ── wake ──► running
 */

import type { Gateway, InterfaceKind, NetworkInterface } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'
import { formatSocketAddress } from '../platform/socket-address.ts'
import { formatIpAddress, inZone, isMulticast } from './ip-address.ts'
import { IpStack, LOOPBACK_DELAY_MS } from './ip-stack.ts'
import type { Packet } from './packet.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { type InterfaceOwner, type InterfaceSetup, type Link, SimulatedInterface } from './simulated-interface.ts'
import type { SimulatedLan } from './simulated-lan.ts'
import type { HostView } from './simulated-network-port.ts'
import { SimulatedProgram } from './simulated-program.ts'
import type { EventOwner, VirtualTime } from './virtual-time.ts'

export type HostState = 'running' | 'asleep' | 'killed' | 'stopped'

export interface AttachOptions {
  /** @default the next free one of eth0, eth1, … (wlan0, … where `kind` is 'wireless') */
  readonly name?: string
  /** @default 'wired' */
  readonly kind?: InterfaceKind
  /** Instead of those that the LAN hands out; with prefix lengths, as `'192.168.1.77/24'`. */
  readonly addresses?: readonly string[]
}

/** Something that a program still has open. */
export interface OpenResource {
  readonly host: string
  readonly kind: 'udp socket' | 'tcp listener' | 'tcp connection' | 'timer' | 'interface watcher'
  /** Addresses, or when a timer fires, for a message. */
  readonly detail: string
}

export interface HostParts {
  readonly name: string
  readonly time: VirtualTime
  readonly random: SeededRandom
  readonly onSent: (packet: Packet, through: SimulatedInterface) => void
  readonly splitsRandomly: () => boolean
  readonly hostNamed: (name: string) => SimulatedHost | undefined
  /** A router sees each packet before its own system does. */
  readonly router?: Router
}

export interface Router {
  /** True: the packet was forwarded or dropped, and is not for the router's own system. */
  takes(packet: Packet, through: SimulatedInterface): boolean
}

const LOOPBACK_ADDRESSES = ['127.0.0.1/8', '::1/128']
/** The order in which programs prefer them. */
const KINDS: readonly InterfaceKind[] = ['wired', 'wireless', 'loopback', 'virtual', 'tunnel']
const NAMES: Readonly<Record<InterfaceKind, string>> = {
  wired: 'eth',
  wireless: 'wlan',
  loopback: 'lo',
  virtual: 'docker',
  tunnel: 'tun',
}

export class SimulatedHost implements InterfaceOwner, HostView {
  readonly name: string
  /** By how much its wall clock is wrong; may be changed at any time, as a clock that is set. */
  wallOffsetMs = 0
  /** What its programs read and write; it outlives them. */
  readonly disk: SimulatedDisk = new SimulatedDisk()
  readonly #parts: HostParts
  readonly #interfaces: SimulatedInterface[] = []
  #interfaceCount = 0
  #bootCount = 0
  #programCount = 0
  #state: HostState = 'running'
  #ip: IpStack
  #programs: readonly SimulatedProgram[] = []

  constructor(parts: HostParts) {
    this.name = parts.name
    this.#parts = parts
    this.#ip = this.#boot()
    const setup = { name: 'lo', kind: 'loopback', supportsMulticast: true, addresses: LOOPBACK_ADDRESSES } as const
    this.#add({ ...setup, link: loopbackLink(parts.time) })
    this.#programs = [this.#launch()]
  }

  /** The platform for a program on this host, as `join(…, { network })` takes it. */
  get network(): Platform {
    const program = this.#programs[0]
    if (program === undefined)
      throw new Error(`nothing runs on host '${this.name}', it is ${this.#state}: start() it first`)
    return program
  }

  get state(): HostState {
    return this.#state
  }

  /** One more program beside the first, which can be killed alone. */
  launch(): SimulatedProgram {
    if (this.#state !== 'running')
      throw new Error(`host '${this.name}' is ${this.#state}: nothing can be launched on it`)
    const program = this.#launch()
    this.#programs = [...this.#programs, program]
    return program
  }

  /** Its own addresses, loopback left out; link-local IPv6 ones with zone. */
  get addresses(): readonly string[] {
    const own = this.#interfaces.filter(({ kind, isUp }) => kind !== 'loopback' && isUp)
    return own.flatMap(({ name, assigned }) => assigned.map(address => formatIpAddress(inZone(address, name))))
  }

  /** Plugs it into a LAN. */
  attach(lan: SimulatedLan, options: AttachOptions = {}): SimulatedInterface {
    const { kind = 'wired', addresses = lan.assignAddresses() } = options
    const name = options.name ?? this.#freeName(kind)
    if (this.#find(name)) throw new RangeError(`host '${this.name}' has an interface '${name}' already`)
    return this.#add({ name, kind, addresses, link: lan, supportsMulticast: kind !== 'tunnel' })
  }

  /** Takes an interface away, as pulling out a USB adapter does. */
  detach(interfaceName: string): void {
    const removed = this.interface(interfaceName)
    if (removed.kind === 'loopback') throw new RangeError(`the loopback interface of '${this.name}' cannot be removed`)
    removed.down()
    removed.setAddresses([])
    removed.link.leave(removed)
    this.#interfaces.splice(this.#interfaces.indexOf(removed), 1)
    this.onInterfaceChange()
  }

  /** One of its interfaces: `host.interface('eth0').down()`. */
  interface(name: string): SimulatedInterface {
    const found = this.#find(name)
    if (found === undefined) throw new RangeError(`host '${this.name}' has no interface '${name}'`)
    return found
  }

  /** Closes the lid: nothing runs, packets are lost. When it wakes, its clocks have moved on and late timers fire. */
  sleep(): void {
    this.#move('running', 'asleep')
    this.#ip.condition = 'asleep'
  }

  wake(): void {
    this.#move('asleep', 'running')
    this.#ip.condition = 'awake'
    for (const owner of [this.#ip, ...this.#programs]) this.#parts.time.wake(owner)
  }

  /** Kills its programs: the system closes their connections, which the other sides see, and refuses new ones. */
  kill(): void {
    this.#move('running', 'killed')
    for (const program of this.#programs) program.kill()
    this.#programs = []
  }

  /** Cuts the power: nothing is said to anybody, and what was not yet brought to the disk is lost. */
  stop(): void {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#ip.condition = 'dead'
    this.#programs = []
    this.disk.losePower()
  }

  /** Starts it again after `kill` or `stop`: `network` is a new program's, which knows nothing of the old one. */
  start(): void {
    if (this.#state === 'stopped') this.#ip = this.#boot()
    else this.#move('killed', 'running')
    this.#state = 'running'
    this.#programs = [this.#launch()]
  }

  /** What its programs have open now: empty after everything was closed. */
  open(): readonly OpenResource[] {
    const { udp, tcp } = this.#ip
    const open: OpenResource[] = []
    const add = (kind: OpenResource['kind'], detail: string) => open.push({ host: this.name, kind, detail })
    const isLive = ({ program }: { program: EventOwner }) => program.condition !== 'dead'
    for (const { local } of udp.sockets.filter(isLive)) add('udp socket', formatSocketAddress(local))
    for (const { local } of tcp.listeners.filter(isLive)) add('tcp listener', formatSocketAddress(local))
    for (const { isHeld, local, remote } of tcp.endpoints.filter(isLive)) {
      if (isHeld) add('tcp connection', `${formatSocketAddress(local)} to ${formatSocketAddress(remote)}`)
    }
    for (const program of this.#programs) {
      for (const at of program.timersDueAt) add('timer', `due at ${at} ms`)
      for (let i = 0; i < program.watcherCount; i++) add('interface watcher', '')
    }
    return open
  }

  interfaces(): readonly NetworkInterface[] {
    const ranked = [...this.#interfaces].sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind))
    return ranked.map((each, rank) => each.describe(rank))
  }

  gateways(): readonly Gateway[] {
    return this.#interfaces.flatMap(each => each.describeGateways())
  }

  resolve(name: string): readonly string[] {
    const label = name.toLowerCase().replace(/\.local\.?$/, '')
    if (label === 'localhost') return ['127.0.0.1', '::1']
    const target = this.#parts.hostNamed(label)
    return target === undefined ? [] : target.addressesFor(this)
  }

  /** Its addresses as another host can reach them: on-link, with that host's zones, and public ones as DNS has them. */
  addressesFor(asker: SimulatedHost): readonly string[] {
    return [...new Set([...this.#onLinkAddressesFor(asker), ...this.#publicAddressesFor(asker)])]
  }

  #publicAddressesFor(asker: SimulatedHost): readonly string[] {
    const isPublic = ({ link, isUp }: SimulatedInterface) => isUp && link.isInternet
    const own = this.#interfaces.filter(isPublic).flatMap(({ assigned }) => assigned)
    return own.filter(address => asker.#ip.route(address) !== undefined).map(({ text }) => text)
  }

  #onLinkAddressesFor(asker: SimulatedHost): readonly string[] {
    const shared = asker.#interfaces.filter(({ isUp, kind }) => isUp && kind !== 'loopback')
    const own = this.#interfaces.filter(({ isUp, kind }) => isUp && kind !== 'loopback')
    const pairs = own.flatMap(to => shared.filter(from => from.link === to.link).map(from => ({ from, to })))
    return pairs.flatMap(({ from, to }) => to.assigned.map(address => formatIpAddress(inZone(address, from.name))))
  }

  receive(packet: Packet, through: SimulatedInterface): void {
    if (this.#ip.condition !== 'awake') return
    if (!this.#parts.router?.takes(packet, through)) this.#ip.receive(packet, through)
  }

  /** Sends a packet that came from somebody else. */
  forward(packet: Packet, through: SimulatedInterface): void {
    if (this.#ip.condition !== 'awake' || !through.isUp) return
    this.#parts.onSent(packet, through)
    through.link.transmit(packet, through)
  }

  /** Whether its own system has a socket, a listener or a connection on a port. */
  usesPort(protocol: Packet['protocol'], port: number): boolean {
    return protocol === 'udp' ? this.#ip.udp.usesPort(port) : this.#ip.tcp.usesPort(port)
  }

  onInterfaceChange(): void {
    this.#ip.forgetRoutes()
    for (const program of this.#programs) program.onInterfaceChange()
  }

  #boot(): IpStack {
    const { time, random, onSent, splitsRandomly } = this.#parts
    const boot = random.fork(`boot ${++this.#bootCount}`)
    return new IpStack({ time, random: boot, interfaces: () => this.#interfaces, onSent, splitsRandomly })
  }

  #launch(): SimulatedProgram {
    return new SimulatedProgram(this.#ip, this, this.#parts.random.fork(`program ${++this.#programCount}`))
  }

  #move(from: HostState, to: HostState): void {
    if (this.#state !== from) throw new Error(`host '${this.name}' is ${this.#state}, not ${from}`)
    this.#state = to
  }

  #add(setup: Omit<InterfaceSetup, 'index'> & { link: Link }): SimulatedInterface {
    const added = new SimulatedInterface({ ...setup, index: ++this.#interfaceCount }, this, setup.link)
    this.#interfaces.push(added)
    this.onInterfaceChange()
    return added
  }

  #find(name: string): SimulatedInterface | undefined {
    return this.#interfaces.find(candidate => candidate.name === name)
  }

  #freeName(kind: InterfaceKind): string {
    let number = 0
    while (this.#find(`${NAMES[kind]}${number}`) !== undefined) number++
    return `${NAMES[kind]}${number}`
  }
}

/** Hands unicast back to the stack that sent it; multicast and broadcast the stack loops by itself. */
function loopbackLink(time: VirtualTime): Link {
  return {
    transmit(packet, from) {
      if (isMulticast(packet.destination) || from.isBroadcast(packet.destination)) return
      time.schedule(LOOPBACK_DELAY_MS, undefined, () => from.receive(packet))
    },
    isInternet: false,
    onChange() {},
    leave() {},
    gatewayFor: () => undefined,
  }
}
