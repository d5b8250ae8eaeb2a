/** Handlers that remember what they were told, and promises of what tests wait for. */

import type { EarshotError } from '../../src/errors.ts'
import type { SocketAddress, TcpConnection, TcpHandlers, UdpHandlers } from '../../src/platform/network.ts'

export interface Datagram {
  readonly bytes: Uint8Array
  readonly remote: SocketAddress
}

/** Tells the test when what it waits for has happened. */
export abstract class Recorder {
  readonly #waiting = new Set<() => void>()

  until(condition: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const wait = () => {
        if (!condition()) return
        this.#waiting.delete(wait)
        resolve()
      }
      this.#waiting.add(wait)
      wait()
    })
  }

  protected changed(): void {
    for (const wait of this.#waiting) wait()
  }
}

export class UdpRecorder extends Recorder implements UdpHandlers {
  readonly datagrams: Datagram[] = []
  readonly errors: EarshotError[] = []
  closes = 0
  drains = 0

  onDatagram(bytes: Uint8Array, { address, port }: SocketAddress): void {
    this.datagrams.push({ bytes, remote: { address, port } })
    this.changed()
  }

  onError(error: EarshotError): void {
    this.errors.push(error)
    this.changed()
  }

  onDrain(): void {
    this.drains++
    this.changed()
  }

  onClose(): void {
    this.closes++
    this.changed()
  }

  /** The datagrams as texts. */
  get texts(): readonly string[] {
    return this.datagrams.map(({ bytes }) => new TextDecoder().decode(bytes))
  }
}

export class TcpRecorder extends Recorder implements TcpHandlers {
  readonly connection: TcpConnection
  readonly chunks: Uint8Array[] = []
  receivedBytes = 0
  drains = 0
  ends = 0
  readonly closes: (EarshotError | undefined)[] = []

  constructor(connection: TcpConnection) {
    super()
    this.connection = connection
    connection.start(this)
  }

  onData(bytes: Uint8Array): void {
    this.chunks.push(bytes)
    this.receivedBytes += bytes.length
    this.changed()
  }

  onDrain(): void {
    this.drains++
    this.changed()
  }

  onEnd(): void {
    this.ends++
    this.changed()
  }

  onClose(error: EarshotError | undefined): void {
    this.closes.push(error)
    this.changed()
  }

  get received(): Uint8Array {
    const all = new Uint8Array(this.receivedBytes)
    let offset = 0
    for (const chunk of this.chunks) {
      all.set(chunk, offset)
      offset += chunk.length
    }
    return all
  }

  get text(): string {
    return new TextDecoder().decode(this.received)
  }
}
