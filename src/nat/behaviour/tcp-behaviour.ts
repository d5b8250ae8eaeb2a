/**
 * How the NAT maps TCP: several connections from one local port, to each endpoint of the servers, and then some more from other
 * ports. Filtering cannot be asked for over TCP (RFC 5780 section 4.4 needs answers from elsewhere).
 */

import type { SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { type Binding, bindingIn } from '../stun/binding.ts'
import { METHOD, readStunMessage } from '../stun/message.ts'
import { openServerLink, type ServerLink } from '../stun/server-link.ts'
import type { StunUri } from '../stun/stun-uri.ts'
import { StunTransactions } from '../stun/transactions.ts'
import {
  classifyPortAllocation,
  type MappingBehaviour,
  type PortAllocation,
  type PortObservation,
} from './classification.ts'
import { withLocalPort } from './local-port.ts'
import { isOwnAddress } from './own-address.ts'
import type { BindingOptions } from './stun-socket.ts'
import { type ServerReport, survey } from './survey.ts'
import { PORT_PROBES, type TransportOptions } from './udp-behaviour.ts'

export interface TcpBehaviour {
  readonly mapping: MappingBehaviour
  readonly portAllocation: PortAllocation
  /** Of `localPort`, as the fastest server saw it. Undefined where none answered. */
  readonly mapped: SocketAddress | undefined
  readonly localPort: number
  readonly servers: readonly ServerReport[]
}

export async function discoverTcp(platform: Platform, options: TransportOptions): Promise<TcpBehaviour> {
  const discover = (localPort: number) => discoverFrom(platform, localPort, options)
  return options.localPort === undefined ? withLocalPort(platform.random, discover) : discover(options.localPort)
}

async function discoverFrom(platform: Platform, localPort: number, options: TransportOptions): Promise<TcpBehaviour> {
  const asker = new TcpAsker(platform, options)
  try {
    const { mapping, known, reports } = await survey({
      ...options,
      platform,
      ask: (to, uri, binding) => asker.ask({ to, uri, localPort }, binding),
      isLocal: isOwnAddress(platform, localPort),
      needsOther: false,
    })
    // Nobody else can say that: the port itself was the matter.
    const taken = reports.find(({ error }) => error?.code === 'address-in-use')?.error
    if (taken && known.length === 0) throw taken
    const observations: PortObservation[] = []
    for (let i = 0; known[0] && i < PORT_PROBES; i++) {
      observations.push(await asker.observePort({ to: known[0].address, uri: known[0].uri }, options.signal))
    }
    const portAllocation = classifyPortAllocation(observations)
    return { mapping, portAllocation, mapped: known[0]?.mapped, localPort, servers: reports }
  } finally {
    asker.close()
  }
}

interface Question {
  readonly to: SocketAddress
  readonly uri: StunUri
  readonly localPort: number
}

/** Asks over connections, which stay open until all is done: a mapping must not be gone before the next is made. */
class TcpAsker {
  readonly #platform: Platform
  readonly #options: TransportOptions
  readonly #links: ServerLink[] = []

  constructor(platform: Platform, options: TransportOptions) {
    this.#platform = platform
    this.#options = options
  }

  async ask({ to, uri, localPort }: Question, { signal }: BindingOptions): Promise<Binding> {
    const { clock, random } = this.#platform
    const { timeoutMs, trustedCertificates } = this.#options
    const transactions = new StunTransactions({
      clock,
      random,
      transmit: bytes => void link.send(bytes),
      delaysMs: [timeoutMs],
    })
    const link = await openServerLink(
      this.#platform,
      {
        transport: uri.transport === 'tls' ? 'tls' : 'tcp',
        remote: to,
        localPort,
        connectTimeoutMs: timeoutMs,
        tls:
          uri.transport === 'tls'
            ? { serverName: uri.host, ...(trustedCertificates ? { trustedCertificates } : {}) }
            : undefined,
        signal,
      },
      {
        onMessage(bytes) {
          const message = readStunMessage(bytes)
          if (message) transactions.receive(message, to)
        },
        onBroken: error => transactions.close(error),
      },
    )
    this.#links.push(link)
    return bindingIn(await transactions.request({ method: METHOD.binding, to, signal }))
  }

  async observePort(question: Omit<Question, 'localPort'>, signal: AbortSignal | undefined): Promise<PortObservation> {
    return withLocalPort(this.#platform.random, async localPort => {
      const { mapped } = await this.ask({ ...question, localPort }, { signal })
      return { localPort, mappedPort: mapped.port }
    })
  }

  close(): void {
    for (const link of this.#links) link.close()
  }
}
