/** Sends messages of a room to one, several, or all of its peers. */

import { EarshotError } from '../errors.ts'
import type { Deadlines } from '../messaging/deadlines.ts'
import { withinLimits } from '../messaging/limited.ts'
import { checkLossySize, type LossyDelivery } from '../messaging/messenger.ts'
import { type EncodedValue, encodeValue } from '../messaging/value.ts'
import type { PeerRef, SendOptions } from './options.ts'
import { checkSendOptions } from './options-check.ts'
import { goneError, type Peer } from './peer.ts'

/** What flow control accepts at once costs no promise. */
const SENT: Promise<void> = Promise.resolve()

export interface SenderRoom {
  isOpen(): boolean
  everybody(): Iterable<Peer>
  targets(to: PeerRef | readonly PeerRef[]): readonly Peer[]
}

export class Sender {
  readonly #deadlines: Deadlines
  readonly #room: SenderRoom

  constructor(deadlines: Deadlines, room: SenderRoom) {
    this.#deadlines = deadlines
    this.#room = room
  }

  /** See `Room.send`. The room itself is the channel without a name. */
  send(channel: string, data: unknown, options: SendOptions): Promise<void> {
    const waiting: Promise<void>[] = []
    try {
      if (!this.#room.isOpen()) throw leftError()
      checkSendOptions(options)
      options.signal?.throwIfAborted()
      const value = encodeValue(data)
      const { delivery } = options
      const lossy = delivery === 'latest' || delivery === 'unreliable' ? delivery : undefined
      if (lossy) checkLossySize(value, lossy)
      for (const peer of options.to === undefined ? this.#room.everybody() : this.#room.targets(options.to)) {
        if (peer.state === 'gone') throw goneError(peer)
        if (lossy) {
          peer.messenger.sendLossy(channel, value, lossy)
          continue
        }
        const accepted = sendReliably(peer, channel, value, options)
        if (accepted) waiting.push(options.to === undefined ? this.#unlessGone(accepted, peer) : accepted)
      }
      if (waiting.length === 0) return SENT
      const all = Promise.all(waiting).then(ignore)
      const { signal } = options
      return signal ? withinLimits(all, { timeoutMs: Number.POSITIVE_INFINITY, signal }, this.#deadlines) : all
    } catch (error) {
      // It was not sent to all; those to whom it was may still fail, which this error stands for.
      for (const accepted of waiting) accepted.catch(ignore)
      return Promise.reject(error)
    }
  }

  /** The same for one peer and without options: the hot path. */
  sendTo(peer: Peer, data: unknown): Promise<void> {
    try {
      if (!this.#room.isOpen()) throw leftError()
      const value = encodeValue(data)
      if (peer.state === 'gone') throw goneError(peer)
      return peer.messenger.send('', value) ?? SENT
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The same with a delivery that may lose it. */
  sendLossyTo(peer: Peer, data: unknown, delivery: LossyDelivery): Promise<void> {
    try {
      if (!this.#room.isOpen()) throw leftError()
      const value = encodeValue(data)
      checkLossySize(value, delivery)
      if (peer.state === 'gone') throw goneError(peer)
      peer.messenger.sendLossy('', value, delivery)
      return SENT
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Who leaves while everybody is being sent to does not spoil it for the others: `peer-gone` tells of it. */
  #unlessGone(accepted: Promise<void>, peer: Peer): Promise<void> {
    return accepted.catch(error => {
      if (peer.state !== 'gone' || !this.#room.isOpen()) throw error
    })
  }
}

function sendReliably(
  { name, messenger }: Peer,
  channel: string,
  value: EncodedValue,
  { receipt, whenFull }: SendOptions,
): Promise<void> | undefined {
  if (whenFull === 'reject' && messenger.session.wouldWait(value.bytes.length)) {
    return Promise.reject(
      new EarshotError('limit-reached', `the peer '${name}' cannot take more at present`, {
        hint: 'Try again later, or let send wait.',
      }),
    )
  }
  return receipt ? messenger.sendWithReceipt(channel, value) : messenger.send(channel, value)
}

/** What a call to a room that was left rejects with. */
export function leftError(): EarshotError {
  return new EarshotError('closed', 'the room was left')
}

function ignore(): void {}
