/**
 * A room and the network of another program as one. Every device is a peer of the room, under a key that the bridge derives
 * for it; every peer of the room has a seat among the devices. Messages and questions go from one to the other, never from
 * a device to a device or from a peer to a peer, so that nothing goes round in circles.
 *
 *     room:   ada ──────────── ben ─────────── [sensor] [lamp]      members, by the bridge
 *                                                  │       │
 *     devices:  [ada] [ben]   seats, by the bridge sensor  lamp
 */

import type { Disposer, OnceOptions } from '../../emitter.ts'
import { Emitter } from '../../emitter.ts'
import { joinOn } from '../../endpoint/join.ts'
import type { JoinOptions } from '../../endpoint/options.ts'
import type { Peer } from '../../endpoint/peer.ts'
import type { Room } from '../../endpoint/room.ts'
import { asError, EarshotError } from '../../errors.ts'
import { generateIdentity, type Identity } from '../../identity/identity.ts'
import { MAX_BRIDGED_DEVICES, MAX_NAME_BYTES } from '../../limits.ts'
import type { Platform } from '../../platform/platform.ts'
import { boundText } from '../../wire/bound-text.ts'
import { DeviceMember } from './device-member.ts'
import type { BridgedDevice, BridgedPeer, BridgeEvents } from './events.ts'
import type { Device, ForeignNetwork, NetworkHandlers, NetworkKind } from './foreign-network.ts'
import { type BridgeOptions, checkKind, checkQuestion } from './options.ts'
import { BRIDGE_CHANNEL, OtherBridges } from './other-bridges.ts'
import { pause } from './pause.ts'
import { PeerSeats } from './peer-seats.ts'
import { PeerpyNetwork } from './peerpy-network.ts'
import { PythonConnectNetwork } from './pythonconnect-network.ts'

/** Other bridges are met before any device is, so that their seats are not taken for devices. */
const SETTLE_MS = 1_000
/** The reason that members of one bridge give each other. */
const SAME_BRIDGE = 'same-bridge'

export interface BridgeParts {
  readonly platform: Platform
  readonly service: string
  readonly kind: NetworkKind
  readonly options: BridgeOptions
  readonly hold: () => () => void
}

export class RoomBridge implements AsyncDisposable {
  /** Resolves when the bridge is closed, with the reason; never rejects. */
  readonly closed: Promise<unknown>
  readonly #parts: BridgeParts
  readonly #question: string
  readonly #identity: Identity
  readonly #emitter: Emitter<BridgeEvents>
  readonly #others: OtherBridges
  readonly #seats: PeerSeats
  /** Everything that the network has, also what is not brought into the room. */
  readonly #devices = new Map<string, Device>()
  readonly #members = new Map<string, DeviceMember>()
  readonly #leaving = new Set<Promise<void>>()
  readonly #onAbort = (): void => void this.#close(this.#parts.options.signal?.reason)
  #observer!: Room
  #network: ForeignNetwork | undefined
  #closing: Promise<void> | undefined
  #resolveClosed!: (reason: unknown) => void

  /** @internal Resolves when the bridge is in both. */
  static async open(parts: BridgeParts): Promise<RoomBridge> {
    checkKind(parts.kind)
    const bridge = new RoomBridge(parts)
    try {
      await bridge.#start()
    } catch (error) {
      await bridge.#close(error)
      throw error
    }
    return bridge
  }

  private constructor(parts: BridgeParts) {
    const { platform, kind, options } = parts
    this.#parts = parts
    this.#question = checkQuestion(options.question)
    this.#identity = options.identity ?? generateIdentity(platform.random)
    this.#emitter = new Emitter<BridgeEvents>(platform.clock, type => this.#replay(type))
    this.#others = new OtherBridges(kind, this.#identity.id)
    this.closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    this.#seats = new PeerSeats({
      kind,
      openSeat: (peer, handlers) => this.#network!.openSeat(peer.name, peer.id.slice(0, 8), handlers),
      member: deviceId => this.#members.get(deviceId),
      members: () => this.#members.values(),
      question: this.#question,
      onOpen: peer => this.#emit('peer', peer),
      onClose: peer => this.#emit('peer-gone', peer),
      onWarning: error => this.#warn(error),
    })
  }

  /** Who the bridge is in the room. */
  get self(): { readonly id: string; readonly name: string } {
    return this.#observer.self
  }

  /** Own addresses in the room as `'ip:port'`. */
  get addresses(): string[] {
    return this.#observer.addresses
  }

  /** The devices that are peers of the room through this bridge, now. */
  get devices(): BridgedDevice[] {
    return [...this.#members.values()].flatMap(member => member.told ?? [])
  }

  /** The peers of the room that have a seat among the devices, now. */
  get peers(): BridgedPeer[] {
    return this.#seats.told
  }

  /** Calls `listener` for every event of this type; `device` and `peer` begin with those present. */
  on<K extends keyof BridgeEvents>(type: K, listener: (event: BridgeEvents[K]) => void): Disposer {
    return this.#emitter.on(type, listener)
  }

  /** The next event of this type. Rejects with `timeout`, `signal.reason` or `closed`. */
  async once<K extends keyof BridgeEvents>(type: K, options: OnceOptions = {}): Promise<BridgeEvents[K]> {
    return this.#emitter.once(type, options)
  }

  /** Leaves both, with goodbyes. Idempotent. */
  close(): Promise<void> {
    return this.#close(undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #start(): Promise<void> {
    const { platform, options } = this.#parts
    options.signal?.throwIfAborted()
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#observer = await this.#join(options.name, this.#identity, { bridge: this.#parts.kind })
    this.#watchBridges()
    const ending = new AbortController()
    options.signal?.addEventListener('abort', () => ending.abort(), { once: true })
    await pause(platform.clock, SETTLE_MS, ending.signal)
    options.signal?.throwIfAborted()
    this.#network = await this.#openNetwork()
    this.#seats.watch(this.#observer)
  }

  #openNetwork(): Promise<ForeignNetwork> {
    const { platform, kind, options } = this.#parts
    const handlers: NetworkHandlers = {
      onDevice: device => this.#onDevice(device),
      onDeviceGone: id => this.#onDeviceGone(id),
      onOwnIds: () => this.#tellBridges(),
      onWarning: error => this.#warn(error),
    }
    const { interfaces } = options
    if (kind === 'peerpy') return PeerpyNetwork.open({ platform, interfaces, handlers })
    return PythonConnectNetwork.open({ platform, name: this.self.name, interfaces, handlers })
  }

  /** Members of one bridge have nothing to say to each other. */
  #join(name: string | undefined, identity: Identity, info: NonNullable<JoinOptions['info']>): Promise<Room> {
    const { platform, service, options, hold } = this.#parts
    const { secret, discovery, peers, interfaces } = options
    const joinOptions: JoinOptions = {
      identity,
      info,
      admit: caller =>
        this.#isOwn(caller.id) ? caller.deny(SAME_BRIDGE, { retryAfterMs: 24 * 3_600_000 }) : caller.accept(),
      ...(name !== undefined && { name }),
      ...(secret !== undefined && { secret }),
      ...(discovery && { discovery }),
      ...(peers && { peers }),
      ...(interfaces && { interfaces }),
    }
    return joinOn(service, joinOptions, { platform, hold })
  }

  #isOwn(id: string): boolean {
    return id === this.#identity.id || [...this.#members.values()].some(({ identity }) => identity.id === id)
  }

  async #close(reason: unknown): Promise<void> {
    this.#closing ??= this.#leave(reason ?? new EarshotError('closed', 'the bridge is closed'))
    return this.#closing
  }

  async #leave(reason: unknown): Promise<void> {
    this.#parts.options.signal?.removeEventListener('abort', this.#onAbort)
    this.#seats.close()
    await Promise.all([...this.#members.values()].map(member => member.close()))
    await Promise.all(this.#leaving)
    await this.#network?.close()
    await this.#observer?.close()
    this.#emitter.close(reason)
    this.#resolveClosed(reason)
  }

  // Devices -----------------------------------------------------------------------------------------------------------

  #onDevice(device: Device): void {
    this.#devices.set(device.id, device)
    this.#review(device)
  }

  #onDeviceGone(id: string): void {
    this.#devices.delete(id)
    this.#remove(id)
  }

  /** Brings the device into the room, or takes it out, as the other bridges leave it to us. */
  #review(device: Device): void {
    const isOurs = this.#members.has(device.id)
    const isKeptOut = this.#others.keepsOut(device.id, isOurs)
    if (isOurs && isKeptOut) this.#remove(device.id)
    else if (!isOurs && !isKeptOut && !this.#closing) this.#add(device)
  }

  #add(device: Device): void {
    if (this.#members.size >= MAX_BRIDGED_DEVICES) {
      this.#warn(new EarshotError('limit-reached', `'${device.name}' is not brought into the room: there are too many`))
      return
    }
    const { kind, platform } = this.#parts
    const member = new DeviceMember({
      clock: platform.clock,
      device,
      kind,
      bridgeIdentity: this.#identity,
      seats: this.#seats,
      question: kind === 'pythonconnect' ? this.#question : undefined,
      join: identity =>
        this.#join(boundText(device.name, MAX_NAME_BYTES), identity, {
          bridged: kind,
          authenticated: false,
          encrypted: false,
        }),
      onWarning: error => this.#warn(error),
    })
    this.#members.set(device.id, member)
    this.#tellBridges()
    member.open().then(
      told => told && this.#emit('device', told),
      error => this.#onFailed(device.id, error),
    )
  }

  #onFailed(id: string, thrown: unknown): void {
    const { message } = asError(thrown)
    this.#remove(id)
    this.#warn(new EarshotError('no-network', `'${id}' cannot be brought into the room: ${message}`, { cause: thrown }))
  }

  #remove(id: string): void {
    const member = this.#members.get(id)
    if (!member) return
    this.#members.delete(id)
    const { told } = member
    this.#seats.forget(id)
    const leaving = member.close().then(() => void this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
    if (told) this.#emit('device-gone', told)
    this.#tellBridges()
  }

  // Other bridges -----------------------------------------------------------------------------------------------------

  #watchBridges(): void {
    const channel = this.#observer.channel(BRIDGE_CHANNEL)
    channel.on('message', ({ data, from }) => {
      if (isBridge(from, this.#parts.kind) && this.#others.onClaims(from.id, data)) this.#reviewAll()
    })
    this.#observer.on('peer', peer => isBridge(peer, this.#parts.kind) && this.#tellBridge(peer))
    this.#observer.on('peer-gone', ({ peer }) => this.#others.onGone(peer.id) && this.#reviewAll())
    this.#observer.on('warning', error => this.#warn(error))
  }

  #reviewAll(): void {
    for (const device of this.#devices.values()) this.#review(device)
  }

  #tellBridges(): void {
    for (const peer of this.#observer.peers) if (isBridge(peer, this.#parts.kind)) this.#tellBridge(peer)
  }

  #tellBridge(peer: Peer): void {
    if (this.#closing) return
    const own = this.#network?.ownIds() ?? [this.self.name]
    const claims = this.#others.encode({ own, devices: [...this.#members.keys()] })
    this.#observer
      .channel(BRIDGE_CHANNEL)
      .send(claims, { to: peer })
      .catch(() => {}) // It has just gone, which `peer-gone` tells.
  }

  // Events ------------------------------------------------------------------------------------------------------------

  #replay<K extends keyof BridgeEvents>(type: K): Iterable<BridgeEvents[K]> {
    const present = type === 'device' ? this.devices : type === 'peer' ? this.peers : []
    return present as BridgeEvents[K][]
  }

  #warn(error: EarshotError): void {
    if (error.reason !== SAME_BRIDGE) this.#emit('warning', error)
  }

  #emit<K extends keyof BridgeEvents>(type: K, event: BridgeEvents[K]): void {
    if (!this.#closing) this.#emitter.emit(type, event)
  }
}

function isBridge({ info }: Peer, kind: NetworkKind): boolean {
  return (info as { bridge?: unknown } | null | undefined)?.bridge === kind
}
