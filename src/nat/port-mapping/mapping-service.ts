/**
 * The contract of the three port mapping protocols: a gateway that answered in one of them, and what can be asked of it.
 * `port-mapper.ts` decides which one is used; these only speak.
 */

import type { SocketAddress } from '../../platform/network.ts'

/** The protocols: PCP (RFC 6887), NAT-PMP (RFC 6886), UPnP Internet Gateway Device. */
export type PortMappingProtocol = 'pcp' | 'nat-pmp' | 'upnp-igd'

export interface MappingRequest {
  readonly protocol: 'udp' | 'tcp'
  readonly internalPort: number
  /** Wanted, not promised; with its address once there was one. */
  readonly externalPort: number
  readonly externalAddress: string | undefined
  readonly lifetimeMs: number
  /** 12 bytes that stay the same as long as the mapping is renewed (RFC 6887 section 11.2). */
  readonly nonce: Uint8Array
  /** What people see in the router's list. */
  readonly description: string
}

/** What a gateway granted. */
export interface MappingGrant {
  readonly external: SocketAddress
  /** The address of this host as the gateway knows it. */
  readonly internalAddress: string
  /** `Infinity` where the gateway keeps it until it is removed. */
  readonly lifetimeMs: number
  /** Of a UPnP pinhole: under what the gateway keeps it. */
  readonly pinholeId?: number
}

export interface MappingService {
  readonly via: PortMappingProtocol
  /** The gateway's address, with port where the protocol has no port of its own. */
  readonly gateway: string
  /**
   * Makes a mapping, or renews the one that `present` tells. Rejects with `refused` and the gateway's reason, `timeout`,
   * `unreachable`, `protocol-violation`, or `signal.reason`.
   */
  map(request: MappingRequest, present: MappingGrant | undefined, signal: AbortSignal): Promise<MappingGrant>
  /** Removes one; resolves when the gateway has said so. Rejects like `map`. */
  unmap(request: MappingRequest, grant: MappingGrant, signal: AbortSignal): Promise<void>
  /** Closes its sockets. Idempotent. */
  close(): void
}

export interface ServiceEvents {
  /** The gateway has lost its mappings: those that others made have to be made again. */
  readonly onStateLost: () => void
}
