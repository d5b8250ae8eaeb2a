/** What a peer of peerpy tells, and what its connections tell. */

import type { EarshotError } from '../../errors.ts'
import type { ConnectionTerms } from './hello.ts'
import type { PeerpyConnection } from './peerpy-connection.ts'

/** Somebody wants to connect. */
export interface PeerpyOffer extends ConnectionTerms {
  /** What it says its address is, `'ip:port'`: its name, which nobody has checked. */
  readonly id: string
  /** The address it called from, `'ip:port'`. */
  readonly remote: string
  /** Aborts when it has hung up. */
  readonly signal: AbortSignal
}

export interface PeerpyMessage {
  readonly data: unknown
  readonly from: PeerpyConnection
}

export interface PeerpyClose {
  readonly connection: PeerpyConnection
  /**
   * Undefined where this side closed, or the other side by an orderly end. A reset is `lost`: peers of this library close
   * with one, since the program takes no notice of anything else.
   */
  readonly error: EarshotError | undefined
}

export interface PeerpyEvents {
  /** It listens; told to late listeners too. */
  listen: { readonly address: string }
  /** Somebody wants to connect; `admit` decides. */
  offer: PeerpyOffer
  /** A connection stands, whoever dialled; late listeners are told of those that stand. */
  connection: PeerpyConnection
  /** A message on any connection. Without a listener here or on the connection, messages wait. */
  data: PeerpyMessage
  close: PeerpyClose
  /** It has closed, with all connections. */
  stop: { readonly address: string }
  /** Something was wrong with what somebody else did, or with the network; the rest goes on. */
  warning: EarshotError
}

export interface PeerpyConnectionEvents {
  data: PeerpyMessage
  close: PeerpyClose
}
