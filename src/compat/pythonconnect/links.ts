/**
 * The connections of a node, one for each name. Nobody proves a name here: whoever was first keeps it, and a second
 * connection from the same address is the same device, dialled from both sides or started again.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_PYTHONCONNECT_LINKS_PER_ADDRESS, MAX_PYTHONCONNECT_NODES } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Network, SocketAddress, TcpConnection } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import type { Frame } from './frame.ts'
import { Link } from './link.ts'
import { isBefore } from './node-name.ts'

/** Two connections that both are younger than this were dialled at the same time. */
const CROSSING_MS = 5_000

export interface LinksOptions {
  readonly clock: Clock
  readonly network: Network
  readonly ownName: string
  readonly paceMs: number
  onOpen(link: Link): void
  onFrame(link: Link, frame: Frame): void
  /** Of a link that was told by `onOpen`. */
  onEnd(link: Link, error: EarshotError | undefined): void
  onWarning(error: EarshotError): void
}

export interface DialLimits {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export class Links {
  readonly #options: LinksOptions
  readonly #open = new Map<string, Link>()
  /** Those that have not said their names, too. */
  readonly #all = new Set<Link>()
  #isClosed = false

  constructor(options: LinksOptions) {
    this.#options = options
  }

  get(name: string): Link | undefined {
    return this.#open.get(name)
  }

  get open(): IterableIterator<Link> {
    return this.#open.values()
  }

  accept(connection: TcpConnection): void {
    if (this.#isFull(connection.remote)) connection.destroy()
    else this.#adopt(connection, false)
  }

  /** Resolves with the link that has the name of who is there. Rejects with an EarshotError or `signal.reason`. */
  async dial(remote: SocketAddress, { timeoutMs, signal }: DialLimits): Promise<Link> {
    const connection = await this.#options.network.connectTcp(remote, { timeoutMs, signal })
    const link = this.#adopt(connection, true)
    const onAbort = () => link.destroy()
    signal.addEventListener('abort', onAbort, { once: true })
    const isNamed = await link.named
    signal.removeEventListener('abort', onAbort)
    signal.throwIfAborted()
    const kept = isNamed ? this.#open.get(link.name) : undefined
    if (kept?.remote.address === remote.address) return kept
    const where = formatSocketAddress(remote)
    if (!isNamed) throw new EarshotError('closed', `the node at ${where} hung up without saying its name`)
    throw new EarshotError('refused', `the node at ${where} calls itself '${link.name}', which is somebody else's name`)
  }

  /** Says goodbye to all; resolves when they have hung up, after a second at most. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#all].map(link => link.quit()))
  }

  /** At once. */
  destroy(): void {
    this.#isClosed = true
    for (const link of this.#all) link.destroy()
  }

  #isFull({ address }: SocketAddress): boolean {
    const fromThere = [...this.#all].filter(link => link.remote.address === address).length
    return (
      this.#isClosed || this.#all.size >= MAX_PYTHONCONNECT_NODES || fromThere >= MAX_PYTHONCONNECT_LINKS_PER_ADDRESS
    )
  }

  #adopt(connection: TcpConnection, isDialled: boolean): Link {
    const { clock, ownName, paceMs } = this.#options
    const link = new Link({
      connection,
      clock,
      ownName,
      paceMs,
      isDialled,
      onNamed: (named, name) => this.#onNamed(named, name),
      onFrame: (from, frame) => this.#open.get(from.name) === from && this.#options.onFrame(from, frame),
      onEnd: (ended, error) => this.#onEnd(ended, error),
    })
    this.#all.add(link)
    if (this.#isClosed) link.destroy()
    return link
  }

  #onNamed(link: Link, name: string): void {
    const known = this.#open.get(name)
    if (name === this.#options.ownName || (known && known.remote.address !== link.remote.address)) {
      this.#options.onWarning(nameTaken(name, link.remote, known?.remote))
      link.destroy()
    } else if (known && this.#isBetter(known, link)) {
      link.destroy()
    } else {
      this.#open.set(name, link)
      if (known && isYoung(known, link)) this.#replace(known)
      else this.#introduce(link, known)
    }
  }

  /** Where dials cross, the one of the smaller name stays, on both sides. Otherwise the newer is the device's own choice. */
  #isBetter(known: Link, link: Link): boolean {
    if (known.isDialled === link.isDialled || !isYoung(known, link)) return false
    return known.isDialled === isBefore(this.#options.ownName, known.name)
  }

  /** The application need not know. */
  #replace(known: Link): void {
    known.destroy()
  }

  #introduce(link: Link, known: Link | undefined): void {
    if (known) {
      this.#options.onEnd(known, undefined)
      known.destroy()
    }
    this.#options.onOpen(link)
  }

  #onEnd(link: Link, error: EarshotError | undefined): void {
    this.#all.delete(link)
    const isCurrent = link.name !== '' && this.#open.get(link.name) === link
    if (isCurrent) this.#open.delete(link.name)
    if (error && error.code !== 'lost') this.#options.onWarning(error)
    if (isCurrent) this.#options.onEnd(link, error)
  }
}

function isYoung(known: Link, link: Link): boolean {
  return link.openedAt - known.openedAt < CROSSING_MS
}

function nameTaken(name: string, there: SocketAddress, known: SocketAddress | undefined): EarshotError {
  const also = known ? `the device at ${known.address}` : 'this node'
  return new EarshotError('name-taken', `${there.address} calls itself '${name}', as ${also} does`, {
    hint: 'pythonConnect knows devices by their names alone: give each its own.',
  })
}
