/** What a kind of broker must offer: one connection, made once. Trying again is `ReconnectingRendezvous`'s. */

import type { EarshotError } from '../errors.ts'

export interface BrokerConnector {
  /** Without user and password: errors and health show it. */
  readonly url: string
  /** Rejects with an EarshotError that says why, or with `signal.reason`. */
  connect(handlers: BrokerHandlers, signal: AbortSignal): Promise<BrokerConnection>
}

export interface BrokerHandlers {
  /** `bytes` belongs to the receiver. */
  onMessage(topic: string, bytes: Uint8Array): void
  /** Once, where the connection ends without `close()`; nothing follows. Also before `connect` has resolved. */
  onLost(error: EarshotError): void
}

export interface BrokerConnection {
  /** Resolves when the broker has acknowledged it; what waits when the connection ends rejects. */
  publish(topic: string, bytes: Uint8Array): Promise<void>
  /** Resolves when the broker has acknowledged it. Rejects with `refused` where it does not allow that topic. */
  subscribe(topic: string): Promise<void>
  unsubscribe(topic: string): void
  /** Idempotent. */
  close(): Promise<void>
}
