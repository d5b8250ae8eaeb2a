/**
 * How long a UDP mapping lives without traffic (RFC 5780 section 4.6). A socket makes a mapping and falls silent; after a while
 * another socket has the server send something to it (RESPONSE-PORT). If it arrives the mapping was alive. Sockets with
 * different times of silence wait at once, then the interval between the longest that lived and the shortest that
 * did not is divided again.
 *
 * With a server that does not know RESPONSE-PORT the silent socket asks again itself: another mapped address means that
 * the old mapping was gone; the same one means that it lived, unless the NAT always gives the same.
 */

import { EarshotError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { AddressFamily, SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { uint32Attribute } from '../stun/attribute.ts'
import { ATTRIBUTE } from '../stun/attribute-type.ts'
import type { Binding } from '../stun/binding.ts'
import type { ReceivedStunMessage } from '../stun/message.ts'
import { resolveServer } from '../stun/resolve-server.ts'
import { retransmissionDelaysWithin } from '../stun/retransmission.ts'
import type { StunUri } from '../stun/stun-uri.ts'
import { isOwnAddress } from './own-address.ts'
import { type StunSocket, withStunSockets } from './stun-socket.ts'
import { probeDelays } from './survey.ts'

export interface MappingLifetime {
  /** A mapping was alive after so much silence, in milliseconds. 0: none of those tried lived. */
  readonly atLeastMs: number
  /** A mapping was gone after so much silence. Undefined: all lived, or there is no way to tell. */
  readonly atMostMs: number | undefined
  /** 'unknown': the server cannot help and the NAT gives the same port again, so that nothing can be seen. */
  readonly method: 'response-port' | 'mapped-address' | 'unknown'
}

export interface LifetimeSearch {
  /** The shortest and the longest silence that is tried. */
  readonly minMs: number
  readonly maxMs: number
  /** The search ends when `atMostMs` is at most this many times `atLeastMs`. */
  readonly precision: number
  /** Sockets that wait at the same time. */
  readonly probes: number
}

export interface LifetimeOptions extends LifetimeSearch {
  readonly server: StunUri
  readonly family: AddressFamily
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

type Method = MappingLifetime['method']
type Bracket = Pick<MappingLifetime, 'atLeastMs' | 'atMostMs'>

export async function measureLifetime(platform: Platform, options: LifetimeOptions): Promise<MappingLifetime> {
  const { server: uri, family, timeoutMs, signal } = options
  signal?.throwIfAborted()
  const [address] = await resolveServer(platform.network, uri, family)
  const server = { address: address!, port: uri.port }
  const prober = new Prober(platform, server, options)
  const method = await prober.chooseMethod(retransmissionDelaysWithin(timeoutMs))
  let bracket: Bracket = { atLeastMs: 0, atMostMs: undefined }
  if (method === 'unknown') return { ...bracket, method }
  for (let waits = nextWaits(bracket, options); waits.length > 0; waits = nextWaits(bracket, options)) {
    const lived = await Promise.all(waits.map(waitMs => prober.isAliveAfter(waitMs, method)))
    bracket = narrow(bracket, waits, lived)
  }
  return { ...bracket, method }
}

/** Times of silence to try next, the shortest first, in equal proportions; none when the bracket is narrow enough. */
export function nextWaits(
  { atLeastMs, atMostMs }: Bracket,
  { minMs, maxMs, precision, probes }: LifetimeSearch,
): readonly number[] {
  if (atLeastMs >= maxMs || (atMostMs !== undefined && atMostMs <= minMs)) return []
  if (atMostMs === undefined) return spread(Math.max(minMs, atLeastMs), maxMs, probes)
  const from = Math.max(minMs, atLeastMs)
  if (atMostMs <= from * precision) return []
  // Both ends are known; only what is between them is of interest, or, at the very beginning, the shortest.
  const between = spread(from, atMostMs, probes + 2).slice(1, -1)
  return atLeastMs < minMs ? [minMs, ...between] : between
}

/** An answer that contradicts others (a packet was lost) makes the bracket careful: what was alive must be below what was not. */
export function narrow(
  { atLeastMs, atMostMs = Infinity }: Bracket,
  waits: readonly number[],
  lived: readonly boolean[],
): Bracket {
  const dead = Math.min(atMostMs, ...waits.filter((_, i) => !lived[i]))
  const alive = Math.max(atLeastMs, ...waits.filter((wait, i) => lived[i] && wait < dead))
  return { atLeastMs: alive, atMostMs: dead === Infinity ? undefined : dead }
}

function spread(from: number, to: number, count: number): readonly number[] {
  if (count === 1 || from === to) return [to]
  const ratio = (to / from) ** (1 / (count - 1))
  return Array.from({ length: count }, (_, i) => Math.round(i === count - 1 ? to : from * ratio ** i))
}

class Prober {
  readonly #platform: Platform
  readonly #server: SocketAddress
  readonly #options: LifetimeOptions
  #delaysMs: readonly number[] = []

  constructor(platform: Platform, server: SocketAddress, options: LifetimeOptions) {
    this.#platform = platform
    this.#server = server
    this.#options = options
  }

  /** Rejects where the server does not answer at all. */
  async chooseMethod(delaysMs: readonly number[]): Promise<Method> {
    this.#delaysMs = delaysMs
    const binding = await this.#withMapping(async (_, found) => found)
    this.#delaysMs = probeDelays(binding.rttMs)
    if (await this.isAliveAfter(0, 'response-port')) return 'response-port'
    return this.#withMapping(async (socket, { mapped }) => {
      const isPreserved = mapped.port === socket.port && !isOwnAddress(this.#platform, socket.port)(mapped)
      return isPreserved ? 'unknown' : 'mapped-address'
    })
  }

  isAliveAfter(waitMs: number, method: Method): Promise<boolean> {
    return method === 'response-port' ? this.#getsThrough(waitMs) : this.#isMappedAlike(waitMs)
  }

  #getsThrough(waitMs: number): Promise<boolean> {
    const arrived = new AbortController()
    let isListening = false
    // An answer that comes twice, to the request that made the mapping, is not the one.
    const onOther = ({ class: kind }: ReceivedStunMessage, from: SocketAddress) => {
      const isFromServer = from.address === this.#server.address && from.port === this.#server.port
      if (isListening && kind === 'success' && isFromServer) arrived.abort()
    }
    return this.#withMapping(async (_, { mapped }) => {
      await this.#wait(waitMs)
      isListening = true
      await this.#haveSent(mapped.port, arrived.signal)
      return arrived.signal.aborted
    }, onOther)
  }

  /** Has the server send an answer to that port of the NAT. None comes to the asker, if all is well. */
  async #haveSent(port: number, arrived: AbortSignal): Promise<void> {
    const { family, signal } = this.#options
    // 16 bits, then padding (RFC 5780 section 7.5).
    const attributes = [uint32Attribute(ATTRIBUTE.responsePort, port * 0x1_0000)]
    const until = signal ? AbortSignal.any([signal, arrived]) : arrived
    await withStunSockets(this.#platform, [{ family, delaysMs: this.#delaysMs }], async ([asker]) => {
      const asking = asker!.bind(this.#server, { attributes, signal: until })
      await asking.catch((error: unknown) => {
        if (!(until.aborted || error instanceof EarshotError)) throw error
      })
    })
    signal?.throwIfAborted()
  }

  #isMappedAlike(waitMs: number): Promise<boolean> {
    return this.#withMapping(async (socket, { mapped }) => {
      await this.#wait(waitMs)
      const again = await socket.bind(this.#server, { signal: this.#options.signal })
      return again.mapped.port === mapped.port && again.mapped.address === mapped.address
    })
  }

  #withMapping<Value>(
    use: (socket: StunSocket, binding: Binding) => Promise<Value>,
    onOther: (message: ReceivedStunMessage, from: SocketAddress) => void = () => {},
  ): Promise<Value> {
    const { family, signal } = this.#options
    return withStunSockets(this.#platform, [{ family, delaysMs: this.#delaysMs, onOther }], async ([socket]) => {
      return use(socket!, await socket!.bind(this.#server, { signal }))
    })
  }

  #wait(ms: number): Promise<void> {
    return sleep(this.#platform.clock, ms, this.#options.signal)
  }
}

function sleep(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      timer.cancel()
      reject(signal!.reason)
    }
    const timer = clock.setTimer(ms, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort)
  })
}
