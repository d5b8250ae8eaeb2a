/** The URIs of STUN and TURN servers: `stun:host`, `turns:host:443?transport=tcp` (RFC 7064, RFC 7065). */

export type ServerTransport = 'udp' | 'tcp' | 'tls'

export interface StunUri {
  readonly scheme: 'stun' | 'stuns' | 'turn' | 'turns'
  /** A host name or an IP address, IPv6 without brackets. */
  readonly host: string
  readonly port: number
  readonly transport: ServerTransport
}

/** `?transport=` is of TURN; programs use it for STUN as well, with the same meaning. */
const URI =
  /^(?<scheme>stuns?|turns?):(?:\[(?<ipv6>[0-9a-f:.]+(?:%[\w.-]+)?)\]|(?<host>[a-z0-9](?:[\w.-]*[a-z0-9])?\.?))(?::(?<port>\d{1,5}))?(?:\?transport=(?<transport>[a-z]+))?$/i
const DEFAULT_PORT = 3478
const DEFAULT_TLS_PORT = 5349
const MAX_URI_LENGTH = 300

/** Throws a TypeError or RangeError that says what is wrong. */
export function parseStunUri(text: string): StunUri {
  if (typeof text !== 'string') throw new TypeError(`A server is a text like 'stun:example.org', not ${typeof text}`)
  const groups = text.length <= MAX_URI_LENGTH ? URI.exec(text)?.groups : undefined
  if (groups === undefined)
    throw new RangeError(`'${text}' is no URI of a STUN or TURN server, like 'stun:example.org:3478'`)
  const scheme = groups['scheme']!.toLowerCase() as StunUri['scheme']
  const isSecure = scheme.endsWith('s')
  const port = groups['port'] === undefined ? (isSecure ? DEFAULT_TLS_PORT : DEFAULT_PORT) : Number(groups['port'])
  if (port < 1 || port > 65_535) throw new RangeError(`A port is a number from 1 to 65535, not ${port} as in '${text}'`)
  const transport = transportOf(text, isSecure, groups['transport']?.toLowerCase())
  return { scheme, host: (groups['ipv6'] ?? groups['host']!).toLowerCase(), port, transport }
}

export function formatStunUri({ scheme, host, port, transport }: StunUri): string {
  const shown = host.includes(':') ? `[${host}]` : host
  return `${scheme}:${shown}:${port}${transport === 'tcp' ? '?transport=tcp' : ''}`
}

function transportOf(text: string, isSecure: boolean, said: string | undefined): ServerTransport {
  if (said !== undefined && said !== 'udp' && said !== 'tcp') {
    throw new RangeError(`A transport is udp or tcp, not ${said} as in '${text}'`)
  }
  if (!isSecure) return said ?? 'udp'
  if (said === 'udp') throw new RangeError(`TLS over UDP (DTLS) is not spoken here: use ?transport=tcp in '${text}'`)
  return 'tls'
}
