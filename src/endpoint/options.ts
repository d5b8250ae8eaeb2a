/** What `join` and `discover` take, with every default; checked and filled here once, so that inside all is complete. */

import type { Identity } from '../identity/identity.ts'
import type { DirectPolicy } from '../nat/ice/description.ts'
import type { Platform } from '../platform/platform.ts'
import type { Rendezvous } from '../rendezvous/rendezvous.ts'
import type { Peer } from './peer.ts'

/** Any value that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }

/**
 * A way of finding peers on the local network: `'mdns'` is multicast DNS with DNS-SD (RFC 6762, 6763), `'beacon'` is
 * earshot's own multicast and broadcast (docs/beacon.md), for networks where port 5353 or multicast does not get through.
 */
export type DiscoveryMethod = 'mdns' | 'beacon'

export interface InterfaceChoice {
  /** Use just these, by name; `*` stands for any characters: `['eth0', 'wl*']`. Overrides the ranked choice. */
  readonly include?: readonly string[]
  /** Never use these. */
  readonly exclude?: readonly string[]
}

export interface JoinOptions {
  /**
   * Display name, 1 to 63 bytes of UTF-8. A label for people, not unique.
   * @default the host name
   */
  readonly name?: string
  /**
   * Who this peer is. The id of a peer is its public key.
   * @default a fresh identity for this room
   */
  readonly identity?: Identity
  /**
   * Public data: in the advert, readable by everybody before connecting. At most 400 bytes of JSON. `room.setInfo()`
   * changes it later.
   */
  readonly info?: Json
  /** Any JSON up to 16 KiB, sent encrypted and only to peers that connect: their `peer.hello`. */
  readonly hello?: Json
  /** Closes the group: only holders of the same secret connect. 1 to 1,024 bytes of UTF-8. */
  readonly secret?: string
  /**
   * Decides who may connect, now or by a promise, for which the caller waits a minute. Called for every peer, whoever
   * dialled; not for those that `room.connect` asked for. Where it throws, the caller stays outside.
   * @default everybody
   */
  readonly admit?: Admit
  /**
   * Most peers connected at a time. Further ones are refused with the reason `full`.
   * @default Infinity, up to MAX_PEERS in docs/limits.md
   */
  readonly maxPeers?: number
  /**
   * False: browse and connect, but do not advertise. `room.visible` changes it later.
   * @default true
   */
  readonly visible?: boolean
  /**
   * The ways to look for peers; `[]` for none: only `connect` and `peers`.
   * @default all that work without the Internet
   */
  readonly discovery?: readonly DiscoveryMethod[]
  /**
   * Known addresses, `'ip:port'` or `'host:port'`, tried and re-tried while nobody there is connected; with `internet` also ids
   * of peers, which see each other over the rendezvous where each knows the other's id.
   */
  readonly peers?: readonly string[]
  /** Which interfaces to use. @default a ranked choice: wired and wireless; loopback where there is nothing else */
  readonly interfaces?: InterfaceChoice
  /** Where to listen for peers. @default { host: '::', port: 0 } (any free port, both families) */
  readonly listen?: { readonly host?: string; readonly port?: number }
  /** The platform to run on, for example a simulated one from `earshot/testing`. @default this machine */
  readonly network?: Platform
  /**
   * How long a peer may be `away`, its connection broken, before it is given up and `peer-gone` tells so, in
   * milliseconds. Until then what is sent to it waits. 0 to 86,400,000, a day.
   * @default 60_000
   */
  readonly awayTimeoutMs?: number
  /**
   * Reaches peers beyond the local networks: those who share a secret, or know each other's id, find each other over the
   * rendezvous, and connect through their NATs, or over a relay. No server is contacted that is not named here.
   * @default undefined: nothing leaves the local networks
   */
  readonly internet?: InternetOptions
  /**
   * Volunteers as a relay: peers of this room that cannot reach each other directly, and have joined with `internet`, go
   * through it, end-to-end encrypted, and find each other by it. `{}` for any number of bytes.
   * @default undefined: nothing is relayed
   */
  readonly relay?: RelayOptions
  /** Aborting leaves the room, at once. */
  readonly signal?: AbortSignal
}

export interface RelayOptions {
  /**
   * How much is relayed, in both directions and for all peers together. At 80 % there is a `warning`, at the end what is
   * relayed ends, with another `warning`, and nothing more is taken.
   * @default Infinity
   */
  readonly budgetBytes?: number
}

/** One half of a connection that two people make by copying two texts, without any server. */
export interface ConnectOffer extends AsyncDisposable {
  /** One line that begins with `earshot:`, mostly 250 to 500 characters. It lasts for ten minutes. */
  readonly text: string
  /**
   * Takes the text of the other side's answer, with whatever mail programs have put into it, and connects. Each offer is for one
   * peer. Rejects with `invalid-data` for what is no answer (the reason is `cut-off` where some of it is missing), `wrong-service`,
   * or `closed` for an answer to another offer, and may then be called again; with `unreachable` and `attempts` where no path leads there, `timeout` where the offer has expired, or
   * what the session ended with, such as `wrong-secret`.
   */
  accept(answer: string, options?: { readonly signal?: AbortSignal }): Promise<Peer>
  /** Whether it may still be answered. */
  readonly isOpen: boolean
  /** Gives the offer up. A peer that is connected stays. Idempotent. */
  close(): Promise<void>
}

/** The other half. */
export interface ConnectAnswer extends AsyncDisposable {
  /** To be brought back to whoever made the offer. */
  readonly text: string
  /** Who made the offer, as it says; the connection proves it. */
  readonly from: { readonly id: string; readonly name: string }
  /**
   * Resolves when the other side has accepted the answer and is connected; rejects with `timeout` after ten minutes, or with what
   * the session ended with. It need not be looked at.
   */
  readonly peer: Promise<Peer>
  /** Gives the answer up. A peer that is connected stays. Idempotent. */
  close(): Promise<void>
}

/** Servers that a room may use to reach peers beyond its networks. */
export interface InternetOptions {
  /**
   * Where peers find each other: MQTT brokers by their URL, `'mqtts://user:password@broker.example.org'`, `mqtt:`, `wss:`, `ws:`,
   * or anything that is a `Rendezvous`, at most 8 at once. They learn neither names nor ids, nor what is said.
   * @default none
   */
  readonly rendezvous?: readonly (string | Rendezvous)[]
  /** STUN servers, `'stun:host:3478'`, asked over UDP and TCP. @default none */
  readonly stun?: readonly string[]
  /** TURN servers that relay TCP (RFC 6062), for where no direct path exists. At most 4 URLs. @default none */
  readonly turn?: readonly TurnServer[]
  /**
   * How much may go through relays, in both directions and for all peers together. At 80 % there is a `warning`, at the end
   * relayed connections end, with another `warning`.
   * @default Infinity
   */
  readonly relayBudgetBytes?: number
  /**
   * 'prefer': a relay carries until a direct path stands. 'only': no relay. 'never': relays only, and peers do not learn
   * our addresses. The stricter side decides.
   * @default 'prefer'
   */
  readonly direct?: DirectPolicy
  /** Ask the router for ports (UPnP-IGD, NAT-PMP, PCP), which are taken back when the room is left. @default true */
  readonly mapPorts?: boolean
  /** Certificates in PEM to trust for brokers and servers over TLS. @default those that the system trusts */
  readonly trustedCertificates?: readonly string[]
}

export interface TurnServer {
  /** `'turn:host:3478?transport=tcp'`, `'turns:host'`: one or several. */
  readonly urls: string | readonly string[]
  readonly username: string
  /** The password. */
  readonly credential: string
}

/** Somebody who wants to connect. */
export interface Caller {
  /** Proven by the handshake. */
  readonly id: string
  readonly name: string
  readonly info: Json | undefined
  readonly hello: Json | undefined
  /** `'ip:port'` of the connection. */
  readonly address: string
  accept(): Admission
  /**
   * @param reason a code for the other program, 1 to 512 bytes: its error's `reason`
   * @param options `retryAfterMs`: how long the other side should not try again; whoever does is denied without
   *   `admit` being asked. @default 60_000
   */
  deny(reason: string, options?: { readonly retryAfterMs?: number }): Admission
}

export interface Admission {
  readonly accepted: boolean
  readonly reason: string
  readonly retryAfterMs: number
}

export type Admit = (caller: Caller) => Admission | Promise<Admission>

/**
 * `'reliable'`: exactly once and in order. `'unreliable'`: one datagram each, at most 1,160 bytes encoded, which may get
 * lost, or overtake another. `'latest'`: at most 64 KiB; a newer value of the same channel takes the place of those
 * before it, an older one is never handed over after it, and the last one arrives.
 */
export type Delivery = 'reliable' | 'latest' | 'unreliable'

export interface SendOptions {
  /** One peer, several, or everybody. @default everybody in the room */
  readonly to?: PeerRef | readonly PeerRef[]
  /** @default 'reliable', or what the channel was made with */
  readonly delivery?: Delivery
  /**
   * What to do where a peer cannot take more at present, since it reads slowly or has been away for long: wait until it
   * can, or reject with `limit-reached`. About a megabyte is taken before either.
   * @default 'wait'
   */
  readonly whenFull?: 'wait' | 'reject'
  /** Wait until every receiving application has it. For 'reliable' only. @default false */
  readonly receipt?: boolean
  readonly signal?: AbortSignal
}

export interface AskOptions {
  /** @default 2_000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface OpenOptions {
  /** Any value that a message can carry, at most 8 KiB: what the stream is, for the one who accepts it. */
  readonly header?: unknown
  /** Aborting gives up both directions of the stream. */
  readonly signal?: AbortSignal
}

export interface SendFileOptions {
  /**
   * What the receiver calls it, 1 to 255 bytes of UTF-8.
   * @default the name of the file or folder; a Blob needs one, unless it is a File
   */
  readonly name?: string
  /** Aborting calls the transfer off: it rejects with `signal.reason`. */
  readonly signal?: AbortSignal
  /**
   * How long to wait for the peer where its session ends in the middle, for example because its program is started anew.
   * When it is back the transfer goes on by itself; after this long it rejects with what went wrong, and can be resumed
   * by sending the same again. 0: at once.
   * @default 60_000
   */
  readonly waitMs?: number
}

/** How far a file is that is being sent. */
export interface SendProgress {
  /** What the other side has, or was sent. */
  readonly sentBytes: number
  readonly totalBytes: number
  /** Over the last five seconds. */
  readonly bytesPerSecond: number
}

export interface SentFile {
  /**
   * SHA-256 of the content, in hexadecimal, which both sides have checked: of a folder, of its files one behind the other
   * in the order of their paths.
   */
  readonly sha256: string
  /** What the other side had already from an earlier attempt, and was not sent again. */
  readonly resumedBytes: number
  readonly sizeBytes: number
}

export interface InboxOptions {
  /**
   * Decides whether a file is wanted, now or by a promise; asked once for each transfer, however often that is resumed.
   * Where it throws, the file is refused.
   * @default everything
   */
  readonly accept?: (offer: FileOffer) => boolean | Promise<boolean>
  /**
   * Whether a file that arrives replaces one of the same name. Folders never replace anything.
   * @default false: it gets another name, as in `photo (2).jpg`
   */
  readonly overwrite?: boolean
}

/** Something that a peer wants to send. */
export interface FileOffer {
  readonly from: Peer
  /** Made safe for any file system; it may get another one where this one is taken. */
  readonly name: string
  /** Of all files in it, as the sender says: it cannot send more. */
  readonly sizeBytes: number
  readonly kind: 'file' | 'folder'
  /** Files and folders in it; 1 for a file. */
  readonly entryCount: number
  /** Aborts when the sender has called it off, or is gone. */
  readonly signal: AbortSignal
}

/** How far a file is that is being received. */
export interface ReceiveProgress {
  readonly receivedBytes: number
  readonly totalBytes: number
  /** Over the last five seconds. */
  readonly bytesPerSecond: number
}

export interface ReceivedFile {
  /** The whole path of it. */
  readonly path: string
  /** See `SentFile`. */
  readonly sha256: string
  readonly resumedBytes: number
  readonly sizeBytes: number
}

export interface ConnectOptions {
  /** @default 10_000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** A peer object, its id, or its name where that is unique among those connected. */
export type PeerRef = string | { readonly id: string }

export type PeerState = 'here' | 'quiet' | 'away' | 'gone'

export interface PeerPath {
  /** 'lan': on a local network. 'direct': across the Internet, and nobody carries it but the network. 'relay': see `relay`. */
  readonly kind: 'lan' | 'direct' | 'relay' | 'memory'
  /** 'udp': a reliable stream over UDP. */
  readonly transport: 'tcp' | 'udp'
  /** Who carries it where the kind is 'relay': `'ip:port'` at a TURN server, or the id of a peer. */
  readonly relay: string | undefined
  /** `'ip:port'` */
  readonly local: string
  /** `'ip:port'` */
  readonly remote: string
  /** The name of the local interface, where it is known. */
  readonly interface: string | undefined
  /** Smoothed round trip in milliseconds; undefined before the first was measured. */
  readonly rttMs: number | undefined
}

export type GoneCode = 'closed' | 'kicked' | 'lost' | 'restarted'
