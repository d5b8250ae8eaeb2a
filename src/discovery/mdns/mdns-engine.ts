/**
 * Multicast DNS (RFC 6762), responder and querier, on every chosen interface and both address families. Each owner (a
 * room, a `publish`, a `browse`) has an engine of its own; those of one host share port 5353 and hear each other through
 * the loop-back of multicast, like programs on different hosts.
 *
 * The engine knows names and records; what services are is `dns-sd/`.
 */

import { EarshotError } from '../../errors.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { AddressFamily, Network, NetworkInterface } from '../../platform/network.ts'
import type { Random } from '../../platform/random.ts'
import { InterfaceFollower } from '../interface-follower.ts'
import { Link } from './link.ts'
import type { Interest } from './link-querier.ts'
import type { Publication } from './publication.ts'
import type { Persistence } from './querier.ts'
import { type Question, type ResourceRecord, recordKey, setKey } from './record.ts'

/** A new interface that could not send yet is given this long. */
const REPEAT_MS = 2_000
/** Time for the goodbye to leave before its socket closes. */
const GOODBYE_MS = 20
/** Our former records may still be under way to us: for this long they are no conflict. */
const FORMER_MS = 2_000
const MAX_FORMER = 256

export interface MdnsEngineOptions {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  /** The interfaces to use, of those there are now. */
  chooseInterfaces(all: readonly NetworkInterface[]): readonly NetworkInterface[]
  /** Something does not work, but the rest goes on. Each trouble of each interface is told once. */
  onWarning(error: EarshotError): void
}

export interface RecordListener {
  /** These records came or went, or are the newest of their set now. May ask further questions. */
  onRecords(records: readonly ResourceRecord[]): void
  /** All that came in one packet has been told. */
  onSettled(): void
}

export interface FoundRecord {
  readonly record: ResourceRecord
  readonly link: NetworkInterface
  readonly receivedAt: number
}

export class MdnsEngine {
  readonly #options: MdnsEngineOptions
  readonly #interests = new Map<string, Interest & { count: number }>()
  readonly #publications = new Set<Publication>()
  readonly #listeners = new Set<RecordListener>()
  /** By interface and family. */
  readonly #links = new Map<string, Link>()
  readonly #former = new Map<string, number>()
  readonly #follower: InterfaceFollower
  #repeat: Timer | undefined
  #isClosed = false

  constructor(options: MdnsEngineOptions) {
    this.#options = options
    const { clock, network, chooseInterfaces, onWarning } = options
    this.#follower = new InterfaceFollower({
      clock,
      network,
      user: 'multicast DNS',
      chooseInterfaces,
      onInterfaces: interfaces => this.#openLinks(interfaces),
      onSlept: () => this.#repeatAll(),
      onWarning,
    })
  }

  /** Opens the sockets. Resolves when the questions asked so far have left on every interface that can be used. */
  async start(): Promise<void> {
    await this.#follower.start()
  }

  /** The interfaces in use. */
  get interfaces(): readonly NetworkInterface[] {
    const byName = new Map([...this.#links.values()].map(link => [link.interface.name, link.interface]))
    return [...byName.values()]
  }

  /** Starts to ask; each `ask` needs its `stopAsking`. */
  ask(question: Question, persistence: Persistence): void {
    const key = setKey(question)
    const interest = this.#interests.get(key)
    if (interest !== undefined) {
      interest.count++
      return
    }
    const added = { question, persistence, count: 1 }
    this.#interests.set(key, added)
    for (const link of this.#links.values()) {
      link.querier.ask(added, this.#options.clock.now())
      link.schedule()
      if (persistence === 'browse')
        link.askAtOnce([question]).catch(error => this.#follower.warn(link.interface.name, error))
    }
  }

  stopAsking(question: Question): void {
    const key = setKey(question)
    const interest = this.#interests.get(key)
    if (interest === undefined || --interest.count > 0) return
    this.#interests.delete(key)
    for (const link of this.#links.values()) link.querier.stop(interest)
  }

  /** What is believed at the moment, of all links, the preferred interface first. */
  lookup(set: Pick<Question, 'name' | 'type'>): FoundRecord[] {
    const now = this.#options.clock.now()
    return [...this.#links.values()].flatMap(({ interface: link, querier }) =>
      querier.cache.get(set, now).map(({ record, receivedAt }) => ({ record, receivedAt, link })),
    )
  }

  /** True where some link has heard this record, and it has not expired. */
  holds(record: ResourceRecord): boolean {
    const now = this.#options.clock.now()
    return [...this.#links.values()].some(({ querier }) => querier.cache.holds(record, now))
  }

  /** Tells of all records asked for, until the returned function is called. */
  listen(listener: RecordListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Probes for the names of the publication and announces it, on all links, those that come later too. */
  publish(publication: Publication): void {
    this.#publications.add(publication)
    this.#eachLink((link, now) => link.responder.claims.add(publication, now))
  }

  /** Lets `change` change the records of a publication under the same names, and announces what is different. */
  update(publication: Publication, change: () => void): void {
    this.#rememberRecords(publication)
    change()
    this.#eachLink((link, now) => link.responder.claims.update(publication, now))
  }

  /** Says goodbye. */
  withdraw(publication: Publication): void {
    this.#publications.delete(publication)
    this.#eachLink(link => link.responder.claims.remove(publication))
  }

  /** Says goodbye to all that is published, frees every socket and timer. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#repeat?.cancel()
    const stopped = this.#follower.stop()
    const hadPublications = this.#publications.size > 0
    for (const publication of this.#publications) this.withdraw(publication)
    await stopped
    if (hadPublications && this.#links.size > 0) {
      await new Promise<void>(resolve => this.#options.clock.setTimer(GOODBYE_MS, resolve))
    }
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
    this.#listeners.clear()
  }

  #eachLink(fn: (link: Link, now: number) => void): void {
    for (const link of this.#links.values()) {
      fn(link, this.#options.clock.now())
      link.schedule()
    }
  }

  /** Interfaces ---------------------------------------------------------------------------------------------------- */

  /** Makes the links what the interfaces are now. */
  async #openLinks(interfaces: readonly NetworkInterface[]): Promise<void> {
    const wanted = wantedLinks(interfaces)
    this.#closeUnwanted(wanted)
    await Promise.all([...wanted].map(([key, { link, family }]) => this.#openOrUpdate(key, link, family)))
  }

  #closeUnwanted(wanted: ReadonlyMap<string, unknown>): void {
    const lost: ResourceRecord[] = []
    for (const [key, link] of this.#links) {
      if (wanted.has(key)) continue
      link.close()
      this.#links.delete(key)
      lost.push(...link.querier.cache.records())
    }
    // All that was heard there is gone with the link.
    if (lost.length > 0) this.#tell(lost)
  }

  async #openOrUpdate(key: string, link: NetworkInterface, family: AddressFamily): Promise<void> {
    const existing = this.#links.get(key)
    if (existing !== undefined) {
      if (addressesOf(existing.interface) !== addressesOf(link)) await this.#move(existing, link)
      return
    }
    const opened = this.#newLink(link, family)
    try {
      await opened.open()
      if (this.#isClosed) {
        opened.close()
        return
      }
      this.#links.set(key, opened)
      const now = this.#options.clock.now()
      for (const publication of this.#publications) opened.responder.claims.add(publication, now)
      await this.#askOn(opened)
    } catch (error) {
      this.#follower.warn(link.name, error)
      this.#follower.retryLater()
    }
  }

  /** Another address may be another network: says everything and asks everything again. */
  async #move(existing: Link, link: NetworkInterface): Promise<void> {
    try {
      await existing.move(link)
      await this.#sayAndAskAgain(existing)
    } catch (error) {
      this.#follower.warn(link.name, error)
      this.#follower.retryLater()
    }
  }

  async #sayAndAskAgain(link: Link): Promise<void> {
    link.responder.claims.announceAll(this.#options.clock.now())
    await this.#askOn(link)
  }

  async #askOn(link: Link): Promise<void> {
    const now = this.#options.clock.now()
    for (const interest of this.#interests.values()) link.querier.ask(interest, now)
    link.schedule()
    const browsed = [...this.#interests.values()].filter(({ persistence }) => persistence === 'browse')
    if (browsed.length > 0) await link.askAtOnce(browsed.map(({ question }) => question))
  }

  #newLink(link: NetworkInterface, family: AddressFamily): Link {
    const { clock, network, random } = this.#options
    return new Link({
      link,
      family,
      clock,
      network,
      fraction: () => random.fraction(),
      interests: this.#interests,
      isOwn: record => this.#isOwn(record),
      onConflict: (publication, name) => this.#rename(publication, name),
      onChanged: records => {
        for (const listener of this.#listeners) listener.onRecords(records)
      },
      onSettled: () => {
        for (const listener of this.#listeners) listener.onSettled()
      },
      onNotReady: () => this.#repeatLater(),
      onWarning: error => this.#follower.warn(link.name, error),
      onFull: () => this.#follower.warn(link.name, tooManyRecords(link.name)),
    })
  }

  /** For an interface that was not ready when it came up. */
  #repeatLater(): void {
    if (this.#isClosed) return
    this.#repeat?.cancel()
    this.#repeat = this.#options.clock.setTimer(REPEAT_MS, () => this.#repeatAll())
  }

  #repeatAll(): void {
    for (const link of this.#links.values()) {
      this.#sayAndAskAgain(link).catch(error => this.#follower.warn(link.interface.name, error))
    }
  }

  /** Names ---------------------------------------------------------------------------------------------------------- */

  #rename(publication: Publication, name: string): void {
    if (!this.#publications.has(publication)) return
    publication.onConflict(name)
    this.#eachLink((link, now) => link.responder.claims.rename(publication, now))
  }

  #isOwn(record: ResourceRecord): boolean {
    const formerUntil = this.#former.get(recordKey(record))
    if (formerUntil !== undefined && this.#options.clock.now() < formerUntil) return true
    return [...this.#links.values()].some(link => link.responder.claims.owns(record))
  }

  #rememberRecords(publication: Publication): void {
    if (this.#former.size > MAX_FORMER) this.#former.clear()
    const until = this.#options.clock.now() + FORMER_MS
    for (const { responder } of this.#links.values()) {
      for (const record of responder.claims.recordsOf(publication)) this.#former.set(recordKey(record), until)
    }
  }

  #tell(records: readonly ResourceRecord[]): void {
    for (const listener of this.#listeners) listener.onRecords(records)
    for (const listener of this.#listeners) listener.onSettled()
  }
}

function wantedLinks(
  interfaces: readonly NetworkInterface[],
): Map<string, { link: NetworkInterface; family: AddressFamily }> {
  return new Map(
    interfaces.flatMap(link =>
      familiesOf(link).map(family => [`${link.name} ${link.index} ${family}`, { link, family }]),
    ),
  )
}

/** IPv6 multicast does not pass the loopback interface on Linux; on one machine IPv4 does as well. */
function familiesOf({ kind, addresses }: NetworkInterface): AddressFamily[] {
  const families = (['ipv4', 'ipv6'] as const).filter(family => addresses.some(own => own.family === family))
  return kind === 'loopback' && families.length === 2 ? ['ipv4'] : families
}

function addressesOf({ addresses }: NetworkInterface): string {
  return addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`).join(' ')
}

function tooManyRecords(interfaceName: string): EarshotError {
  return new EarshotError('limit-reached', `too many multicast DNS records on ${interfaceName}: new ones are ignored`, {
    hint: 'A program on this network announces thousands of services; docs/limits.md has the limits.',
  })
}
