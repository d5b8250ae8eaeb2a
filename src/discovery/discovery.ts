/**
 * The discovery contract: what a way of finding peers must offer, and what it tells. Rooms know only this file; the
 * ways themselves (`mdns-discovery.ts`, `beacon-discovery.ts`) are wired in by `endpoint/`.
 */

import type { EarshotError } from '../errors.ts'
import type { NetworkInterface, SocketAddress } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'

/** What a room says about itself to everybody who can hear it. None of it is authenticated before a handshake. */
export interface Advert {
  /** RFC 6335 service name of the room. */
  readonly service: string
  /** Peer id, 52 characters of base32. */
  readonly id: string
  readonly name: string
  /** Public data, JSON text of at most MAX_INFO_BYTES. */
  readonly info: string
  /** The TCP port that the room listens on. */
  readonly port: number
}

/** One peer as one way of discovery sees it. */
export interface Sighting {
  readonly service: string
  readonly id: string
  readonly name: string
  readonly info: string
  /** Where it can be dialled, the most promising first. */
  readonly addresses: readonly SocketAddress[]
  /** The way that saw it first: `'mdns'`, `'beacon'`. */
  readonly via: string
}

export interface DiscoveryHandlers {
  /** A peer appeared, or what is known of it changed (name, info, addresses). */
  onSighting(sighting: Sighting): void
  /** The peer said goodbye, or its records expired. */
  onLost(id: string): void
  /** Something does not work but the rest goes on: an interface without multicast, a port that cannot be shared. */
  onWarning(error: EarshotError): void
}

/** What every way of discovery on the local network works with. */
export interface LanDiscoveryOptions {
  /** The service whose peers to look for; undefined for those of every service. */
  readonly service: string | undefined
  readonly platform: Pick<Platform, 'clock' | 'random' | 'network'>
  /** The interfaces to use, of those there are now. Asked again whenever they change. */
  chooseInterfaces(all: readonly NetworkInterface[]): readonly NetworkInterface[]
  readonly handlers: DiscoveryHandlers
}

export interface Discovery {
  /** Starts looking for peers; the first question leaves before this resolves. */
  start(): Promise<void>
  /** Starts to advertise, changes what is advertised, or, with `undefined`, says goodbye and stops advertising. */
  advertise(advert: Advert | undefined): void
  /** Says goodbye, frees every socket and timer. Idempotent. */
  close(): Promise<void>
}
