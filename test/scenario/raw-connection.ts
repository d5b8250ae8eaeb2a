/** A TCP connection without a protocol: for scenarios of callers who are no peers. */

import type { SocketAddress, TcpConnection } from '../../src/platform/network.ts'
import type { Platform } from '../../src/platform/platform.ts'

export class RawConnection {
  readonly #tcp: TcpConnection
  #received: number[] = []
  #hasEnded = false

  private constructor(tcp: TcpConnection) {
    this.#tcp = tcp
    const end = () => {
      this.#hasEnded = true
    }
    tcp.start({ onData: bytes => this.#received.push(...bytes), onDrain() {}, onEnd: end, onClose: end })
  }

  static async open(platform: Platform, to: SocketAddress): Promise<RawConnection> {
    return new RawConnection(await platform.network.connectTcp(to, { timeoutMs: 5_000 }))
  }

  /** True once the other side has hung up. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  get received(): Uint8Array {
    return Uint8Array.from(this.#received)
  }

  write(bytes: Uint8Array): void {
    this.#tcp.write(bytes)
  }

  destroy(): void {
    this.#tcp.destroy()
  }
}
