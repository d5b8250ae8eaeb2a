/** A UDP socket that asks STUN servers. */

import { EarshotError } from '../../errors.ts'
import type { AddressFamily, SocketAddress, UdpSocket } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { type Binding, bindingIn } from '../stun/binding.ts'
import { METHOD, type ReceivedStunMessage, readStunMessage, type StunAttribute } from '../stun/message.ts'
import { StunTransactions } from '../stun/transactions.ts'

export interface StunSocketOptions {
  readonly family: AddressFamily
  /** @default any free port */
  readonly localPort?: number | undefined
  readonly delaysMs: readonly number[]
  /** Messages that are no answer to a request of this socket. */
  readonly onOther?: (message: ReceivedStunMessage, from: SocketAddress) => void
}

export interface BindingOptions {
  readonly attributes?: readonly StunAttribute[]
  readonly fromAnywhere?: boolean
  readonly delaysMs?: readonly number[]
  readonly signal?: AbortSignal | undefined
}

export class StunSocket {
  readonly #socket: UdpSocket
  readonly #transactions: StunTransactions

  private constructor(socket: UdpSocket, transactions: StunTransactions) {
    this.#socket = socket
    this.#transactions = transactions
  }

  /** Rejects with `address-in-use`, `no-network` and what else `openUdp` rejects with. */
  static async open({ clock, random, network }: Platform, options: StunSocketOptions): Promise<StunSocket> {
    const { family, localPort = 0, delaysMs, onOther } = options
    const transmit = (bytes: Uint8Array, to: SocketAddress) => socket.send(bytes, to)
    const transactions = new StunTransactions({ clock, random, transmit, delaysMs })
    const socket: UdpSocket = await network.openUdp(
      { address: family === 'ipv4' ? '0.0.0.0' : '::', port: localPort, sharePort: false },
      {
        onDatagram(bytes, from) {
          const message = readStunMessage(bytes)
          if (message && !transactions.receive(message, from)) onOther?.(message, from)
        },
        // A send that failed is a datagram lost: what waits for its answer will see.
        onError() {},
      },
    )
    return new StunSocket(socket, transactions)
  }

  get port(): number {
    return this.#socket.local.port
  }

  /** Asks how the server at `to` sees this socket. Rejects as requests do, and for an error response. */
  async bind(to: SocketAddress, { attributes = [], ...options }: BindingOptions = {}): Promise<Binding> {
    const request = { method: METHOD.binding, to, attributes: () => attributes, ...options }
    return bindingIn(await this.#transactions.request(request))
  }

  close(): void {
    this.#transactions.close(new EarshotError('closed', 'the socket was closed'))
    this.#socket.close()
  }
}

/** Opens sockets, one for each of the options, and closes them when `use` is done. */
export async function withStunSockets<Value>(
  platform: Platform,
  options: readonly StunSocketOptions[],
  use: (sockets: readonly StunSocket[]) => Promise<Value>,
): Promise<Value> {
  const sockets: StunSocket[] = []
  try {
    for (const each of options) sockets.push(await StunSocket.open(platform, each))
    return await use(sockets)
  } finally {
    for (const socket of sockets) socket.close()
  }
}
