/**
 * Whom an allocation relays to and from: permissions, one for each IP address (RFC 8656 section 9), and channels, one for each
 * address and port (section 12). Both end at the server when they are not renewed; whoever is not used is not.
 *
 *     permission   asked ──► granted ──► (renewed while used) ──► forgotten
 *                    └─────► refused ──► forgotten
 *     channel      none ──► asked ──► bound ──► (renewed while used) ──► forgotten
 *                             └─────► failed
 */

import { MAX_TURN_PEERS, MAX_TURN_WAITING_DATAGRAMS } from '../../limits.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { FIRST_CHANNEL, LAST_CHANNEL } from './channel-data.ts'

export interface Permission {
  readonly address: string
  state: 'asked' | 'granted' | 'refused'
  /** Asked for by `permit`: kept whether it is used or not, until `forbid`. */
  isKept: boolean
  /** Something was sent or received since the last renewal. */
  isUsed: boolean
  /** Datagrams that wait for it. */
  readonly waiting: { readonly bytes: Uint8Array; readonly to: SocketAddress }[]
  /** Settles with the answer of the server. */
  answer: Promise<void>
}

export interface Channel {
  readonly number: number
  readonly peer: SocketAddress
  state: 'asked' | 'bound' | 'failed'
  isUsed: boolean
}

/** One that is sent so many datagrams gets a channel, which saves 32 bytes on each. */
const CHANNEL_AFTER_DATAGRAMS = 3

export class RelayPeers {
  readonly #permissions = new Map<string, Permission>()
  readonly #channels = new Map<string, Channel>()
  readonly #byNumber = new Map<number, Channel>()
  readonly #sent = new Map<string, number>()
  #nextChannel = FIRST_CHANNEL

  get permissions(): readonly Permission[] {
    return [...this.#permissions.values()]
  }

  get channels(): readonly Channel[] {
    return [...this.#channels.values()]
  }

  get isFull(): boolean {
    return this.#permissions.size >= MAX_TURN_PEERS
  }

  permission(address: string): Permission | undefined {
    return this.#permissions.get(address)
  }

  addPermission(address: string): Permission {
    const permission: Permission = {
      address,
      state: 'asked',
      isKept: false,
      isUsed: true,
      waiting: [],
      answer: Promise.resolve(),
    }
    this.#permissions.set(address, permission)
    return permission
  }

  /** Its channels go with it: at the server they end by themselves. */
  removePermission(address: string): void {
    this.#permissions.delete(address)
    for (const [key, channel] of this.#channels) {
      if (channel.peer.address === address) this.#removeChannel(key, channel)
    }
    for (const key of this.#sent.keys()) if (key.startsWith(`${address} `)) this.#sent.delete(key)
  }

  /** False: too many wait already. */
  wait(permission: Permission, bytes: Uint8Array, to: SocketAddress): boolean {
    if (permission.waiting.length >= MAX_TURN_WAITING_DATAGRAMS) return false
    permission.waiting.push({ bytes, to })
    return true
  }

  /** The channel to use for a datagram, if it is bound. */
  boundChannel(peer: SocketAddress): Channel | undefined {
    const channel = this.#channels.get(keyOf(peer))
    return channel?.state === 'bound' ? channel : undefined
  }

  /** Counts a datagram sent without channel; a new channel to be bound where that is worth it. */
  countSent(peer: SocketAddress): Channel | undefined {
    const key = keyOf(peer)
    if (this.#channels.has(key)) return undefined
    const sent = (this.#sent.get(key) ?? 0) + 1
    if (sent < CHANNEL_AFTER_DATAGRAMS) {
      this.#sent.set(key, sent)
      return undefined
    }
    return this.#addChannel(key, peer)
  }

  /** From whom a datagram on this channel is. */
  peerOfChannel(number: number): Channel | undefined {
    return this.#byNumber.get(number)
  }

  /** What was used is to be renewed; what was not is forgotten. */
  takeUsed(): { readonly permissions: readonly Permission[]; readonly channels: readonly Channel[] } {
    for (const permission of this.permissions) {
      const isLive =
        permission.state === 'asked' || (permission.state === 'granted' && (permission.isUsed || permission.isKept))
      if (!isLive) this.removePermission(permission.address)
      permission.isUsed = false
    }
    for (const [key, channel] of this.#channels) {
      if (!channel.isUsed || channel.state === 'failed') this.#removeChannel(key, channel)
      channel.isUsed = false
    }
    return {
      permissions: this.permissions.filter(({ state }) => state === 'granted'),
      channels: this.channels.filter(({ state }) => state === 'bound'),
    }
  }

  /**
   * Numbers are not used twice: a channel must not stand for another peer for a while after its end (section 12), and 4,096 are
   * enough for the life of an allocation. Without one, datagrams go as Send indications.
   */
  #addChannel(key: string, peer: SocketAddress): Channel | undefined {
    if (this.#nextChannel > LAST_CHANNEL) return undefined
    this.#sent.delete(key)
    const channel: Channel = { number: this.#nextChannel++, peer, state: 'asked', isUsed: true }
    this.#channels.set(key, channel)
    this.#byNumber.set(channel.number, channel)
    return channel
  }

  #removeChannel(key: string, channel: Channel): void {
    this.#channels.delete(key)
    this.#byNumber.delete(channel.number)
    this.#sent.delete(key)
  }
}

function keyOf(peer: SocketAddress): string {
  return `${peer.address} ${formatSocketAddress(peer)}`
}
