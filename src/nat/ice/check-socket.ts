/** A UDP socket on which STUN servers are asked, paths are checked, and streams run: all of it from one port, so with one mapping. */

import { EarshotError } from '../../errors.ts'
import type { AddressFamily, SocketAddress, TcpConnection } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import type { ReliableStreamOptions, ReliableUdpSocket, ReliableUdpSupport } from '../../platform/reliable-udp.ts'
import { type Binding, bindingIn } from '../stun/binding.ts'
import { METHOD, type ReceivedStunMessage, readStunMessage, TRANSACTION_ID_BYTES } from '../stun/message.ts'
import { StunTransactions } from '../stun/transactions.ts'
import {
  type CheckRequest,
  checkAttributes,
  encodeCheckAnswer,
  encodeKeepAlive,
  type Nomination,
  readCheck,
} from './connectivity-check.ts'
import { type CredentialPair, type Credentials, integrityOf } from './credentials.ts'

export type AvailableReliableUdp = Extract<ReliableUdpSupport, { kind: 'available' }>

export interface CheckSocketOptions {
  readonly platform: Platform
  readonly support: AvailableReliableUdp
  readonly family: AddressFamily
  readonly credentials: () => CredentialPair
  /** A valid request of the other side, which has been answered. */
  readonly onCheck: (check: CheckRequest, from: SocketAddress, socket: CheckSocket) => void
}

export interface CheckOptions {
  readonly remote: Credentials
  readonly nomination?: Nomination | undefined
  readonly delaysMs: readonly number[]
  readonly signal: AbortSignal
}

export class CheckSocket {
  readonly family: AddressFamily
  readonly #options: CheckSocketOptions
  readonly #socket: ReliableUdpSocket
  readonly #transactions: StunTransactions
  #isClosed = false

  private constructor(options: CheckSocketOptions, socket: ReliableUdpSocket, transactions: StunTransactions) {
    this.family = options.family
    this.#options = options
    this.#socket = socket
    this.#transactions = transactions
  }

  static async open(options: CheckSocketOptions): Promise<CheckSocket> {
    const { platform, support, family } = options
    const { clock, random } = platform
    const transmit = (bytes: Uint8Array, to: SocketAddress) => socket.send(bytes, to)
    const transactions = new StunTransactions({ clock, random, transmit, delaysMs: [] })
    const onDatagram = (bytes: Uint8Array, from: SocketAddress) => checkSocket.#onDatagram(bytes, from)
    const socket = await support.open({ address: family === 'ipv4' ? '0.0.0.0' : '::', port: 0 }, { onDatagram })
    const checkSocket = new CheckSocket(options, socket, transactions)
    return checkSocket
  }

  get local(): SocketAddress {
    return this.#socket.local
  }

  /** Asks a STUN server how it sees this socket. */
  async bind(to: SocketAddress, delaysMs: readonly number[], signal: AbortSignal): Promise<Binding> {
    return bindingIn(await this.#transactions.request({ method: METHOD.binding, to, delaysMs, signal }))
  }

  /** Resolves when the other side has answered from there. */
  async check(to: SocketAddress, { remote, nomination, delaysMs, signal }: CheckOptions): Promise<void> {
    const { local } = this.#options.credentials()
    const attributes = () => checkAttributes(local, remote, nomination)
    const integrity = integrityOf(remote)
    const request = { method: METHOD.binding, attributes, to, integrity, delaysMs, signal }
    const { message } = await this.#transactions.request(request)
    if (message.class === 'error') throw new EarshotError('refused', 'the other side refuses the check')
  }

  keepAlive(to: SocketAddress): void {
    this.#socket.send(encodeKeepAlive(this.#options.platform.random.bytes(TRANSACTION_ID_BYTES)), to)
  }

  openStream(options: ReliableStreamOptions): TcpConnection {
    return this.#socket.openStream(options)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#transactions.close(new EarshotError('closed', 'the socket was closed'))
    void this.#socket.close()
  }

  #onDatagram(bytes: Uint8Array, from: SocketAddress): void {
    if (this.#isClosed) return
    const message = readStunMessage(bytes)
    if (message === undefined || this.#transactions.receive(message, from)) return
    const check = this.#read(message)
    if (check === undefined) return
    this.#socket.send(encodeCheckAnswer(message, from, this.#options.credentials().local), from)
    this.#options.onCheck(check, from, this)
  }

  /** What is malformed is as good as nothing: anybody may send to a port. */
  #read(message: ReceivedStunMessage): CheckRequest | undefined {
    try {
      return readCheck(message, this.#options.credentials())
    } catch (error) {
      if (error instanceof EarshotError && error.code === 'protocol-violation') return undefined
      throw error
    }
  }
}
