/** Getting an allocation (RFC 8656 section 7): challenges, redirections, ports that are taken. */

import { protocolViolation } from '../../errors.ts'
import { MAX_TURN_REDIRECTIONS } from '../../limits.ts'
import type { AddressFamily, SocketAddress, TlsOptions } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { addressIn, errorCodeIn, mappedAddressIn, textIn, uint32Attribute, xorAddressIn } from '../stun/attribute.ts'
import { ATTRIBUTE } from '../stun/attribute-type.ts'
import type { LongTermCredential } from '../stun/long-term-credential.ts'
import { METHOD, type ReceivedStunMessage, readStunMessage, type StunAttribute } from '../stun/message.ts'
import { mayBeAsked } from '../stun/remote-address.ts'
import { resolveServer } from '../stun/resolve-server.ts'
import { retransmissionDelays, retransmissionDelaysWithin } from '../stun/retransmission.ts'
import { openServerLink, type ServerLink } from '../stun/server-link.ts'
import { stunError } from '../stun/stun-error.ts'
import type { StunUri } from '../stun/stun-uri.ts'
import { StunTransactions } from '../stun/transactions.ts'
import { Allocation, type AllocationHandlers } from './allocation.ts'
import { lifetimeIn } from './allocation-life.ts'
import { AuthenticatedRequests } from './authenticated-requests.ts'
import { TcpAllocation, type TcpAllocationHandlers, type TcpGrant } from './tcp-allocation.ts'

export interface AllocationRequest {
  readonly uri: StunUri
  /** Prepared. */
  readonly credential: LongTermCredential
  /** Of the way to the server. */
  readonly serverFamily: AddressFamily
  /** Of the relayed address. */
  readonly family: AddressFamily
  readonly lifetimeMs: number
  readonly keepAliveMs: number
  readonly localPort: number | undefined
  readonly timeoutMs: number
  readonly trustedCertificates: readonly string[] | undefined
  readonly signal: AbortSignal | undefined
}

/** Where to ask next. */
interface Attempt {
  readonly remote: SocketAddress
  readonly serverName: string
  readonly localPort: number | undefined
}

/** Protocol numbers of IP. */
const UDP = 17
const TCP = 6
const IPV6 = 2
const TRY_ALTERNATE = 300
const ALLOCATION_MISMATCH = 437
/** RFC 8656 section 7.4: another port, a few times. */
const MAX_MISMATCHES = 3

/** The protocol between server and peers, and what is made of a grant. */
interface Kind<Made> {
  readonly protocol: number
  readonly make: (grant: TcpGrant) => Made
}

/** What the link hands messages to. */
type Receiver = Pick<Allocation, 'receive' | 'drained' | 'fail'>

export function allocateOn(
  platform: Platform,
  request: AllocationRequest,
  handlers: AllocationHandlers,
): Promise<Allocation> {
  return allocateKind(platform, request, { protocol: UDP, make: grant => new Allocation(grant, handlers) })
}

/** RFC 6062 section 4.1: over TCP or TLS only. */
export function allocateTcpOn(
  platform: Platform,
  request: AllocationRequest,
  handlers: TcpAllocationHandlers,
): Promise<TcpAllocation> {
  return allocateKind(platform, request, { protocol: TCP, make: grant => new TcpAllocation(grant, handlers) })
}

async function allocateKind<Made extends Receiver>(
  platform: Platform,
  request: AllocationRequest,
  kind: Kind<Made>,
): Promise<Made> {
  const { uri, serverFamily, localPort } = request
  const [address] = await resolveServer(platform.network, uri, serverFamily)
  const asked = new Set<string>()
  let attempt: Attempt = { remote: { address: address!, port: uri.port }, serverName: uri.host, localPort }
  for (let mismatches = 0; ; ) {
    const outcome = await new Allocating(platform, request, attempt, kind).run()
    if (outcome.kind === 'made') return outcome.made
    const { response } = outcome
    const code = errorCodeIn(response)?.code
    if (code === ALLOCATION_MISMATCH && localPort === undefined && ++mismatches < MAX_MISMATCHES) continue
    asked.add(attempt.remote.address)
    const alternate = code === TRY_ALTERNATE ? alternateIn(response, attempt) : undefined
    if (alternate === undefined || asked.has(alternate.remote.address) || asked.size > MAX_TURN_REDIRECTIONS) {
      throw stunError(response, attempt.remote)
    }
    attempt = alternate
  }
}

/** RFC 8489 section 10: the same transport and credential; the certificate must be for the domain that it names, or the first one. */
function alternateIn(response: ReceivedStunMessage, { remote, serverName, localPort }: Attempt): Attempt | undefined {
  const alternate = addressIn(response, ATTRIBUTE.alternateServer)
  if (alternate === undefined || !mayBeAsked(alternate, remote)) return undefined
  return { remote: alternate, serverName: textIn(response, ATTRIBUTE.alternateDomain) ?? serverName, localPort }
}

type Outcome<Made> =
  | { readonly kind: 'made'; readonly made: Made }
  | { readonly kind: 'refused'; readonly response: ReceivedStunMessage }

/** One attempt, and the link that carries it. */
class Allocating<Made extends Receiver> {
  readonly #platform: Platform
  readonly #request: AllocationRequest
  readonly #attempt: Attempt
  #link: ServerLink | undefined
  readonly #kind: Kind<Made>
  #allocation: Made | undefined

  constructor(platform: Platform, request: AllocationRequest, attempt: Attempt, kind: Kind<Made>) {
    this.#platform = platform
    this.#request = request
    this.#attempt = attempt
    this.#kind = kind
  }

  /** The allocation, or the error response of the server. */
  async run(): Promise<Outcome<Made>> {
    const { clock, random } = this.#platform
    const { uri, timeoutMs, credential, signal } = this.#request
    const isUdp = uri.transport === 'udp'
    const transmit = (bytes: Uint8Array) => void this.#link?.send(bytes)
    const delaysMs = isUdp ? retransmissionDelays() : [timeoutMs]
    const transactions = new StunTransactions({ clock, random, transmit, delaysMs })
    await this.#open(transactions)
    try {
      const requests = new AuthenticatedRequests(transactions, this.#attempt.remote, credential)
      const firstDelaysMs = isUdp ? retransmissionDelaysWithin(timeoutMs) : delaysMs
      const request = { method: METHOD.allocate, attributes: () => this.#attributes(), delaysMs: firstDelaysMs, signal }
      const { message } = await requests.request(request)
      if (message.class === 'error') return { kind: 'refused', response: message }
      const made = this.#kind.make(this.#grant(message, transactions, requests))
      this.#allocation = made
      return { kind: 'made', made }
    } finally {
      if (!this.#allocation) this.#link?.close()
    }
  }

  async #open(transactions: StunTransactions): Promise<void> {
    const { uri, timeoutMs, signal } = this.#request
    const { remote, localPort } = this.#attempt
    const tls = this.#tls
    this.#link = await openServerLink(
      this.#platform,
      { transport: uri.transport, remote, localPort, connectTimeoutMs: timeoutMs, tls, signal },
      {
        onMessage: bytes => {
          if (this.#allocation) this.#allocation.receive(bytes)
          else this.#receive(transactions, bytes)
        },
        onDrain: () => this.#allocation?.drained(),
        onBroken: error => {
          transactions.close(error)
          this.#allocation?.fail(error)
        },
      },
    )
  }

  get #tls(): TlsOptions | undefined {
    const { uri, trustedCertificates } = this.#request
    if (uri.transport !== 'tls') return undefined
    return { serverName: this.#attempt.serverName, ...(trustedCertificates ? { trustedCertificates } : {}) }
  }

  #receive(transactions: StunTransactions, bytes: Uint8Array): void {
    const message = readStunMessage(bytes)
    if (message) transactions.receive(message, this.#attempt.remote)
  }

  #attributes(): readonly StunAttribute[] {
    const { family, lifetimeMs } = this.#request
    return [
      uint32Attribute(ATTRIBUTE.requestedTransport, this.#kind.protocol * 0x100_0000),
      uint32Attribute(ATTRIBUTE.lifetime, Math.round(lifetimeMs / 1_000)),
      ...(family === 'ipv6' ? [uint32Attribute(ATTRIBUTE.requestedAddressFamily, IPV6 * 0x100_0000)] : []),
    ]
  }

  #grant(message: ReceivedStunMessage, transactions: StunTransactions, requests: AuthenticatedRequests): TcpGrant {
    const relayedAddress = xorAddressIn(message, ATTRIBUTE.xorRelayedAddress)
    const mappedAddress = mappedAddressIn(message)
    const lifetimeMs = lifetimeIn(message)
    if (!relayedAddress || !mappedAddress || !lifetimeMs) {
      throw protocolViolation(
        'The server grants an allocation without saying its relayed address, mapped address or lifetime',
      )
    }
    const { clock, random } = this.#platform
    const { keepAliveMs, timeoutMs } = this.#request
    return {
      platform: this.#platform,
      clock,
      random,
      link: this.#link!,
      tls: this.#tls,
      timeoutMs,
      transactions,
      requests,
      relayedAddress,
      mappedAddress,
      lifetimeMs,
      keepAliveMs,
    }
  }
}
