/**
 * One link: an interface and an address family, with its own sockets, responder and querier, as RFC 6762 treats them
 * (section 20: hosts of either family are ships that pass in the night).
 *
 * Two sockets. The one on port 5353 is shared with other programs and does all that RFC 6762 asks for. The other, on a
 * port of its own and open for a few seconds only, asks the first question: unicast answers to it surely reach this
 * program, and come within milliseconds (section 6.7).
 */

import type { EarshotError } from '../../errors.ts'
import { MAX_DELAYED_UNICAST_ANSWERS, MAX_MDNS_PACKETS_PER_SECOND } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { onLinkTest } from '../../platform/ip-address.ts'
import type { AddressFamily, Network, NetworkInterface, SocketAddress, UdpSocket } from '../../platform/network.ts'
import { type Interest, LinkQuerier } from './link-querier.ts'
import { LinkResponder, MDNS_PORT } from './link-responder.ts'
import { decodeMessage, encodeMessage, type MdnsMessage, message } from './message.ts'
import { type AskedQuestion, queryPackets, responsePackets } from './packets.ts'
import type { Publication } from './publication.ts'
import type { Question, ResourceRecord } from './record.ts'

export const MDNS_GROUP: Readonly<Record<AddressFamily, string>> = { ipv4: '224.0.0.251', ipv6: 'ff02::fb' }
const WILDCARD: Readonly<Record<AddressFamily, string>> = { ipv4: '0.0.0.0', ipv6: '::' }
/** Section 11. */
export const MDNS_TTL = 255
/** How long the socket of the first question waits for answers. */
const ONE_SHOT_LISTEN_MS = 3_000
/** A new IPv6 address cannot be used before its uniqueness has been checked (RFC 4862 section 5.4), a second or two. */
const SETTLING_MS = 4_000

export interface LinkOptions {
  readonly link: NetworkInterface
  readonly family: AddressFamily
  readonly clock: Clock
  readonly network: Network
  readonly fraction: () => number
  readonly interests: ReadonlyMap<string, Interest>
  isOwn(record: ResourceRecord): boolean
  onConflict(publication: Publication, name: string): void
  onChanged(records: readonly ResourceRecord[]): void
  /** Everything that one packet or moment changed has been told. */
  onSettled(): void
  /** The interface is too new to send: what was said and asked has to be repeated a little later. */
  onNotReady(): void
  onWarning(error: EarshotError): void
  onFull(): void
}

export class Link {
  readonly responder: LinkResponder
  readonly querier: LinkQuerier
  readonly #options: LinkOptions
  #link: NetworkInterface
  #isOnLink: (source: string) => boolean
  #socket: UdpSocket | undefined
  #oneShot: UdpSocket | undefined
  #oneShotTimer: Timer | undefined
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  readonly #delayed = new Set<Timer>()
  #openedAt = Number.NEGATIVE_INFINITY
  #packetsLeft = MAX_MDNS_PACKETS_PER_SECOND
  #packetsCountedFrom = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.#link = options.link
    this.#isOnLink = onLinkTest(options.link)
    this.responder = new LinkResponder({
      link: options.link,
      fraction: options.fraction,
      multicast: response => this.#multicast(response),
      unicast: (response, to, { delayMs, isLegacy }) => this.#unicastLater(response, to, delayMs, isLegacy),
      isOwn: record => options.isOwn(record),
      onConflict: (publication, name) => options.onConflict(publication, name),
      now: () => options.clock.now(),
    })
    this.querier = new LinkQuerier({
      fraction: options.fraction,
      interests: options.interests,
      sendQuery: asked => this.#query(asked),
      onChanged: records => options.onChanged(records),
      onFull: () => options.onFull(),
    })
  }

  get interface(): NetworkInterface {
    return this.#link
  }

  /** Opens the shared socket. Rejects with an EarshotError where the interface or the port cannot be used. */
  async open(): Promise<void> {
    const socket = await this.#openUdp(MDNS_PORT, (bytes, remote) => this.#onDatagram(bytes, remote))
    try {
      socket.joinGroup(MDNS_GROUP[this.#options.family])
    } catch (error) {
      socket.close()
      throw error
    }
    this.#socket?.close()
    this.#socket = socket
    this.#openedAt = this.#options.clock.now()
    if (this.#isClosed) this.close()
  }

  /**
   * The interface has other addresses now. Sockets are opened anew, since the system ties them to an address; what was
   * heard is kept.
   */
  async move(link: NetworkInterface): Promise<void> {
    this.#link = link
    this.#isOnLink = onLinkTest(link)
    await this.open()
    this.responder.claims.setLink(link, this.#options.clock.now())
  }

  /** Asks at once, from a port of its own (section 6.7); resolves when the question has left. */
  async askAtOnce(questions: readonly Question[]): Promise<void> {
    this.#closeOneShot()
    const socket = await this.#openUdp(0, (bytes, remote) => this.#onOneShotAnswer(bytes, remote))
    if (this.#isClosed) {
      socket.close()
      return
    }
    this.#closeOneShot()
    this.#oneShot = socket
    this.#oneShotTimer = this.#options.clock.setTimer(ONE_SHOT_LISTEN_MS, () => this.#closeOneShot())
    const urgent = questions.map(question => ({ ...question, unicastResponse: true }))
    socket.send(encodeMessage(message({ questions: urgent })), this.#group())
  }

  /** Sets the timer for what is due next; to be called after anything was changed from outside. */
  schedule(): void {
    if (this.#isClosed) return
    const nextAt = Math.min(this.responder.nextAt, this.querier.nextAt)
    if (nextAt === this.#timerAt) return
    this.#timer?.cancel()
    this.#timerAt = nextAt
    if (nextAt === Number.POSITIVE_INFINITY) return
    this.#timer = this.#options.clock.setTimer(Math.max(0, nextAt - this.#options.clock.now()), () => this.#advance())
  }

  /** Idempotent. Says nothing: goodbyes are the responder's. */
  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const timer of this.#delayed) timer.cancel()
    this.#delayed.clear()
    this.#closeOneShot()
    this.#socket?.close()
    this.#socket = undefined
  }

  #advance(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = this.#options.clock.now()
    this.responder.advance(now)
    this.querier.advance(now)
    this.#options.onSettled()
    this.schedule()
  }

  #onDatagram(bytes: Uint8Array, remote: SocketAddress): void {
    const received = this.#read(bytes, remote)
    if (received === undefined) return
    const now = this.#options.clock.now()
    if (!received.isResponse) {
      this.responder.handleQuery(received, remote, now)
      if (remote.port === MDNS_PORT) this.querier.handleQuery(received, remote, now)
    } else if (remote.port === MDNS_PORT) {
      // Section 6: responses from other ports MUST be ignored.
      this.responder.handleResponse(received, now)
      this.querier.handleResponse(received, remote, false, now)
    }
    this.#options.onSettled()
    this.schedule()
  }

  #onOneShotAnswer(bytes: Uint8Array, remote: SocketAddress): void {
    const received = remote.port === MDNS_PORT ? this.#read(bytes, remote) : undefined
    if (received?.isResponse !== true) return
    this.querier.handleResponse(received, remote, true, this.#options.clock.now())
    this.#options.onSettled()
    this.schedule()
  }

  /** The message, unless it comes from elsewhere, from a flood, or cannot be read. Such packets are ignored silently. */
  #read(bytes: Uint8Array, remote: SocketAddress): MdnsMessage | undefined {
    if (this.#isClosed || !this.#isOnLink(remote.address) || !this.#hasRoom()) return undefined
    try {
      return decodeMessage(bytes)
    } catch {
      return undefined
    }
  }

  #hasRoom(): boolean {
    const now = this.#options.clock.now()
    if (now - this.#packetsCountedFrom >= 1_000) {
      this.#packetsCountedFrom = now
      this.#packetsLeft = MAX_MDNS_PACKETS_PER_SECOND
    }
    return this.#packetsLeft-- > 0
  }

  #query(asked: readonly AskedQuestion[]): void {
    for (const packet of queryPackets(asked)) this.#socket?.send(packet, this.#group())
  }

  #multicast(content: MdnsMessage): void {
    for (const packet of responsePackets(content)) this.#socket?.send(packet, this.#group())
  }

  #unicastLater(response: MdnsMessage, to: SocketAddress, delayMs: number, isLegacy: boolean): void {
    if (this.#delayed.size >= MAX_DELAYED_UNICAST_ANSWERS) return
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#delayed.delete(timer)
      const current = this.responder.stillOwn(response)
      if (current === undefined) return
      for (const packet of responsePackets(current, { compressSrvTarget: !isLegacy })) this.#socket?.send(packet, to)
    })
    this.#delayed.add(timer)
  }

  #openUdp(port: number, onDatagram: (bytes: Uint8Array, remote: SocketAddress) => void): Promise<UdpSocket> {
    const { network, family } = this.#options
    return network.openUdp(
      {
        address: WILDCARD[family],
        port,
        sharePort: port === MDNS_PORT,
        multicastInterface: this.#link.name,
        multicastTtl: MDNS_TTL,
      },
      { onDatagram, onError: error => this.#onError(error) },
    )
  }

  #onError(error: EarshotError): void {
    const isNew = this.#options.clock.now() - this.#openedAt < SETTLING_MS
    if (isNew) this.#options.onNotReady()
    else this.#options.onWarning(error)
  }

  #closeOneShot(): void {
    this.#oneShotTimer?.cancel()
    this.#oneShot?.close()
    this.#oneShot = undefined
  }

  #group(): SocketAddress {
    return { address: MDNS_GROUP[this.#options.family], port: MDNS_PORT }
  }
}
