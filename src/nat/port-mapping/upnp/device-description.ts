/** The description of a UPnP device (UPnP Device Architecture 1.1 section 2.3): which services it has, and where. */

import { protocolViolation } from '../../../errors.ts'
import { type DeviceUrl, deviceUrl } from './device-url.ts'
import { childText, parseXml, type XmlElement } from './xml.ts'

export interface DeviceService {
  /** `urn:schemas-upnp-org:service:WANIPConnection:1`. */
  readonly type: string
  readonly control: DeviceUrl
}

/** Services through which ports are mapped, the better ones first. */
export const CONNECTION_SERVICES = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
] as const
export const FIREWALL_SERVICE = 'urn:schemas-upnp-org:service:WANIPv6FirewallControl:1'

const KNOWN: readonly string[] = [...CONNECTION_SERVICES, FIREWALL_SERVICE]

/**
 * The services that matter here, the better ones first. `location` is where the description came from, `address` who gave
 * it. Throws `protocol-violation`; services whose URL leads elsewhere count as not there.
 */
export function decodeDeviceDescription(
  bytes: Uint8Array,
  location: string,
  address: string,
): readonly DeviceService[] {
  const root = parseXml(new TextDecoder().decode(bytes))
  if (root.name !== 'root') throw protocolViolation(`a device description begins with <${root.name}>, not <root>`)
  const base = childText(root, 'URLBase') || location
  const services = servicesIn(root).flatMap(service => describe(service, base, address))
  return services.sort((a, b) => KNOWN.indexOf(a.type) - KNOWN.indexOf(b.type))
}

/** A gateway is a device with devices in it; which service is where differs. */
function servicesIn(element: XmlElement): readonly XmlElement[] {
  const found: XmlElement[] = []
  const waiting = [element]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (next.name === 'service') found.push(next)
    else waiting.push(...[...next.children].reverse())
  }
  return found
}

function describe(service: XmlElement, base: string, address: string): readonly DeviceService[] {
  const type = childText(service, 'serviceType') ?? ''
  const url = childText(service, 'controlURL') ?? ''
  if (!KNOWN.includes(type) || url === '') return []
  try {
    return [{ type, control: deviceUrl(url, address, { base }) }]
  } catch {
    return []
  }
}
