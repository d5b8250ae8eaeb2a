/**
 * A UDP socket towards one gateway: requests, sent again until they are answered, and the answers. Only what comes from the
 * gateway's address and port counts (RFC 6886 section 3.1, RFC 6887 section 8.3); what it says wrongly changes nothing,
 * but for so often.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_GATEWAY_ANSWERS } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { canonicalIp } from '../../platform/ip-address.ts'
import type { SocketAddress, UdpSocket } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'

/**
 * RFC 6886 section 3.1: the gateway is one hop away. PCP's three seconds (RFC 6887 section 8.1.1) are for servers that may
 * be further; the one on the gateway is as near, and a lost packet should not cost more than the whole connection.
 */
const FIRST_DELAY_MS = 250

export interface GatewayRequest<Answer> {
  readonly bytes: Uint8Array
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** The answer, or `undefined` where the datagram is another's. May throw `protocol-violation`. */
  readonly accept: (bytes: Uint8Array) => Answer | undefined
}

interface OpenRequest {
  readonly receive: (bytes: Uint8Array) => void
  readonly fail: (reason: unknown) => void
}

export class GatewaySocket {
  readonly local: string
  readonly #clock: Clock
  readonly #gateway: SocketAddress
  #socket: UdpSocket | undefined
  readonly #open = new Set<OpenRequest>()

  static async open({ clock, network }: Platform, local: string, gateway: SocketAddress): Promise<GatewaySocket> {
    const opened = new GatewaySocket(clock, local, gateway)
    opened.#socket = await network.openUdp(
      { address: local, port: 0, sharePort: false },
      {
        onDatagram: (bytes, remote) => opened.#receive(bytes, remote),
        onError: error => opened.#fail(error),
      },
    )
    return opened
  }

  private constructor(clock: Clock, local: string, gateway: SocketAddress) {
    this.local = local
    this.#clock = clock
    this.#gateway = gateway
  }

  /** Rejects with `timeout`, with `protocol-violation` where nothing else came back, or with `signal.reason`. */
  request<Answer>({ bytes, timeoutMs, signal, accept }: GatewayRequest<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      let violation: unknown
      let answers = 0
      const settle = () => {
        this.#open.delete(open)
        resend.cancel()
        deadline.cancel()
        signal.removeEventListener('abort', onAbort)
      }
      const open: OpenRequest = {
        receive: datagram => {
          try {
            const answer = accept(datagram)
            if (answer !== undefined) {
              settle()
              resolve(answer)
            }
          } catch (error) {
            violation = error
          }
          answers += 1
          if (answers >= MAX_GATEWAY_ANSWERS) open.fail(violation ?? tooManyAnswers(this.#gateway))
        },
        fail: reason => {
          settle()
          reject(reason)
        },
      }
      const onAbort = () => open.fail(signal.reason)
      this.#open.add(open)
      signal.addEventListener('abort', onAbort)
      const deadline = this.#clock.setTimer(timeoutMs, () => open.fail(violation ?? noAnswer(this.#gateway, timeoutMs)))
      const resend = repeatedly(this.#clock, () => this.#socket?.send(bytes, this.#gateway))
    })
  }

  close(): void {
    this.#socket?.close()
    this.#fail(new EarshotError('closed', 'the port mapping was closed'))
  }

  /** Ends open requests with a reason; the socket stays. */
  #fail(reason: unknown): void {
    for (const { fail } of [...this.#open]) fail(reason)
  }

  #receive(bytes: Uint8Array, { address, port }: SocketAddress): void {
    if (port !== this.#gateway.port || canonicalIp(address) !== canonicalIp(this.#gateway.address)) return
    for (const { receive } of [...this.#open]) receive(bytes)
  }
}

/** At once, and again after delays that double. */
function repeatedly(clock: Clock, send: () => void): Timer {
  let delayMs = FIRST_DELAY_MS
  let timer: Timer
  const turn = () => {
    timer = clock.setTimer(delayMs, turn)
    delayMs *= 2
    send()
  }
  turn()
  return { cancel: () => timer.cancel() }
}

function noAnswer(gateway: SocketAddress, timeoutMs: number): EarshotError {
  return new EarshotError('timeout', `no answer from ${formatSocketAddress(gateway)} within ${timeoutMs} ms`)
}

function tooManyAnswers(gateway: SocketAddress): EarshotError {
  const message = `${formatSocketAddress(gateway)} sent ${MAX_GATEWAY_ANSWERS} datagrams, and none of them was the answer`
  return new EarshotError('protocol-violation', message)
}
