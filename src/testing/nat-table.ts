/**
 * The mappings of one simulated NAT: which external port stands for which inner endpoint, towards whom, and for how long.
 * It knows no packets, only endpoints; `simulated-nat.ts` translates with it.
 */

import type { NatBehaviour, NatDependence } from './nat-behaviour.ts'
import { type Endpoint, endpointKey, Permissions } from './permissions.ts'
import type { SeededRandom } from './seeded-random.ts'

export type Protocol = 'udp' | 'tcp'

export interface NatMapping {
  readonly protocol: Protocol
  readonly internal: Endpoint
  readonly externalPort: number
  /** Made by a port mapping protocol or by hand: passes everybody (RFC 6887 section 2.2), and is not refreshed. */
  readonly isExplicit: boolean
  readonly permissions: Permissions
  /** Where it is found for packets from inside. */
  readonly key: string
  expiresAt: number
}

export interface OutboundFlow {
  readonly protocol: Protocol
  readonly internal: Endpoint
  readonly remote: Endpoint
  /** How long the packet keeps its mapping, in milliseconds. */
  readonly lifetimeMs: number
}

export interface ExplicitMapping {
  readonly protocol: Protocol
  readonly internal: Endpoint
  readonly externalPort: number
  readonly lifetimeMs: number
}

/** RFC 4787 section 4.2.1: ports below are left to well-known services. */
const FIRST_PORT = 1_024
const LAST_PORT = 65_535
const PORT_COUNT = LAST_PORT - FIRST_PORT + 1

export interface NatTableParts {
  readonly now: () => number
  readonly random: SeededRandom
  /** Ports that the router uses for itself. */
  readonly isReserved: (protocol: Protocol, port: number) => boolean
}

export class NatTable {
  readonly #parts: NatTableParts
  readonly #byInternal = new Map<string, NatMapping>()
  readonly #byExternal = new Map<string, NatMapping>()
  #lastPort: number

  constructor(parts: NatTableParts) {
    this.#parts = parts
    this.#lastPort = parts.random.integer(FIRST_PORT, LAST_PORT)
  }

  /** Those that live now. */
  get mappings(): readonly NatMapping[] {
    return [...this.#byExternal.values()].filter(mapping => this.#isAlive(mapping))
  }

  /** The mapping for a packet from inside, made if need be, and refreshed; undefined where all ports are taken. */
  outbound(flow: OutboundFlow, behaviour: NatBehaviour): NatMapping | undefined {
    const { protocol, internal, remote } = flow
    const expiresAt = this.#parts.now() + flow.lifetimeMs
    const dependence = protocol === 'udp' ? behaviour.mapping : behaviour.tcpMapping
    const key = `${explicitKey(flow)}${dependencyKey(dependence, remote)}`
    const mapping = this.#alive(this.#byInternal, explicitKey(flow)) ?? this.#alive(this.#byInternal, key)
    const found = mapping ?? this.#create(protocol, internal, key, behaviour, expiresAt)
    if (found === undefined) return undefined
    if (!found.isExplicit) found.expiresAt = Math.max(found.expiresAt, expiresAt)
    found.permissions.permit(remote, expiresAt)
    return found
  }

  /** The mapping that has an external port, whether or not its filter lets anybody through. */
  inbound(protocol: Protocol, externalPort: number): NatMapping | undefined {
    return this.#alive(this.#byExternal, externalKey(protocol, externalPort))
  }

  passes({ isExplicit, protocol, permissions }: NatMapping, remote: Endpoint, behaviour: NatBehaviour): boolean {
    const filtering = protocol === 'udp' ? behaviour.filtering : behaviour.tcpFiltering
    return isExplicit || permissions.allows(remote, filtering, this.#parts.now())
  }

  isFree(protocol: Protocol, port: number): boolean {
    return this.inbound(protocol, port) === undefined && !this.#parts.isReserved(protocol, port)
  }

  /** Maps a port for everybody; undefined where another endpoint has it. The same again extends it. */
  map({ protocol, internal, externalPort, lifetimeMs }: ExplicitMapping): NatMapping | undefined {
    const expiresAt = this.#parts.now() + lifetimeMs
    const present = this.inbound(protocol, externalPort)
    const isSame = present?.isExplicit && endpointKey(present.internal) === endpointKey(internal)
    if (isSame) present.expiresAt = expiresAt
    if (isSame || !this.isFree(protocol, externalPort)) return isSame ? present : undefined
    const key = explicitKey({ protocol, internal })
    return this.#add({
      protocol,
      internal,
      externalPort,
      isExplicit: true,
      key,
      expiresAt,
      permissions: new Permissions(),
    })
  }

  remove(mapping: NatMapping): void {
    const { key, protocol, externalPort } = mapping
    if (this.#byInternal.get(key) === mapping) this.#byInternal.delete(key)
    const external = externalKey(protocol, externalPort)
    if (this.#byExternal.get(external) === mapping) this.#byExternal.delete(external)
  }

  clear(): void {
    this.#byInternal.clear()
    this.#byExternal.clear()
  }

  /** Any port that is free, for a caller who does not care. */
  freePort(protocol: Protocol): number | undefined {
    const first = this.#parts.random.integer(0, PORT_COUNT - 1)
    return this.#firstFree(protocol, at => FIRST_PORT + ((first + at) % PORT_COUNT))
  }

  #create(
    protocol: Protocol,
    internal: Endpoint,
    key: string,
    behaviour: NatBehaviour,
    expiresAt: number,
  ): NatMapping | undefined {
    const externalPort = this.#allocate(protocol, internal.port, behaviour)
    if (externalPort === undefined) return undefined
    return this.#add({
      protocol,
      internal,
      externalPort,
      isExplicit: false,
      key,
      expiresAt,
      permissions: new Permissions(),
    })
  }

  #add(mapping: NatMapping): NatMapping {
    this.#byInternal.set(mapping.key, mapping)
    this.#byExternal.set(externalKey(mapping.protocol, mapping.externalPort), mapping)
    return mapping
  }

  /** Two endpoints never share a port: RFC 4787 REQ-3, no port overloading. */
  #allocate(protocol: Protocol, internalPort: number, behaviour: NatBehaviour): number | undefined {
    if (behaviour.portAllocation === 'random') return this.freePort(protocol)
    if (behaviour.portAllocation === 'preserving')
      return this.isFree(protocol, internalPort) ? internalPort : this.freePort(protocol)
    const last = this.#lastPort
    const port = this.#firstFree(protocol, at => wrapped(last + behaviour.portDelta * (at + 1)))
    this.#lastPort = port ?? last
    return port
  }

  #firstFree(protocol: Protocol, candidate: (at: number) => number): number | undefined {
    for (let at = 0; at < PORT_COUNT; at++) {
      const port = candidate(at)
      if (this.isFree(protocol, port)) return port
    }
    return undefined
  }

  #alive(mappings: Map<string, NatMapping>, key: string): NatMapping | undefined {
    const mapping = mappings.get(key)
    if (mapping === undefined || this.#isAlive(mapping)) return mapping
    this.remove(mapping)
    return undefined
  }

  #isAlive({ expiresAt }: NatMapping): boolean {
    return expiresAt > this.#parts.now()
  }
}

function explicitKey({ protocol, internal }: Pick<NatMapping, 'protocol' | 'internal'>): string {
  return `${protocol} ${endpointKey(internal)}`
}

/** Of implicit mappings; an explicit one has none, it serves all remotes. */
function dependencyKey(dependence: NatDependence, remote: Endpoint): string {
  if (dependence === 'endpoint-independent') return ' any'
  return dependence === 'address-dependent' ? ` ${remote.address.text}` : ` ${endpointKey(remote)}`
}

function externalKey(protocol: Protocol, port: number): string {
  return `${protocol} ${port}`
}

function wrapped(port: number): number {
  return FIRST_PORT + ((((port - FIRST_PORT) % PORT_COUNT) + PORT_COUNT) % PORT_COUNT)
}
