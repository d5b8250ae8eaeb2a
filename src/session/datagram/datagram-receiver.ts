/**
 * What one session receives in datagrams. Nothing that arrives here can harm the session but what the peer itself has
 * sealed: what is forged, replayed or too much is counted and forgotten.
 */

import { EarshotError, protocolViolation } from '../../errors.ts'
import { MAX_DATAGRAMS_PER_SECOND, MAX_FORGED_DATAGRAMS_PER_SECOND } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { type DatagramFrameHandlers, type Fragment, readDatagramFrames } from './datagram-frame.ts'
import type { DatagramKey } from './datagram-keys.ts'
import { DatagramOpener } from './datagram-packet.ts'

export interface DatagramReceiverOptions {
  readonly key: DatagramKey
  readonly clock: Clock
  /** How many labels the peer has told us. */
  labelCount(): number
  /** An authentic datagram came, before its frames are handed over. */
  onHeard(from: SocketAddress): void
  onChallenge(number: number, from: SocketAddress): void
  onResponse(number: number, labels: number): void
  onMessage(label: number, sequence: number, kind: number, body: Uint8Array): void
  onFragment(fragment: Fragment): void
  /** The peer itself, nobody else, sent what it must not. */
  onViolation(error: EarshotError): void
}

const SECOND_MS = 1_000

export class DatagramReceiver implements DatagramFrameHandlers {
  readonly #options: DatagramReceiverOptions
  #opener: DatagramOpener | undefined
  #from: SocketAddress = { address: '', port: 0 }
  #secondFrom = Number.NEGATIVE_INFINITY
  #inSecond = 0
  #forgedInSecond = 0
  #received = 0
  #replayed = 0
  #forged = 0

  constructor(options: DatagramReceiverOptions) {
    this.#options = options
  }

  get received(): number {
    return this.#received
  }

  get replayed(): number {
    return this.#replayed
  }

  get forged(): number {
    return this.#forged
  }

  /** Takes a datagram that has this session's connection id. */
  receive(datagram: Uint8Array, from: SocketAddress): void {
    const plaintext = this.#isWithinLimits() ? this.#open(datagram) : 'forged'
    if (plaintext === 'replayed') this.#replayed++
    else if (plaintext === 'forged') this.#forged++
    else this.#read(plaintext, from)
  }

  #open(datagram: Uint8Array): Uint8Array | 'replayed' | 'forged' {
    this.#opener ??= new DatagramOpener(this.#options.key)
    const plaintext = this.#opener.open(datagram)
    if (plaintext === 'forged') this.#forgedInSecond++
    return plaintext
  }

  /** Arithmetic is spent on so much a second and no more, whoever sends it. */
  #isWithinLimits(): boolean {
    const now = this.#options.clock.now()
    if (now - this.#secondFrom >= SECOND_MS) {
      this.#secondFrom = now
      this.#inSecond = 0
      this.#forgedInSecond = 0
    }
    return this.#inSecond++ < MAX_DATAGRAMS_PER_SECOND && this.#forgedInSecond < MAX_FORGED_DATAGRAMS_PER_SECOND
  }

  #read(plaintext: Uint8Array, from: SocketAddress): void {
    this.#received++
    this.#from = from
    this.#options.onHeard(from)
    try {
      readDatagramFrames(plaintext, this)
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error
      this.#options.onViolation(error)
    }
  }

  // What a datagram has in it -----------------------------------------------------------------------------------------

  onChallenge(number: number): void {
    this.#options.onChallenge(number, this.#from)
  }

  onResponse(number: number, labels: number): void {
    this.#options.onResponse(number, labels)
  }

  onMessage(label: number, sequence: number, kind: number, body: Uint8Array): void {
    this.#checkLabel(label)
    this.#options.onMessage(label, sequence, kind, body)
  }

  onFragment(fragment: Fragment): void {
    this.#checkLabel(fragment.label)
    this.#options.onFragment(fragment)
  }

  /** A sender uses a label in datagrams only when it was told that we know it. */
  #checkLabel(label: number): void {
    if (label > this.#options.labelCount())
      throw protocolViolation(`label ${label} in a datagram was never given a name`)
  }
}
