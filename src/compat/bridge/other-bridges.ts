/**
 * Bridges of one room to networks of one kind tell each other who they are there and which devices they bring: so none takes
 * another's seats for devices, and a device that several see is one peer of the room.
 */

import { MAX_BRIDGED_IDS } from '../../limits.ts'
import type { NetworkKind } from './foreign-network.ts'

export const BRIDGE_CHANNEL = 'earshot-bridge'

export interface BridgeClaims {
  /** What the bridge and its seats are called among the devices. */
  readonly own: readonly string[]
  /** The devices that are peers of the room through it. */
  readonly devices: readonly string[]
}

export class OtherBridges {
  readonly #kind: NetworkKind
  readonly #selfId: string
  readonly #claims = new Map<string, { own: ReadonlySet<string>; devices: ReadonlySet<string> }>()

  constructor(kind: NetworkKind, selfId: string) {
    this.#kind = kind
    this.#selfId = selfId
  }

  encode({ own, devices }: BridgeClaims): unknown {
    return { kind: this.#kind, own, devices }
  }

  /** True where what it says is of our concern. What is none of a bridge's words is ignored. */
  onClaims(bridgeId: string, message: unknown): boolean {
    const { kind, own, devices } = (message ?? {}) as Record<string, unknown>
    if (kind !== this.#kind || !isIdList(own) || !isIdList(devices)) return false
    this.#claims.set(bridgeId, { own: new Set(own), devices: new Set(devices) })
    return true
  }

  onGone(bridgeId: string): boolean {
    return this.#claims.delete(bridgeId)
  }

  /** Not to be a peer of the room through us: no device, or another bridge's. Of two that both have it the smaller id keeps it. */
  keepsOut(deviceId: string, isOurs: boolean): boolean {
    return [...this.#claims].some(
      ([bridgeId, { own, devices }]) =>
        own.has(deviceId) || (devices.has(deviceId) && (!isOurs || bridgeId < this.#selfId)),
    )
  }
}

function isIdList(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= MAX_BRIDGED_IDS && value.every(id => typeof id === 'string')
}
