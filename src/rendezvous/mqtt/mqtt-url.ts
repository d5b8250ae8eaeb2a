/** URLs of MQTT brokers: `mqtt:`, `mqtts:`, `ws:`, `wss:`, with user and password where the broker wants them. */

export interface MqttUrl {
  readonly protocol: 'mqtt' | 'mqtts' | 'ws' | 'wss'
  /** An IPv6 address without brackets. */
  readonly host: string
  readonly port: number
  /** Of websockets: `/mqtt`, with the query. */
  readonly path: string
  readonly username: string | undefined
  readonly password: string | undefined
  /** What may be shown: without user and password. */
  readonly label: string
}

const DEFAULT_PORTS = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 } as const

/** Throws a TypeError that names the text, without its password, and what it should be. */
export function parseMqttUrl(text: string): MqttUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const protocol = url?.protocol.slice(0, -1) ?? ''
  if (!url || !isKnown(protocol) || url.hostname === '' || url.hash !== '') {
    const shown = text.replace(/\/\/[^@/]*@/, '//')
    throw new TypeError(`the URL of a broker is mqtt://, mqtts://, ws:// or wss:// and a host, not '${shown}'`)
  }
  const port = url.port === '' ? DEFAULT_PORTS[protocol] : Number(url.port)
  const isWebSocket = protocol === 'ws' || protocol === 'wss'
  const path = isWebSocket ? `${url.pathname || '/'}${url.search}` : ''
  return {
    protocol,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    path,
    username: credential(url.username),
    password: credential(url.password),
    label: `${protocol}://${url.hostname}:${port}${isWebSocket ? url.pathname : ''}`,
  }
}

function isKnown(protocol: string): protocol is MqttUrl['protocol'] {
  return Object.hasOwn(DEFAULT_PORTS, protocol)
}

/** Percent-encoded in URLs; what is no proper encoding was meant as it stands. */
function credential(text: string): string | undefined {
  if (text === '') return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
