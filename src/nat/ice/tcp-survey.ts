/**
 * The mapping of a TCP port, asked over connections that stay open: they keep the mapping alive until the other side has
 * connected to it.
 */

import type { AddressFamily, SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { withLocalPort } from '../behaviour/local-port.ts'
import { isOwnAddress } from '../behaviour/own-address.ts'
import { type Binding, bindingIn } from '../stun/binding.ts'
import { METHOD, readStunMessage } from '../stun/message.ts'
import { openServerLink, type ServerLink } from '../stun/server-link.ts'
import type { StunUri } from '../stun/stun-uri.ts'
import { StunTransactions } from '../stun/transactions.ts'
import { type StunSurvey, surveyMapping } from './stun-survey.ts'

export interface TcpSurveyOptions {
  readonly platform: Platform
  readonly servers: readonly StunUri[]
  readonly family: AddressFamily
  readonly trustedCertificates: readonly string[] | undefined
  readonly signal: AbortSignal
}

export interface TcpSurvey extends StunSurvey {
  readonly localPort: number
  /** Closes the connections. */
  close(): void
}

const ANSWER_TIMEOUT_MS = 4_000

export async function surveyTcp(options: TcpSurveyOptions): Promise<TcpSurvey> {
  const { platform, servers, family, signal } = options
  const links = new Set<ServerLink>()
  const close = () => {
    for (const link of links) link.close()
    links.clear()
  }
  const localPort = await freePort(platform, family)
  const survey = await surveyMapping({
    platform,
    servers,
    family,
    ask: (to, uri, until) => askOver(options, { to, uri, localPort, links, signal: until }),
    isLocal: isOwnAddress(platform, localPort),
    onMapped() {},
    signal,
  })
  if (signal.aborted) close()
  return { ...survey, localPort, close }
}

/** A port that nobody uses, not even for UDP; others may take it before we do, which costs this path and no more. */
export async function freePort(platform: Platform, family: AddressFamily): Promise<number> {
  return withLocalPort(platform.random, async port => {
    const host = family === 'ipv4' ? '0.0.0.0' : '::'
    const listener = await platform.network.listenTcp({ host, port }, connection => connection.destroy())
    await listener.close()
    return port
  })
}

interface Question {
  readonly to: SocketAddress
  readonly uri: StunUri
  readonly localPort: number
  readonly links: Set<ServerLink>
  readonly signal: AbortSignal
}

/** Over TLS where the server has nothing else. */
export async function askOver(
  { platform, trustedCertificates }: Pick<TcpSurveyOptions, 'platform' | 'trustedCertificates'>,
  { to, uri, localPort, links, signal }: Question,
): Promise<Binding> {
  const transmit = (bytes: Uint8Array) => void link.send(bytes)
  const transactions = new StunTransactions({
    clock: platform.clock,
    random: platform.random,
    transmit,
    delaysMs: [ANSWER_TIMEOUT_MS],
  })
  const isTls = uri.transport === 'tls'
  const trusted = trustedCertificates ? { trustedCertificates } : {}
  const link = await openServerLink(
    platform,
    {
      transport: isTls ? 'tls' : 'tcp',
      remote: to,
      localPort,
      connectTimeoutMs: ANSWER_TIMEOUT_MS,
      tls: isTls ? { serverName: uri.host, ...trusted } : undefined,
      signal,
    },
    {
      onMessage(bytes) {
        const message = readStunMessage(bytes)
        if (message) transactions.receive(message, to)
      },
      onBroken: error => {
        links.delete(link)
        transactions.close(error)
      },
    },
  )
  links.add(link)
  return bindingIn(await transactions.request({ method: METHOD.binding, to, signal }))
}
