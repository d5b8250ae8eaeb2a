/** The binding method (RFC 8489 section 12): how a server sees the address of whoever asks. */

import { EarshotError } from '../../errors.ts'
import type { AddressFamily, SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { addressIn, mappedAddressIn, textIn } from './attribute.ts'
import { ATTRIBUTE } from './attribute-type.ts'
import { METHOD, readStunMessage } from './message.ts'
import { resolveServer } from './resolve-server.ts'
import { retransmissionDelaysWithin } from './retransmission.ts'
import { openServerLink } from './server-link.ts'
import { stunError } from './stun-error.ts'
import type { StunUri } from './stun-uri.ts'
import { type StunResponse, StunTransactions } from './transactions.ts'

/** What the answer to a binding request says. */
export interface Binding {
  readonly mapped: SocketAddress
  /** Where the answer came from. */
  readonly from: SocketAddress
  readonly rttMs: number
  /** How often the request was sent: more than once, and the order of requests is not known. */
  readonly requests: number
  /** The server's other address and port (RFC 5780 section 7.4), as it says. */
  readonly other: SocketAddress | undefined
  readonly software: string | undefined
}

export interface BindingRequestOptions {
  readonly uri: StunUri
  readonly family: AddressFamily
  readonly localPort: number | undefined
  readonly timeoutMs: number
  readonly trustedCertificates: readonly string[] | undefined
  readonly signal: AbortSignal | undefined
}

/** One question over a socket or connection of its own, which is closed afterwards. Rejects as links and requests do. */
export async function requestBindingOn(
  platform: Platform,
  { uri, family, localPort, timeoutMs, trustedCertificates, signal }: BindingRequestOptions,
): Promise<Binding & { readonly localPort: number }> {
  const { clock, random, network } = platform
  const [address] = await resolveServer(network, uri, family)
  const remote = { address: address!, port: uri.port }
  const isUdp = uri.transport === 'udp'
  const delaysMs = isUdp ? retransmissionDelaysWithin(timeoutMs) : [timeoutMs]
  const transactions = new StunTransactions({ clock, random, transmit: bytes => void link.send(bytes), delaysMs })
  const tls =
    uri.transport === 'tls'
      ? { serverName: uri.host, ...(trustedCertificates ? { trustedCertificates } : {}) }
      : undefined
  const link = await openServerLink(
    platform,
    { transport: uri.transport, remote, localPort, connectTimeoutMs: timeoutMs, tls, signal },
    {
      onMessage(bytes) {
        const message = readStunMessage(bytes)
        if (message) transactions.receive(message, remote)
      },
      onBroken: error => transactions.close(error),
    },
  )
  try {
    const response = await transactions.request({ method: METHOD.binding, to: remote, signal })
    return { ...bindingIn(response), localPort: link.local.port }
  } finally {
    link.close()
  }
}

/** Throws for an error response, and for one without a mapped address. */
export function bindingIn({ message, from, rttMs, requests }: StunResponse): Binding {
  if (message.class === 'error') throw stunError(message, from)
  const mapped = mappedAddressIn(message)
  if (mapped === undefined) throw new EarshotError('protocol-violation', 'a binding response without mapped address')
  const other = addressIn(message, ATTRIBUTE.otherAddress)
  return { mapped, from, rttMs, requests, other, software: textIn(message, ATTRIBUTE.software) }
}
