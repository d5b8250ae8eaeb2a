/**
 * A whole network in one process, in virtual time: what happens is a function of the seed, and an hour takes as long as
 * the work in it. `docs/testing.md` shows how to test a program on it.
 *
 *     host ada                        host bob
 *     ├─ program (Platform)           ├─ program
 *     ├─ IP stack: UDP, TCP           ├─ IP stack
 *     └─ eth0 ────────── LAN ──────── └─ eth0
 */

import { formatSocketAddress } from '../platform/socket-address.ts'
import { internetAddressPlan, lanAddressPlan } from './address-plan.ts'
import { type NatBehaviour, type NatKind, natBehaviour } from './nat-behaviour.ts'
import type { Packet, TracedPacket } from './packet.ts'
import { preload } from './preload.ts'
import { SeededRandom } from './seeded-random.ts'
import { type AttachOptions, type OpenResource, type Router, SimulatedHost } from './simulated-host.ts'
import type { SimulatedInterface } from './simulated-interface.ts'
import { type LanOptions, type LanParts, SimulatedLan } from './simulated-lan.ts'
import { SimulatedNat } from './simulated-nat.ts'
import { segmentFlags } from './tcp-segment.ts'
import { type UntilOptions, VirtualTime } from './virtual-time.ts'

/** How TCP data reaches a program: as it was written, or in pieces of random size, some of them later. */
export type Segmentation = 'as-written' | 'random'

export interface SimulationOptions {
  /** Two runs with the same seed do the same. @default 1 */
  readonly seed?: number
  /** @default 'as-written' */
  readonly segmentation?: Segmentation
}

export interface HostOptions {
  /**
   * The LANs it is plugged into, with an interface each.
   * @default the LAN 'home', which is made where there is none
   */
  readonly lans?: readonly (string | (AttachOptions & { readonly lan: string }))[]
  /** By how much its wall clock is wrong, in milliseconds. @default 0 */
  readonly wallOffsetMs?: number
}

/** What is different from its `kind`, and where it stands. */
export interface NatOptions extends Partial<NatBehaviour> {
  /** @default 'port-restricted' */
  readonly kind?: NatKind
  /** The LAN behind it, which is made under the NAT's name where there is none. */
  readonly lan?: LanOptions
  /** The LAN of another NAT in which it stands, as a carrier's. @default the internet */
  readonly behind?: string
  /** With prefix length: `'203.0.113.77/24'`. @default the next free one outside */
  readonly externalAddress?: string
}

const DEFAULT_LAN = 'home'
const INTERNET = 'internet'
/** One way, between two homes of a country. */
const INTERNET_DELAY_MS = 15
/** The third byte of IPv4 addresses numbers the LANs. */
const MAX_LANS = 254
/** RFC 1035 section 2.3.4; `name.local` must be a host name. */
const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i
const RUN_WITHIN_MS = 600_000

export function simulate(options: SimulationOptions = {}): SimulatedNetwork {
  preload()
  return new SimulatedNetwork(options)
}

export class SimulatedNetwork {
  /** May be changed at any time. */
  segmentation: Segmentation
  readonly #time = new VirtualTime()
  readonly #random: SeededRandom
  readonly #lans = new Map<string, SimulatedLan>()
  #lanCount = 0
  readonly #hosts = new Map<string, SimulatedHost>()
  readonly #tracers = new Set<(packet: TracedPacket) => void>()

  constructor({ seed = 1, segmentation = 'as-written' }: SimulationOptions) {
    this.segmentation = segmentation
    this.#random = new SeededRandom(seed)
  }

  /** Milliseconds of virtual time since the simulation began. */
  get now(): number {
    return this.#time.now
  }

  /** Makes a LAN, or returns the one of that name. */
  lan(name: string, options?: LanOptions): SimulatedLan {
    const existing = name === INTERNET ? this.internet : this.#lans.get(name)
    if (existing !== undefined && options === undefined) return existing
    if (existing !== undefined) throw new RangeError(`there is a LAN '${name}' already; its properties can be changed`)
    if (this.#lanCount === MAX_LANS) throw new RangeError(`a simulation has at most ${MAX_LANS} LANs`)
    const addresses = lanAddressPlan(name, this.#lanCount + 1, options ?? {})
    const lan = this.#makeLan(name, { addresses, options: options ?? {}, isInternet: false })
    this.#lanCount++
    return lan
  }

  /**
   * What is between the NATs: hosts plugged into it, `{ lans: ['internet'] }`, have public addresses. Its delay is 15 ms,
   * and it can lose packets and be cut as any LAN can.
   */
  get internet(): SimulatedLan {
    const options = { delayMs: INTERNET_DELAY_MS, multicast: false, broadcast: false }
    return (
      this.#lans.get(INTERNET) ??
      this.#makeLan(INTERNET, { addresses: internetAddressPlan(), options, isInternet: true })
    )
  }

  /** Makes a router with a NAT, and the LAN of the same name behind it unless there is one. */
  nat(
    name: string,
    { kind = 'port-restricted', lan, behind, externalAddress, ...different }: NatOptions = {},
  ): SimulatedNat {
    const behaviour = natBehaviour(kind, different)
    const outside = behind === undefined ? this.internet : this.#existingLan(behind)
    this.#checkHostName(name)
    const inside = this.#lans.has(name) && lan === undefined ? this.lan(name) : this.#lanBehind(name, behaviour, lan)
    const nat = new SimulatedNat({
      name,
      behaviour,
      inside,
      outside,
      externalAddress,
      time: this.#time,
      random: this.#random.fork(`nat ${name}`),
      makeHost: router => this.#makeHost(name, router),
    })
    this.#hosts.set(name.toLowerCase(), nat.router)
    return nat
  }

  /** Makes a host that runs; `host.network` is the platform for a program on it. */
  host(name: string, { lans, wallOffsetMs = 0 }: HostOptions = {}): SimulatedHost {
    this.#checkHostName(name)
    const attachments = (lans ?? [DEFAULT_LAN]).map(each => (typeof each === 'string' ? { lan: each } : each))
    if (lans === undefined) this.lan(DEFAULT_LAN)
    const plugs = attachments.map(({ lan, ...options }) => ({ lan: this.#existingLan(lan), options }))
    const host = this.#makeHost(name)
    host.wallOffsetMs = wallOffsetMs
    for (const { lan, options } of plugs) host.attach(lan, options)
    this.#hosts.set(name.toLowerCase(), host)
    return host
  }

  /**
   * Lets virtual time pass; everything that was due has happened afterwards. Rejects with what a callback of a program
   * threw. May be called while time is passing already, for example in `run`: then it only waits.
   */
  advance(durationMs: number): Promise<void> {
    return this.#time.advance(durationMs)
  }

  /** Lets time pass until the promise is settled, and returns its result. Rejects with `timeout` after `withinMs`. */
  until<Value>(promise: PromiseLike<Value>, options?: UntilOptions): Promise<Value> {
    return this.#time.until(promise, options)
  }

  /** Lets time pass while `scenario` runs, so that it can await what takes time. `withinMs` is 600_000 by default. */
  run<Value>(scenario: () => Promise<Value>, { withinMs = RUN_WITHIN_MS }: UntilOptions = {}): Promise<Value> {
    return this.#time.until(scenario(), { withinMs })
  }

  /** Stops virtual time until work in the real world is done, such as reading a file. */
  freeze<Value>(work: PromiseLike<Value>): Promise<Value> {
    return this.#time.freeze(work)
  }

  /** Calls `onPacket` for each datagram and segment that a host sends. The returned function stops it. */
  trace(onPacket: (packet: TracedPacket) => void): () => void {
    this.#tracers.add(onPacket)
    return () => void this.#tracers.delete(onPacket)
  }

  /** What programs have open on all hosts: empty after everything was closed. */
  open(): readonly OpenResource[] {
    return [...this.#hosts.values()].flatMap(host => host.open())
  }

  #makeLan(name: string, parts: Pick<LanParts, 'addresses' | 'options' | 'isInternet'>): SimulatedLan {
    const lan = new SimulatedLan({ name, ...parts, time: this.#time, random: this.#random.fork(`lan ${name}`) })
    this.#lans.set(name, lan)
    return lan
  }

  /** Without translation, hosts need addresses that the internet knows (RFC 2544 has spare ones). */
  #lanBehind(name: string, { translates, ipv6 }: NatBehaviour, options: LanOptions = {}): SimulatedLan {
    const ipv4 = translates ? true : `198.18.${this.#lanCount + 1}.0/24`
    return this.lan(name, { ipv4, ipv6: ipv6 === 'none' ? 'link-local' : 'global', ...options })
  }

  #makeHost(name: string, router?: Router): SimulatedHost {
    return new SimulatedHost({
      name,
      time: this.#time,
      random: this.#random.fork(`host ${name}`),
      onSent: (packet, through) => this.#traceSent(packet, through),
      splitsRandomly: () => this.segmentation === 'random',
      hostNamed: other => this.#hosts.get(other),
      ...(router === undefined ? {} : { router }),
    })
  }

  #checkHostName(name: string): void {
    if (!HOST_NAME.test(name))
      throw new RangeError(`a host name is a DNS label of 1 to 63 of a-z, 0-9 and '-', not '${name}'`)
    if (this.#hosts.has(name.toLowerCase())) throw new RangeError(`there is a host '${name}' already`)
  }

  #existingLan(name: string): SimulatedLan {
    const lan = name === INTERNET ? this.internet : this.#lans.get(name)
    if (lan === undefined) throw new RangeError(`there is no LAN '${name}'; make it with lan('${name}')`)
    return lan
  }

  #traceSent(packet: Packet, through: SimulatedInterface): void {
    if (this.#tracers.size === 0) return
    const traced = describePacket(packet, through, this.#time.now)
    for (const onPacket of this.#tracers) onPacket(traced)
  }
}

function describePacket(packet: Packet, through: SimulatedInterface, at: number): TracedPacket {
  const { protocol, source, sourcePort, destination, destinationPort } = packet
  return {
    at,
    host: through.host.name,
    interface: through.name,
    protocol,
    from: formatSocketAddress({ address: source.text, port: sourcePort }),
    to: formatSocketAddress({ address: destination.text, port: destinationPort }),
    bytes: packet.protocol === 'udp' ? packet.bytes : packet.segment.bytes,
    ...(packet.protocol === 'tcp' ? { flags: segmentFlags(packet.segment) } : {}),
  }
}
