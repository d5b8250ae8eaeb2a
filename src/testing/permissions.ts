/**
 * Who may send in from outside: a remote endpoint that something inside has sent to, for as long as the filter remembers.
 * NATs filter with it (RFC 4787 section 5), and so do IPv6 firewalls (RFC 6092).
 */

import type { IpAddress } from './ip-address.ts'
import type { NatDependence } from './nat-behaviour.ts'

export interface Endpoint {
  readonly address: IpAddress
  readonly port: number
}

const ANYBODY = 'anybody'

export class Permissions {
  /** When each ends, by remote endpoint, by remote address, and for anybody. */
  readonly #until = new Map<string, number>()

  /** Something inside has sent to `remote`: that is remembered until then, and longer where it was already. */
  permit(remote: Endpoint, until: number): void {
    for (const key of [ANYBODY, remote.address.text, endpointKey(remote)]) {
      this.#until.set(key, Math.max(until, this.#until.get(key) ?? 0))
    }
  }

  allows(remote: Endpoint, filtering: NatDependence, now: number): boolean {
    return (this.#until.get(filterKey(filtering, remote)) ?? 0) > now
  }
}

function filterKey(filtering: NatDependence, remote: Endpoint): string {
  if (filtering === 'endpoint-independent') return ANYBODY
  return filtering === 'address-dependent' ? remote.address.text : endpointKey(remote)
}

export function endpointKey({ address, port }: Endpoint): string {
  return `${address.text} ${port}`
}
