/**
 * The stateful IPv6 firewall of a simulated home router (RFC 6092): what somebody inside has sent to may answer, and
 * pinholes let in everybody (RFC 6887 section 11, WANIPv6FirewallControl).
 */

import type { NatDependence } from './nat-behaviour.ts'
import type { OutboundFlow, Protocol } from './nat-table.ts'
import { type Endpoint, endpointKey, Permissions } from './permissions.ts'

export interface Pinhole {
  readonly protocol: Protocol
  readonly internal: Endpoint
  expiresAt: number
}

export class Ipv6Firewall {
  readonly #now: () => number
  readonly #flows = new Map<string, Permissions>()
  readonly #pinholes = new Map<string, Pinhole>()

  constructor(now: () => number) {
    this.#now = now
  }

  get pinholes(): readonly Pinhole[] {
    return [...this.#pinholes.values()].filter(({ expiresAt }) => expiresAt > this.#now())
  }

  outbound({ protocol, internal, remote, lifetimeMs }: OutboundFlow): void {
    const key = keyOf(protocol, internal)
    const permissions = this.#flows.get(key) ?? new Permissions()
    this.#flows.set(key, permissions)
    permissions.permit(remote, this.#now() + lifetimeMs)
  }

  passes(protocol: Protocol, internal: Endpoint, remote: Endpoint, filtering: NatDependence): boolean {
    const key = keyOf(protocol, internal)
    if ((this.#pinholes.get(key)?.expiresAt ?? 0) > this.#now()) return true
    return this.#flows.get(key)?.allows(remote, filtering, this.#now()) ?? false
  }

  open(protocol: Protocol, internal: Endpoint, lifetimeMs: number): Pinhole {
    const pinhole = { protocol, internal, expiresAt: this.#now() + lifetimeMs }
    this.#pinholes.set(keyOf(protocol, internal), pinhole)
    return pinhole
  }

  close({ protocol, internal }: Pinhole): void {
    this.#pinholes.delete(keyOf(protocol, internal))
  }

  clear(): void {
    this.#flows.clear()
    this.#pinholes.clear()
  }
}

function keyOf(protocol: Protocol, internal: Endpoint): string {
  return `${protocol} ${endpointKey(internal)}`
}
