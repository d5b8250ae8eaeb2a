/**
 * The rendezvous contract: a place where whoever knows a topic can leave bytes for everybody who listens there at the
 * moment. It is trusted with nothing: it may drop, double, delay, reorder, make up and read what passes
 * (docs/rendezvous.md says how peers live with that). `ReconnectingRendezvous` implements it for every kind of broker
 * that has a `BrokerConnector`.
 */

import type { EarshotError } from '../errors.ts'

export interface Rendezvous {
  /** Which one: its URL, without user and password. */
  readonly url: string
  readonly health: RendezvousHealth
  /**
   * Resolves when the broker has taken the bytes; that says nothing about who gets them. Rejects with `unreachable` while
   * it is not connected, with `timeout`, `lost` or `limit-reached`. A RangeError for more than MAX_RENDEZVOUS_PACKET_BYTES.
   */
  publish(topic: string, bytes: Uint8Array): Promise<void>
  /**
   * Calls `onMessage` for what is published on `topic` from now on, by ourselves too, over every connection that there
   * will be. The returned function ends it. `bytes` belongs to the receiver.
   */
  subscribe(topic: string, onMessage: (bytes: Uint8Array) => void): () => void
  /** Calls `onChange` whenever `health` has changed. The returned function ends it. */
  watchHealth(onChange: (health: RendezvousHealth) => void): () => void
  /** The network has changed: the connection may be dead, and what failed may succeed. Subscriptions stay. */
  reconnect(): void
  /** Ends every subscription and frees every socket and timer. Idempotent. */
  close(): Promise<void>
}

/**
 * `up`: connected, and the broker has taken every subscription made before. `down`: waiting until it is tried again, by
 * itself. `closed`: by us.
 */
export type RendezvousState = 'connecting' | 'up' | 'down' | 'closed'

export interface RendezvousHealth {
  readonly url: string
  readonly state: RendezvousState
  /** Since when it is up, or since when it is not, in milliseconds since 1970. */
  readonly since: number
  /** Why it was last not reached or lost; kept when it is up again. */
  readonly lastError: EarshotError | undefined
}
