/** A TURN server on a simulated host, over UDP and TCP, as strict as a real one. It can be told to refuse, and to be silent. */

import {
  addressAttribute,
  errorCodeAttribute,
  textAttribute,
  textIn,
  uint32Attribute,
  uint32In,
  xorAddressAttribute,
  xorAddressIn,
} from '../../src/nat/stun/attribute.ts'
import { ATTRIBUTE } from '../../src/nat/stun/attribute-type.ts'
import { hasValidIntegrity } from '../../src/nat/stun/integrity.ts'
import { answerChallenge, type Challenge } from '../../src/nat/stun/long-term-credential.ts'
import {
  attributeOf,
  decodeStunMessage,
  encodeStunMessage,
  METHOD,
  type ReceivedStunMessage,
  type StunAttribute,
} from '../../src/nat/stun/message.ts'
import { StreamFrames } from '../../src/nat/stun/stream-frames.ts'
import { decodeChannelData, encodeChannelData, looksLikeChannelData } from '../../src/nat/turn/channel-data.ts'
import type { SocketAddress, TcpConnection, TcpListener, UdpSocket } from '../../src/platform/network.ts'
import type { Platform } from '../../src/platform/platform.ts'

export interface TurnServerOptions {
  readonly address: string
  readonly lifetimeMs?: number
  /** Answers this to the next requests of a method, instead of doing it. */
  readonly errors?: readonly {
    readonly method: number
    readonly code: number
    readonly attributes?: readonly StunAttribute[]
  }[]
  /** Challenges with SHA-256 as the password algorithm, and wants the user name hashed (RFC 8489). */
  readonly isModern?: boolean
  /** A request signed with a nonce that is older than this is stale. */
  readonly nonceLifetimeMs?: number
}

export const CREDENTIAL = { username: 'ada', password: 'secret' }
const REALM = 'example.org'
const [UDP, TCP] = [17, 6]
const PERMISSION_MS = 300_000
const CHANNEL_MS = 600_000

interface RelayedAllocation {
  readonly client: Client
  /** For UDP; undefined where it relays TCP. */
  readonly socket: UdpSocket | undefined
  readonly listener: TcpListener | undefined
  expiresAt: number
  readonly permissions: Map<string, number>
  readonly channels: Map<number, { readonly peer: SocketAddress; expiresAt: number }>
}

/** The way back to a client. */
interface Client {
  readonly name: string
  readonly address: SocketAddress
  readonly isStream: boolean
  send(bytes: Uint8Array): void
  /** Of a stream: its bytes are the peer's from now on. */
  readonly relayTo?: (peer: TcpConnection) => void
}

/** A connection with a peer that waits to be bound (RFC 6062). */
interface PeerConnection {
  readonly connection: TcpConnection
  readonly client: string
}

export class TurnServer {
  /** Requests by method, and messages that carry data. */
  readonly counts = {
    allocate: 0,
    refresh: 0,
    permission: 0,
    channel: 0,
    send: 0,
    channelData: 0,
    binding: 0,
    stale: 0,
    connectionBind: 0,
  }
  /** Says nothing any more, as after a power cut. */
  isSilent = false
  readonly #platform: Platform
  readonly #options: TurnServerOptions
  readonly #errors: NonNullable<TurnServerOptions['errors']>[number][]
  readonly #allocations = new Map<string, RelayedAllocation>()
  readonly #connections = new Map<number, PeerConnection>()
  /** Connections of peers by the client's connection that they are bound to. */
  readonly #bound = new Map<string, TcpConnection>()

  private constructor(platform: Platform, options: TurnServerOptions) {
    this.#platform = platform
    this.#options = options
    this.#errors = [...(options.errors ?? [])]
  }

  static async start(platform: Platform, options: TurnServerOptions): Promise<TurnServer> {
    const server = new TurnServer(platform, options)
    const { network } = platform
    const socket = await network.openUdp(
      { address: options.address, port: 3478, sharePort: false },
      {
        onDatagram: (bytes, from) =>
          server.#onMessage(bytes, {
            name: `udp ${nameOf(from)}`,
            address: from,
            isStream: false,
            send: answer => socket.send(answer, from),
          }),
        onError() {},
      },
    )
    await network.listenTcp({ host: options.address, port: 3478 }, connection => server.#onConnection(connection))
    return server
  }

  #onConnection(connection: TcpConnection): void {
    const { remote } = connection
    let peer: TcpConnection | undefined
    const client: Client = {
      name: `tcp ${nameOf(remote)}`,
      address: remote,
      isStream: true,
      send: bytes => void connection.write(bytes),
      relayTo: found => {
        peer = found
        found.start({
          onData: bytes => void connection.write(bytes),
          onDrain() {},
          onEnd: () => connection.end(),
          onClose: () => connection.end(),
        })
      },
    }
    const frames = new StreamFrames(frame => this.#onMessage(frame, client))
    connection.start({
      onData: bytes => (peer ? void peer.write(bytes) : frames.push(bytes)),
      onDrain() {},
      onEnd: () => {
        connection.end()
        peer?.end()
      },
      onClose: () => peer?.end(),
    })
  }

  get allocations(): number {
    return [...this.#allocations.values()].filter(allocation => this.#isLive(allocation)).length
  }

  /** IP addresses and channel numbers that are alive now. */
  get permissions(): readonly string[] {
    return [...this.#allocations.values()].flatMap(({ permissions }) =>
      [...permissions].filter(([, expiresAt]) => expiresAt > this.#now).map(([address]) => address),
    )
  }

  get channels(): readonly number[] {
    return [...this.#allocations.values()].flatMap(({ channels }) =>
      [...channels].filter(([, { expiresAt }]) => expiresAt > this.#now).map(([number]) => number),
    )
  }

  /** Forgets everything, as a restart does. */
  forget(): void {
    for (const allocation of this.#allocations.values()) close(allocation)
    this.#allocations.clear()
  }

  get #now(): number {
    return this.#platform.clock.now()
  }

  #isLive(allocation: RelayedAllocation): boolean {
    return allocation.expiresAt > this.#now
  }

  #onMessage(bytes: Uint8Array, client: Client): void {
    if (this.isSilent) return
    if (looksLikeChannelData(bytes)) this.#onChannelData(bytes, client)
    else this.#onStun(decodeStunMessage(bytes), client)
  }

  #onStun(message: ReceivedStunMessage, client: Client): void {
    if (message.class === 'indication') this.#onSend(message, client)
    else if (message.class === 'request') void this.#onRequest(message, client)
  }

  async #onRequest(request: ReceivedStunMessage, client: Client): Promise<void> {
    if (request.method === METHOD.binding) {
      this.counts.binding += 1
      return this.#succeed(request, client, [this.#mapped(request, client)], undefined)
    }
    const scripted = this.#errors.findIndex(({ method }) => method === request.method)
    const isSigned = request.integrity.length > 0
    if (scripted >= 0 && (isSigned || this.#errors[scripted]!.code < 400)) {
      const { code, attributes = [] } = this.#errors.splice(scripted, 1)[0]!
      this.#refuse(request, client, code, attributes)
      return
    }
    const challenge = this.#challenge()
    if (!isSigned) return this.#refuse(request, client, 401, this.#challengeAttributes(challenge))
    const nonce = textIn(request, ATTRIBUTE.nonce)!
    const age = this.#now - Number.parseInt(nonce.split('-')[1] ?? '0', 36)
    if (age > (this.#options.nonceLifetimeMs ?? Infinity)) {
      this.counts.stale += 1
      return this.#refuse(request, client, 438, this.#challengeAttributes(challenge))
    }
    const { integrity } = answerChallenge(CREDENTIAL, { ...challenge, nonce })
    if (!hasValidIntegrity(request, integrity)) {
      return this.#refuse(request, client, 401, this.#challengeAttributes(challenge))
    }
    const answer = await this.#perform(request, client)
    if (typeof answer === 'number') this.#refuse(request, client, answer, [], integrity)
    else this.#succeed(request, client, answer, integrity)
  }

  async #perform(request: ReceivedStunMessage, client: Client): Promise<number | StunAttribute[]> {
    if (request.method === METHOD.allocate) return this.#allocate(request, client)
    if (request.method === METHOD.connectionBind) return this.#bindConnection(request, client)
    const allocation = this.#allocations.get(client.name)
    if (!allocation || !this.#isLive(allocation)) return 437
    switch (request.method) {
      case METHOD.refresh: {
        this.counts.refresh += 1
        const seconds = uint32In(request, ATTRIBUTE.lifetime)
        if (seconds === 0) this.#remove(client)
        allocation.expiresAt = this.#now + (seconds === 0 ? 0 : this.#lifetimeMs)
        return [uint32Attribute(ATTRIBUTE.lifetime, seconds === 0 ? 0 : this.#lifetimeMs / 1_000)]
      }
      case METHOD.createPermission:
        this.counts.permission += 1
        for (const { address } of peersIn(request)) allocation.permissions.set(address, this.#now + PERMISSION_MS)
        return []
      case METHOD.channelBind: {
        this.counts.channel += 1
        const number = uint32In(request, ATTRIBUTE.channelNumber)! >>> 16
        const [peer] = peersIn(request)
        const others = [...allocation.channels].filter(
          ([other, bound]) => other !== number && nameOf(bound.peer) === nameOf(peer!),
        )
        const known = allocation.channels.get(number)
        if (others.length > 0 || (known && nameOf(known.peer) !== nameOf(peer!))) return 400
        allocation.channels.set(number, { peer: peer!, expiresAt: this.#now + CHANNEL_MS })
        allocation.permissions.set(peer!.address, this.#now + PERMISSION_MS)
        return []
      }
      case METHOD.connect:
        return this.#connect(request, client)
      default:
        return 400
    }
  }

  async #connect(request: ReceivedStunMessage, client: Client): Promise<number | StunAttribute[]> {
    const [peer] = peersIn(request)
    try {
      const connection = await this.#platform.network.connectTcp(peer!, { timeoutMs: 30_000 })
      return [this.#keep({ connection, client: client.name })]
    } catch {
      return 447
    }
  }

  #onPeer(allocation: RelayedAllocation, connection: TcpConnection): void {
    const { client } = allocation
    const { remote } = connection
    if (this.isSilent || !this.#isPermitted(allocation, remote.address)) {
      connection.destroy()
      return
    }
    const transactionId = new Uint8Array(12)
    const peer = xorAddressAttribute(ATTRIBUTE.xorPeerAddress, remote, transactionId)
    const attributes = [this.#keep({ connection, client: client.name }), peer]
    const message = { class: 'indication', method: METHOD.connectionAttempt, transactionId, attributes } as const
    client.send(encodeStunMessage(message))
  }

  #keep(connection: PeerConnection): StunAttribute {
    const id = this.#connections.size + 1
    this.#connections.set(id, connection)
    return uint32Attribute(ATTRIBUTE.connectionId, id)
  }

  #bindConnection(request: ReceivedStunMessage, client: Client): number | StunAttribute[] {
    const id = uint32In(request, ATTRIBUTE.connectionId) ?? 0
    const found = this.#connections.get(id)
    if (!found || !client.relayTo) return 400
    this.counts.connectionBind += 1
    // Behind the answer, in the same turn: the peer's bytes may stand in the same segment.
    this.#bound.set(client.name, found.connection)
    return []
  }

  async #allocate(request: ReceivedStunMessage, client: Client): Promise<number | StunAttribute[]> {
    this.counts.allocate += 1
    if (this.#allocations.has(client.name)) return 437
    const protocol = uint32In(request, ATTRIBUTE.requestedTransport)! >>> 24
    if (protocol !== UDP && !(protocol === TCP && client.isStream)) return 442
    const { network } = this.#platform
    const { address } = this.#options
    const onDatagram = (bytes: Uint8Array, from: SocketAddress) => this.#fromPeer(allocation, bytes, from)
    const onPeer = (connection: TcpConnection) => this.#onPeer(allocation, connection)
    const isUdp = protocol === UDP
    const allocation: RelayedAllocation = {
      client,
      socket: isUdp
        ? await network.openUdp({ address, port: 0, sharePort: false }, { onDatagram, onError() {} })
        : undefined,
      listener: isUdp ? undefined : await network.listenTcp({ host: address, port: 0 }, onPeer),
      expiresAt: this.#now + this.#lifetimeMs,
      permissions: new Map(),
      channels: new Map(),
    }
    this.#allocations.set(client.name, allocation)
    return [
      xorAddressAttribute(
        ATTRIBUTE.xorRelayedAddress,
        (allocation.socket ?? allocation.listener)!.local,
        request.transactionId,
      ),
      this.#mapped(request, client),
      uint32Attribute(ATTRIBUTE.lifetime, this.#lifetimeMs / 1_000),
    ]
  }

  #fromPeer(allocation: RelayedAllocation, data: Uint8Array, from: SocketAddress): void {
    if (this.isSilent || !this.#isLive(allocation) || !this.#isPermitted(allocation, from.address)) return
    const { client, channels } = allocation
    const channel = [...channels].find(
      ([, { peer, expiresAt }]) => nameOf(peer) === nameOf(from) && expiresAt > this.#now,
    )
    const message = channel && encodeChannelData({ channel: channel[0], data }, client.isStream)
    client.send(message ?? dataIndication(data, from))
  }

  #onSend(message: ReceivedStunMessage, client: Client): void {
    this.counts.send += 1
    const allocation = this.#allocations.get(client.name)
    const peer = xorAddressIn(message, ATTRIBUTE.xorPeerAddress)!
    if (allocation && this.#isLive(allocation) && this.#isPermitted(allocation, peer.address)) {
      allocation.socket!.send(attributeOf(message, ATTRIBUTE.data)!, peer)
    }
  }

  #onChannelData(bytes: Uint8Array, client: Client): void {
    this.counts.channelData += 1
    const allocation = this.#allocations.get(client.name)
    const { channel, data } = decodeChannelData(bytes)
    const bound = allocation?.channels.get(channel)
    const isAlive = bound && bound.expiresAt > this.#now && this.#isPermitted(allocation!, bound.peer.address)
    if (isAlive && this.#isLive(allocation!)) allocation!.socket!.send(data, bound.peer)
  }

  #isPermitted({ permissions }: RelayedAllocation, address: string): boolean {
    return (permissions.get(address) ?? 0) > this.#now
  }

  #remove({ name }: Client): void {
    const allocation = this.#allocations.get(name)
    if (allocation) close(allocation)
    this.#allocations.delete(name)
  }

  get #lifetimeMs(): number {
    return this.#options.lifetimeMs ?? 600_000
  }

  #challenge(): Challenge {
    const time = Math.floor(this.#now).toString(36)
    const isModern = this.#options.isModern === true
    return {
      realm: REALM,
      nonce: isModern ? `obMatJos2wAAA-${time}` : `nonce-${time}`,
      passwordAlgorithms: isModern ? Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0) : undefined,
      algorithm: isModern ? 'sha256' : 'md5',
      hidesUsername: isModern,
    }
  }

  #challengeAttributes({ realm, nonce, passwordAlgorithms }: Challenge): StunAttribute[] {
    const attributes = [textAttribute(ATTRIBUTE.realm, realm), textAttribute(ATTRIBUTE.nonce, nonce)]
    if (passwordAlgorithms) attributes.push({ type: ATTRIBUTE.passwordAlgorithms, value: passwordAlgorithms })
    return attributes
  }

  #mapped({ transactionId }: ReceivedStunMessage, { address }: Client): StunAttribute {
    return xorAddressAttribute(ATTRIBUTE.xorMappedAddress, address, transactionId)
  }

  #succeed(
    { method, transactionId }: ReceivedStunMessage,
    client: Client,
    attributes: readonly StunAttribute[],
    integrity: Parameters<typeof hasValidIntegrity>[1] | undefined,
  ): void {
    client.send(encodeStunMessage({ class: 'success', method, transactionId, attributes }, { integrity }))
    const peer = this.#bound.get(client.name)
    if (method === METHOD.connectionBind && peer) client.relayTo?.(peer)
  }

  #refuse(
    { method, transactionId }: ReceivedStunMessage,
    client: Client,
    code: number,
    attributes: readonly StunAttribute[],
    integrity?: Parameters<typeof hasValidIntegrity>[1],
  ): void {
    // Scripted errors, too, are signed as a real server's are, where that can be.
    const signature = integrity ?? (code > 400 && code !== 401 && code !== 438 ? this.#signature() : undefined)
    const all = [errorCodeAttribute({ code, reason: 'No' }), ...attributes]
    client.send(encodeStunMessage({ class: 'error', method, transactionId, attributes: all }, { integrity: signature }))
  }

  #signature(): Parameters<typeof hasValidIntegrity>[1] {
    return answerChallenge(CREDENTIAL, this.#challenge()).integrity
  }
}

/** As a server sends it; tests forge them, too. */
export function dataIndication(data: Uint8Array, from: SocketAddress): Uint8Array {
  const transactionId = new Uint8Array(12)
  const attributes = [
    xorAddressAttribute(ATTRIBUTE.xorPeerAddress, from, transactionId),
    { type: ATTRIBUTE.data, value: data },
  ]
  return encodeStunMessage({ class: 'indication', method: METHOD.data, transactionId, attributes })
}

export function alternateServer(address: string): readonly StunAttribute[] {
  return [addressAttribute(ATTRIBUTE.alternateServer, { address, port: 3478 })]
}

function close({ socket, listener }: RelayedAllocation): void {
  socket?.close()
  void listener?.close()
}

function peersIn(request: ReceivedStunMessage): readonly SocketAddress[] {
  const peers = request.attributes.filter(({ type }) => type === ATTRIBUTE.xorPeerAddress)
  return peers.map(attribute => xorAddressIn({ ...request, attributes: [attribute] }, ATTRIBUTE.xorPeerAddress)!)
}

function nameOf({ address, port }: SocketAddress): string {
  return `${address}:${port}`
}
