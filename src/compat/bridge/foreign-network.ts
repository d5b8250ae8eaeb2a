/**
 * What a bridge needs of the network of another program: its devices, and seats there for the peers of a room. Devices are
 * whatever somebody says they are; nothing is proven or encrypted there.
 */

import type { EarshotError } from '../../errors.ts'

export type NetworkKind = 'peerpy' | 'pythonconnect'

export interface Device {
  /** What tells it from the other devices of its network. */
  readonly id: string
  readonly name: string
  /** `'ip'` or `'ip:port'` */
  readonly address: string
}

export interface NetworkHandlers {
  onDevice(device: Device): void
  onDeviceGone(id: string): void
  /** The ids of this network's own participants have changed. */
  onOwnIds(): void
  onWarning(error: EarshotError): void
}

/** What a device says to one seat. */
export interface SeatHandlers {
  onMessage(deviceId: string, data: unknown): void
  /** Undefined: there is no answer. Never rejects. */
  onQuestion(deviceId: string, question: string, signal: AbortSignal): Promise<string | undefined>
}

export interface AskLimits {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** One peer of the room, as the devices see it. */
export interface Seat {
  /** What the devices know it by. */
  readonly id: string
  /** Lets a device know that this seat is there, where the network has no other way. */
  meet(device: Device): void
  forget(deviceId: string): void
  /** Rejects with an EarshotError. */
  send(deviceId: string, data: unknown): Promise<void>
  /** Rejects with an EarshotError. */
  ask(deviceId: string, question: unknown, limits: AskLimits): Promise<unknown>
  close(): Promise<void>
}

export interface ForeignNetwork {
  readonly kind: NetworkKind
  /** Of this side's own participants: other bridges must not take these for devices. */
  ownIds(): string[]
  /** `name` is what the peer calls itself; the seat's own may differ where that is taken or not possible there. */
  openSeat(name: string, shortId: string, handlers: SeatHandlers): Promise<Seat>
  close(): Promise<void>
}
