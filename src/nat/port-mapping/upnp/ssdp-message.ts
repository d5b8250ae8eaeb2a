/** Messages of the Simple Service Discovery Protocol (UPnP Device Architecture 1.1 section 1.3): a search, and answers to it. */

import { protocolViolation } from '../../../errors.ts'
import { MAX_SSDP_MESSAGE_BYTES } from '../../../limits.ts'

export const SSDP_PORT = 1_900
export const SSDP_GROUP_IPV4 = '239.255.255.250'
/** Link-local scope: the router is on the link. */
export const SSDP_GROUP_IPV6 = 'ff02::c'

/** Devices of version 2 must answer a search for version 1, and not all do. */
export const GATEWAY_DEVICES = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:1',
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
] as const

/** An answer to a search (section 1.3.3). */
export interface SsdpAnswer {
  /** Where the description of the device is. */
  readonly location: string
  readonly searchTarget: string
}

/** `host` is the group, or the one device that is asked alone. */
export function encodeSsdpSearch(host: string, searchTarget: string): Uint8Array {
  const text = host.includes(':') ? `[${host.split('%')[0]}]` : host
  const lines = [
    'M-SEARCH * HTTP/1.1',
    `HOST: ${text}:${SSDP_PORT}`,
    'MAN: "ssdp:discover"',
    // The shortest spread of answers that there is; devices answer within a second.
    'MX: 1',
    `ST: ${searchTarget}`,
  ]
  return new TextEncoder().encode(`${lines.join('\r\n')}\r\n\r\n`)
}

export function decodeSsdpAnswer(bytes: Uint8Array): SsdpAnswer {
  if (bytes.length > MAX_SSDP_MESSAGE_BYTES)
    throw protocolViolation(`an SSDP message has ${bytes.length} bytes, more than ${MAX_SSDP_MESSAGE_BYTES}`)
  const text = new TextDecoder('latin1').decode(bytes)
  if (!/\r?\n\r?\n$/.test(text)) throw protocolViolation('an SSDP message has no empty line at its end')
  const [statusLine = '', ...lines] = text.split(/\r?\n/)
  if (!/^HTTP\/1\.[01] 200(?: |$)/.test(statusLine))
    throw protocolViolation('an SSDP message is not an answer of status 200')
  return { location: field(lines, 'location'), searchTarget: field(lines, 'st') }
}

function field(lines: readonly string[], name: string): string {
  const line = lines.find(candidate => candidate.toLowerCase().startsWith(`${name}:`))
  const value = line?.slice(name.length + 1).trim()
  if (!value) throw protocolViolation(`an SSDP answer has no ${name.toUpperCase()}`)
  return value
}
