/**
 * Takes those who call from HELLO to ACCEPT or DENY. While there is no place for them they wait, and dial again when they
 * have waited enough: the program does not accept connections then, which looks the same.
 */

import { EarshotError } from '../../errors.ts'
import {
  ADMISSION_TIMEOUT_MS,
  MAX_PEERPY_CALLERS,
  MAX_PEERPY_CALLERS_PER_ADDRESS,
  MAX_PEERPY_EARLY_BYTES,
} from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { TcpConnection } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { encodeHeader, HEADER_BYTES } from './header.ts'
import { decodeHello, type Hello } from './hello.ts'
import { Link } from './link.ts'

const DENY = encodeHeader('DENY')

export interface ReceptionOptions {
  readonly clock: Clock
  readonly timeoutMs: () => number
  /** How many more may be let in. */
  readonly places: () => number
  /** False: DENY, without asking anybody. */
  readonly isWelcome: (hello: Hello, link: Link) => boolean
  /** Where this side dials that peer as well: whether its own dial stands, once that is known; else false. */
  readonly hasDialled: (hello: Hello) => Promise<boolean>
  readonly decide: (hello: Hello, link: Link, signal: AbortSignal) => Promise<boolean>
  /** It was told ACCEPT. */
  readonly onAccepted: (hello: Hello, link: Link) => void
  /** It was told what it was told, or is gone. */
  readonly onSettled: (hello: Hello) => void
  readonly onWarning: (error: EarshotError) => void
}

export class Reception {
  readonly #options: ReceptionOptions
  /** Each with what aborts when it is gone, or this is closed. */
  readonly #callers = new Map<Link, AbortController>()
  #isClosed = false
  /** Those who wait for a place, the first first. */
  readonly #waiting = new Set<() => void>()
  /** Places that are taken by those who are being decided on. */
  #reserved = 0

  constructor(options: ReceptionOptions) {
    this.#options = options
  }

  receive(tcp: TcpConnection): void {
    const link = new Link(tcp)
    if (this.#isClosed || !this.#hasRoomFor(link)) {
      link.reset()
      return
    }
    const gone = new AbortController()
    this.#callers.set(link, gone)
    void this.#welcome(link, gone).finally(() => this.#callers.delete(link))
  }

  /** A place may have become free. */
  onPlace(): void {
    for (const reserve of this.#waiting) {
      if (!this.#hasPlace) break
      reserve()
    }
  }

  /** Those who are not decided on are cut off. */
  close(): void {
    this.#isClosed = true
    const reason = new EarshotError('closed', 'this peer has closed')
    for (const [link, gone] of this.#callers) {
      gone.abort(reason)
      link.reset()
    }
  }

  get #hasPlace(): boolean {
    return this.#options.places() > this.#reserved
  }

  #hasRoomFor({ remote }: Link): boolean {
    const fromThere = [...this.#callers.keys()].filter(caller => caller.remote.address === remote.address)
    return this.#callers.size < MAX_PEERPY_CALLERS && fromThere.length < MAX_PEERPY_CALLERS_PER_ADDRESS
  }

  async #welcome(link: Link, gone: AbortController): Promise<void> {
    const { clock, timeoutMs } = this.#options
    try {
      const header = await link.readHeader({ clock, timeoutMs: timeoutMs(), signal: gone.signal })
      watchForEnd(link, gone)
      const hello = decodeHello(header)
      await this.#answer(hello, link, gone.signal).finally(() => this.#options.onSettled(hello))
    } catch (error) {
      link.reset()
      this.#report(error, link)
    }
  }

  async #answer(hello: Hello, link: Link, gone: AbortSignal): Promise<void> {
    const { isWelcome, hasDialled } = this.#options
    if (!isWelcome(hello, link)) return this.#deny(link)
    if (await hasDialled(hello)) return this.#deny(link)
    gone.throwIfAborted()
    await this.#reservePlace(gone)
    try {
      const isAdmitted = await this.#decision(hello, link, gone)
      // What was so when it was asked about may have changed.
      if (isAdmitted && isWelcome(hello, link)) this.#accept(hello, link)
      else this.#deny(link)
    } finally {
      this.#reserved--
      this.onPlace()
    }
  }

  #accept(hello: Hello, link: Link): void {
    link.write(encodeHeader('ACCEPT'))
    this.#options.onAccepted(hello, link)
  }

  #deny(link: Link): void {
    link.write(DENY)
    link.end(this.#options.clock, this.#options.timeoutMs())
  }

  #reservePlace(gone: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onGone = () => {
        this.#waiting.delete(reserve)
        reject(gone.reason)
      }
      const reserve = () => {
        gone.removeEventListener('abort', onGone)
        this.#waiting.delete(reserve)
        this.#reserved++
        resolve()
      }
      if (gone.aborted) return onGone()
      if (this.#waiting.size === 0 && this.#hasPlace) return reserve()
      gone.addEventListener('abort', onGone)
      this.#waiting.add(reserve)
    })
  }

  #decision(hello: Hello, link: Link, gone: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.setTimer(ADMISSION_TIMEOUT_MS, () => settle(() => resolve(false)))
      const onGone = () => settle(() => reject(gone.reason))
      const settle = (how: () => void) => {
        timer.cancel()
        gone.removeEventListener('abort', onGone)
        how()
      }
      gone.addEventListener('abort', onGone)
      if (gone.aborted) return onGone()
      this.#options.decide(hello, link, gone).then(
        isAdmitted => settle(() => resolve(isAdmitted)),
        error => settle(() => reject(error)),
      )
    })
  }

  /** Who hangs up, or says nothing, is nobody's trouble. What is wrong is told. */
  #report(error: unknown, link: Link): void {
    if (!(error instanceof EarshotError)) throw error
    if (this.#isClosed || error.code !== 'protocol-violation') return
    const message = `a caller from ${formatSocketAddress(link.remote)} was cut off: ${error.message}`
    this.#options.onWarning(new EarshotError(error.code, message, { cause: error }))
  }
}

/** Aborts when the caller is gone, or sends more than belongs there. */
function watchForEnd(link: Link, gone: AbortController): void {
  const onBytes = () => {
    // A dial of this library that was given up says so, and waits for us to close.
    if (isDenied(link)) gone.abort(new EarshotError('lost', 'the caller has given up'))
    if (link.queue.length > MAX_PEERPY_EARLY_BYTES)
      gone.abort(new EarshotError('protocol-violation', `more than ${MAX_PEERPY_EARLY_BYTES} bytes came before ACCEPT`))
  }
  link.readBy({ onBytes, onClosed: error => gone.abort(error ?? new EarshotError('lost', 'the caller hung up')) })
  onBytes()
}

function isDenied({ queue }: Link): boolean {
  if (queue.length < HEADER_BYTES) return false
  const next = queue.peek(HEADER_BYTES)
  return DENY.every((byte, at) => byte === next[at])
}
