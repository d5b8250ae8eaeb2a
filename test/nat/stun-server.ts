/** A STUN server with RFC 5780 on a simulated host. It can pretend that its clients are behind a NAT, and misbehave. */

import {
  addressAttribute,
  errorCodeAttribute,
  textAttribute,
  uint32In,
  xorAddressAttribute,
} from '../../src/nat/stun/attribute.ts'
import { ATTRIBUTE } from '../../src/nat/stun/attribute-type.ts'
import {
  attributeOf,
  decodeStunMessage,
  encodeStunMessage,
  type ReceivedStunMessage,
  type StunAttribute,
} from '../../src/nat/stun/message.ts'
import { StreamFrames } from '../../src/nat/stun/stream-frames.ts'
import type { SocketAddress, TcpConnection, TcpListener, UdpSocket } from '../../src/platform/network.ts'
import type { Platform } from '../../src/platform/platform.ts'
import type { ModelNat } from './model-nat.ts'

export interface StunServerOptions {
  /** One, or two for RFC 5780. The host must have them. */
  readonly addresses: readonly string[]
  readonly ports?: readonly [number, number]
  readonly nat?: ModelNat
  /** What it says its other address is; undefined: the truth. */
  readonly otherAddress?: SocketAddress
  /** Answers CHANGE-REQUEST from where it was asked. */
  readonly ignoresChangeRequest?: boolean
  readonly knowsResponsePort?: boolean
  /** Does not answer at its other address, and not from there. */
  readonly isHalfDead?: boolean
  readonly transports?: readonly ('udp' | 'tcp')[]
  /** Answers every request with this error. */
  readonly error?: number
}

export class StunServer {
  /** Every endpoint that was asked, with the endpoint it was asked by. */
  readonly asked: { readonly at: SocketAddress; readonly by: SocketAddress; readonly transport: string }[] = []
  readonly #options: StunServerOptions
  readonly #ports: readonly [number, number]
  readonly #sockets = new Map<string, UdpSocket>()
  readonly #listeners: TcpListener[] = []

  private constructor(options: StunServerOptions) {
    this.#options = options
    this.#ports = options.ports ?? [3478, 3479]
  }

  static async start({ network }: Platform, options: StunServerOptions): Promise<StunServer> {
    const server = new StunServer(options)
    const { transports = ['udp', 'tcp'], addresses } = options
    for (const address of addresses) {
      for (const port of server.#ports) {
        const at = { address, port }
        if (transports.includes('udp')) {
          const onDatagram = (bytes: Uint8Array, from: SocketAddress) => server.#onDatagram(bytes, at, from)
          const socket = await network.openUdp({ ...at, sharePort: false }, { onDatagram, onError() {} })
          server.#sockets.set(nameOf(at), socket)
        }
        if (transports.includes('tcp')) {
          const listener = await network.listenTcp({ host: address, port }, connection =>
            server.#onConnection(connection, at),
          )
          server.#listeners.push(listener)
        }
      }
    }
    return server
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close()
    for (const listener of this.#listeners) void listener.close()
  }

  #onDatagram(bytes: Uint8Array, at: SocketAddress, from: SocketAddress): void {
    this.asked.push({ at, by: from, transport: 'udp' })
    const request = decodeStunMessage(bytes)
    if (request.class !== 'request' || this.#isDead(at)) return
    const { nat, knowsResponsePort = true } = this.#options
    const mapped = nat?.out(from, at) ?? from
    const source = this.#sourceFor(request, at)
    if (this.#isDead(source)) return
    const responsePort = attributeOf(request, ATTRIBUTE.responsePort)
    const port = responsePort && knowsResponsePort ? (responsePort[0]! << 8) | responsePort[1]! : mapped.port
    const to = nat ? nat.in(port, source) : { ...from, port }
    if (to) this.#sockets.get(nameOf(source))!.send(this.#answer(request, mapped, source, at), to)
  }

  #onConnection(connection: TcpConnection, at: SocketAddress): void {
    const { remote } = connection
    this.asked.push({ at, by: remote, transport: 'tcp' })
    const mapped = this.#options.nat?.out(remote, at) ?? remote
    const frames = new StreamFrames(frame => {
      if (!this.#isDead(at)) connection.write(this.#answer(decodeStunMessage(frame), mapped, at, at))
    })
    const onEnd = () => connection.end()
    connection.start({ onData: bytes => frames.push(bytes), onDrain() {}, onEnd, onClose() {} })
  }

  #answer(request: ReceivedStunMessage, mapped: SocketAddress, source: SocketAddress, at: SocketAddress): Uint8Array {
    const { method, transactionId } = request
    const { error } = this.#options
    if (error !== undefined) {
      const attributes = [errorCodeAttribute({ code: error, reason: 'No' })]
      return encodeStunMessage({ class: 'error', method, transactionId, attributes })
    }
    const attributes: StunAttribute[] = [
      xorAddressAttribute(ATTRIBUTE.xorMappedAddress, mapped, transactionId),
      addressAttribute(ATTRIBUTE.responseOrigin, source),
      textAttribute(ATTRIBUTE.software, 'a fake'),
    ]
    const other = this.#options.otherAddress ?? this.#otherOf(at)
    if (other) attributes.push(addressAttribute(ATTRIBUTE.otherAddress, other))
    return encodeStunMessage({ class: 'success', method, transactionId, attributes })
  }

  #sourceFor(request: ReceivedStunMessage, at: SocketAddress): SocketAddress {
    const change = uint32In(request, ATTRIBUTE.changeRequest) ?? 0
    if (change === 0 || this.#options.ignoresChangeRequest) return at
    const other = this.#otherOf(at) ?? at
    return { address: change & 4 ? other.address : at.address, port: change & 2 ? other.port : at.port }
  }

  #otherOf({ address, port }: SocketAddress): SocketAddress | undefined {
    const other = this.#options.addresses.find(candidate => candidate !== address)
    return other === undefined ? undefined : { address: other, port: this.#ports.find(each => each !== port)! }
  }

  #isDead({ address }: SocketAddress): boolean {
    return this.#options.isHalfDead === true && address !== this.#options.addresses[0]
  }
}

function nameOf({ address, port }: SocketAddress): string {
  return `${address}:${port}`
}
