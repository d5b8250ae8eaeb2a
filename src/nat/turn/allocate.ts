/** Getting an allocation (RFC 8656 section 7): challenges, redirections, ports that are taken. */

import { protocolViolation } from '../../errors.ts'
import { MAX_TURN_REDIRECTIONS } from '../../limits.ts'
import type { AddressFamily, SocketAddress } from '../../platform/network.ts'
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

export interface AllocationRequest {
  readonly uri: StunUri
  /** Prepared. */
  readonly credential: LongTermCredential
  readonly handlers: AllocationHandlers
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

const UDP = 17
const IPV6 = 2
const TRY_ALTERNATE = 300
const ALLOCATION_MISMATCH = 437
/** RFC 8656 section 7.4: another port, a few times. */
const MAX_MISMATCHES = 3

export async function allocateOn(platform: Platform, request: AllocationRequest): Promise<Allocation> {
  const { uri, serverFamily, localPort } = request
  const [address] = await resolveServer(platform.network, uri, serverFamily)
  const asked = new Set<string>()
  let attempt: Attempt = { remote: { address: address!, port: uri.port }, serverName: uri.host, localPort }
  for (let mismatches = 0; ; ) {
    const outcome = await new Allocating(platform, request, attempt).run()
    if (outcome instanceof Allocation) return outcome
    const code = errorCodeIn(outcome)?.code
    if (code === ALLOCATION_MISMATCH && localPort === undefined && ++mismatches < MAX_MISMATCHES) continue
    asked.add(attempt.remote.address)
    const alternate = code === TRY_ALTERNATE ? alternateIn(outcome, attempt) : undefined
    if (alternate === undefined || asked.has(alternate.remote.address) || asked.size > MAX_TURN_REDIRECTIONS) {
      throw stunError(outcome, attempt.remote)
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

/** One attempt, and the link that carries it. */
class Allocating {
  readonly #platform: Platform
  readonly #request: AllocationRequest
  readonly #attempt: Attempt
  #link: ServerLink | undefined
  #allocation: Allocation | undefined

  constructor(platform: Platform, request: AllocationRequest, attempt: Attempt) {
    this.#platform = platform
    this.#request = request
    this.#attempt = attempt
  }

  /** The allocation, or the error response of the server. */
  async run(): Promise<Allocation | ReceivedStunMessage> {
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
      if (message.class === 'error') return message
      this.#allocation = this.#makeAllocation(message, transactions, requests)
      return this.#allocation
    } finally {
      if (!this.#allocation) this.#link?.close()
    }
  }

  async #open(transactions: StunTransactions): Promise<void> {
    const { uri, timeoutMs, trustedCertificates, signal } = this.#request
    const { remote, serverName, localPort } = this.#attempt
    const tls =
      uri.transport === 'tls' ? { serverName, ...(trustedCertificates ? { trustedCertificates } : {}) } : undefined
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

  #receive(transactions: StunTransactions, bytes: Uint8Array): void {
    const message = readStunMessage(bytes)
    if (message) transactions.receive(message, this.#attempt.remote)
  }

  #attributes(): readonly StunAttribute[] {
    const { family, lifetimeMs } = this.#request
    return [
      uint32Attribute(ATTRIBUTE.requestedTransport, UDP * 0x100_0000),
      uint32Attribute(ATTRIBUTE.lifetime, Math.round(lifetimeMs / 1_000)),
      ...(family === 'ipv6' ? [uint32Attribute(ATTRIBUTE.requestedAddressFamily, IPV6 * 0x100_0000)] : []),
    ]
  }

  #makeAllocation(
    message: ReceivedStunMessage,
    transactions: StunTransactions,
    requests: AuthenticatedRequests,
  ): Allocation {
    const relayedAddress = xorAddressIn(message, ATTRIBUTE.xorRelayedAddress)
    const mappedAddress = mappedAddressIn(message)
    const lifetimeMs = lifetimeIn(message)
    if (!relayedAddress || !mappedAddress || !lifetimeMs) {
      throw protocolViolation(
        'The server grants an allocation without saying its relayed address, mapped address or lifetime',
      )
    }
    const { clock, random } = this.#platform
    const { handlers, keepAliveMs } = this.#request
    const link = this.#link!
    const grant = {
      clock,
      random,
      link,
      transactions,
      requests,
      relayedAddress,
      mappedAddress,
      lifetimeMs,
      keepAliveMs,
    }
    return new Allocation(grant, handlers)
  }
}
