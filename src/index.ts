/** earshot: finds the devices around you and lets your program talk to them directly. */

import { basename, dirname } from 'node:path'
import { type DiscoveredPeer, type DiscoverOptions, discoverOn } from './endpoint/discover.ts'
import { joinOn } from './endpoint/join.ts'
import type { JoinOptions } from './endpoint/options.ts'
import type { Room } from './endpoint/room.ts'
import { generateIdentity, type Identity as StoredIdentity } from './identity/identity.ts'
import { loadIdentity } from './identity/stored-identity.ts'
import { FileStore } from './platform/node/file-store.ts'
import { keepProcessAlive } from './platform/node/keep-process-alive.ts'
import { nodePlatform } from './platform/node/node-platform.ts'

/** Who a peer is: an Ed25519 key pair. Its id is the public key in base32. */
export type Identity = StoredIdentity

export const Identity: {
  /** A peer that nobody has met before. */
  generate(): Identity
  /**
   * The identity in `file`, which is made, readable by its owner alone, where there is none. Rejects with
   * `invalid-data` where the file is something else, with `permission-denied` where it may not be read.
   */
  load(file: string): Promise<Identity>
} = {
  generate: () => generateIdentity(nodePlatform().random),
  load: file => loadIdentity(new FileStore(dirname(file)), basename(file), nodePlatform().random),
}

/**
 * Joins the room of a service: finds everybody who joined it too, connects, and keeps the connections. Resolves when
 * the room is listening and advertising, not when somebody is there.
 *
 * @param service RFC 6335 service name: 1 to 15 characters of a-z, 0-9 and '-'
 * @throws TypeError or RangeError for wrong arguments; rejects with `address-in-use`, `permission-denied`
 */
export async function join(service: string, options: JoinOptions = {}): Promise<Room> {
  const platform = options?.network ?? nodePlatform()
  return joinOn(service, options, { platform, hold: keepProcessAlive })
}

/**
 * Who is in the room of a service, followed live, without joining it. With `undefined` for the service: everybody in
 * any room.
 */
export function discover(
  service?: string,
  options: DiscoverOptions = {},
): AsyncGenerator<DiscoveredPeer, void, undefined> {
  return discoverOn(options?.network ?? nodePlatform(), service, options)
}

export type { Disposer, OnceOptions } from './emitter.ts'
export type { AskAllAnswer } from './endpoint/ask-all.ts'
export type { Channel } from './endpoint/channel.ts'
export type { DiscoveredPeer, DiscoverOptions } from './endpoint/discover.ts'
export type { Message, RoomEvents, SeenPeer } from './endpoint/events.ts'
export type { SendingTransfer } from './endpoint/file-sender.ts'
export type { Inbox, InboxEvents, IncomingTransfer } from './endpoint/inbox.ts'
export type {
  Admission,
  Admit,
  AskOptions,
  Caller,
  ConnectAnswer,
  ConnectOffer,
  ConnectOptions,
  Delivery,
  DiscoveryMethod,
  FileOffer,
  GoneCode,
  InboxOptions,
  InterfaceChoice,
  InternetOptions,
  JoinOptions,
  Json,
  OpenOptions,
  PeerPath,
  PeerRef,
  PeerState,
  ReceivedFile,
  ReceiveProgress,
  RelayOptions,
  SendFileOptions,
  SendOptions,
  SendProgress,
  SentFile,
  TurnServer,
} from './endpoint/options.ts'
export type { Peer, PeerStats } from './endpoint/peer.ts'
export type { RelayedPair } from './endpoint/relaying/relay-desk.ts'
export type { ChannelOptions, Room } from './endpoint/room.ts'
export { type ConnectAttempt, EarshotError, ERROR_CODES, type ErrorCode } from './errors.ts'
export type { Transfer } from './messaging/file-transfer/transfer.ts'
export type { ByteStream } from './messaging/open-stream.ts'
export type { StandardSchemaV1 } from './messaging/standard-schema.ts'
export type { AcceptedStream } from './messaging/streams.ts'
export type { ConnectivityReport } from './nat/ice/agent.ts'
export type { Rendezvous, RendezvousHealth } from './rendezvous/rendezvous.ts'
export type { DatagramStats } from './session/datagram/datagram-flow.ts'
