/** One connected peer, as programs see it. */

import { EarshotError } from '../errors.ts'
import { MAX_REASON_BYTES } from '../limits.ts'
import type { LossyDelivery, Messenger } from '../messaging/messenger.ts'
import type { ByteStream } from '../messaging/open-stream.ts'
import { encodeValue } from '../messaging/value.ts'
import type { DatagramStats } from '../session/datagram/datagram-flow.ts'
import type { Hello } from '../session/hello.ts'
import type { SendingTransfer } from './file-sender.ts'
import type { AskOptions, Json, OpenOptions, PeerPath, PeerState, SendFileOptions, SendOptions } from './options.ts'
import { askLimits, checkDuration, checkLabel, checkSignal, checkStreamHeader, checkText } from './options-check.ts'

/** Figures of the session with a peer. */
export interface PeerStats {
  /** Bytes that wait for the peer's credit or for a path. */
  readonly queuedBytes: number
  /** Bytes on their way, or kept for a peer that is away: it has not acknowledged them. */
  readonly unacknowledgedBytes: number
  /** Smoothed round trip in milliseconds; undefined before the first was measured. */
  readonly rttMs: number | undefined
  /** How long the peer has been connected, in milliseconds. */
  readonly connectedMs: number
  /** Of messages with delivery 'unreliable' and 'latest'. */
  readonly datagrams: DatagramStats
}

export interface PeerRoom {
  sendFile(peer: Peer, what: string | Blob, options: SendFileOptions): SendingTransfer
  send(data: unknown, options: SendOptions): Promise<void>
  /** The same to one peer, without options: the hot path. */
  sendTo(peer: Peer, data: unknown): Promise<void>
  /** The same with a delivery that may lose it. */
  sendLossyTo(peer: Peer, data: unknown, delivery: LossyDelivery): Promise<void>
  kick(peer: Peer, reason: string, banMs: number): Promise<void>
  path(peer: Peer): PeerPath
  now(): number
}

export class Peer {
  /** The public key of the peer, in base32: proven, and never another peer's. */
  readonly id: string
  /** What the peer calls itself. A label for people, not unique and not an identity. */
  readonly name: string
  /** JSON that the peer gave to those who connect. */
  readonly hello: Json | undefined
  readonly #room: PeerRoom
  #info: Json | undefined
  #state: PeerState = 'here'

  /** @internal */ readonly instance: Uint8Array
  /** @internal */ readonly since: number
  /** @internal The TCP port on which the peer listens, 0 for none. */
  port: number
  /** @internal The UDP port at which the peer takes datagrams, 0 for none. */
  udpPort: number
  /** @internal */ messenger!: Messenger<Peer>

  /** @internal */
  constructor(id: string, remote: Hello, parsed: { info: Json | undefined; hello: Json | undefined }, room: PeerRoom) {
    this.id = id
    this.name = remote.name
    this.#info = parsed.info
    this.hello = parsed.hello
    this.instance = remote.instance
    this.port = remote.port
    this.udpPort = remote.udpPort
    this.since = room.now()
    this.#room = room
  }

  /** Public data of the peer, as it is now. */
  get info(): Json | undefined {
    return this.#info
  }

  /**
   * `'here'`; `'quiet'` when it has been silent for 4 s; `'away'` when there is no connection to it: what is sent waits,
   * and goes on when it is back; `'gone'` when the session has ended.
   */
  get state(): PeerState {
    return this.#state
  }

  /** How it is connected, now; while it is away, how it was. */
  get path(): PeerPath {
    return this.#room.path(this)
  }

  stats(): PeerStats {
    const { session, datagrams } = this.messenger
    const { queuedBytes, unacknowledgedBytes, rttMs } = session
    const connectedMs = this.#room.now() - this.since
    return { queuedBytes, unacknowledgedBytes, rttMs, connectedMs, datagrams: datagrams.stats }
  }

  /** Sends to this peer alone: see `room.send`. */
  send(data: unknown, options?: Omit<SendOptions, 'to'>): Promise<void> {
    if (!options) return this.#room.sendTo(this, data)
    const { delivery, receipt, signal } = options
    const isLossy = delivery === 'unreliable' || delivery === 'latest'
    if (isLossy && !receipt && !signal) return this.#room.sendLossyTo(this, data, delivery)
    return this.#room.send(data, { ...options, to: this })
  }

  /** Asks this peer: see `room.ask`. */
  ask(name: string, question?: unknown, options: AskOptions = {}): Promise<unknown> {
    try {
      return this.messenger.ask(name, encodeValue(question), askLimits(name, options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Asks this peer for an answer that comes in parts: see `room.askStream`. */
  askStream(name: string, question?: unknown, options: AskOptions = {}): AsyncIterableIterator<unknown> {
    return this.messenger.askStream(name, encodeValue(question), askLimits(name, options))
  }

  /**
   * Opens a stream of bytes, which the other side's `room.accept` of this name takes. Returns at once: what is written
   * goes right behind the opening. A stream that nobody takes fails with `no-answer`; one that the other side gives up
   * with `reset` and its `reason`; the end of the session ends it with `closed` or `lost`.
   *
   * Throws `closed` where the peer is gone, `limit-reached` where MAX_OPEN_STREAMS are open, `too-large`, or
   * `signal.reason`.
   */
  open(name: string, { header, signal }: OpenOptions = {}): ByteStream {
    checkLabel('the name of the stream', name)
    checkSignal(signal)
    const encoded = checkStreamHeader(encodeValue(header))
    if (this.#state === 'gone') throw goneError(this)
    return this.messenger.open(name, encoded, signal)
  }

  /**
   * Sends a file or a folder by its path, or a Blob, into the inbox of this peer. The transfer is two things: `for await`
   * tells how far it is, `await` gives `{ sha256, resumedBytes, sizeBytes }`. What the peer has from an attempt that was
   * broken off is not sent again.
   *
   * Rejects with `refused` where the peer does not want it, `no-answer` where it has no inbox, `cancelled` where it calls
   * it off, `no-space`, `transfer-failed`, `not-found`, `permission-denied`, `invalid-data` where the file is written to
   * meanwhile, `too-large` for more files than one transfer carries, `timeout`, `closed` or `lost` when the peer is gone
   * and does not come back, or `signal.reason`.
   */
  sendFile(pathOrBlob: string | Blob, options: SendFileOptions = {}): SendingTransfer {
    return this.#room.sendFile(this, pathOrBlob, options)
  }

  /**
   * Measures a round trip, in milliseconds. Rejects with `timeout` after `timeoutMs`, with `signal.reason`, or when the
   * session ends.
   */
  ping(options: AskOptions = {}): Promise<number> {
    const { timeoutMs, signal } = askLimits('ping', options)
    return this.messenger.ping({ timeoutMs, signal })
  }

  /**
   * Ends the session with this peer: it is gone at once, and learns the code. Neither side dials the other by itself
   * for a minute; with `banMs` the peer is refused for that long. Resolves when what was queued has left, after a
   * second at most.
   * @param code 1 to 512 bytes for the other program. @default 'kicked'
   */
  async kick(code = 'kicked', { banMs = 0 }: { readonly banMs?: number } = {}): Promise<void> {
    checkText('the code of a kick', code, MAX_REASON_BYTES)
    checkDuration('banMs', banMs)
    return this.#room.kick(this, code, banMs)
  }

  /** What JSON and logs show. */
  toJSON(): { id: string; name: string; state: PeerState } {
    return { id: this.id, name: this.name, state: this.#state }
  }

  /** @internal A stream of ours, with a name that programs cannot use. */
  openStream(name: string): ByteStream {
    if (this.#state === 'gone') throw goneError(this)
    return this.messenger.open(name, encodeValue(undefined), undefined)
  }

  /** @internal */
  setState(state: PeerState): void {
    this.#state = state
  }

  /** @internal */
  setInfo(info: Json | undefined): void {
    this.#info = info
  }
}

/** What sending to a peer that is gone rejects with. */
export function goneError(peer: Peer): EarshotError {
  return new EarshotError('closed', `the peer '${peer.name}' is gone`)
}
