/** Service types, `_ipp._tcp`, and the names made of them (RFC 6763 sections 4 and 7). */

import { joinLabels, nameKey, splitName } from '../mdns/domain-name.ts'

/** Under which the types of all services on the link are found (RFC 6763 section 9). */
export const SERVICE_TYPES_NAME = '_services._dns-sd._udp.local'

const encoder = new TextEncoder()
const MAX_LABEL_BYTES = 63

/**
 * RFC 6763 section 7, RFC 6335 section 5.1: an underscore and 1 to 15 letters, digits or hyphens, at least one letter, no
 * hyphen at an end or beside another; then `_tcp` or `_udp`.
 */
const SERVICE_TYPE = /^_(?=[a-z0-9-]{1,15}\._)(?=[0-9-]*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*\._(?:tcp|udp)$/i

export function isServiceType(type: string): boolean {
  return SERVICE_TYPE.test(type)
}

/** `_ipp._tcp.local`: its PTR records name the instances. */
export function serviceTypeName(type: string): string {
  return `${type}.local`
}

/** `_color._sub._ipp._tcp.local` (RFC 6763 section 7.1). The subtype is one label of any text. */
export function subtypeName(subtype: string, type: string): string {
  return `${joinLabels([subtype])}._sub.${serviceTypeName(type)}`
}

/** The name of an instance: its label, any text, before the type (RFC 6763 section 4.1). */
export function instanceName(label: string, type: string): string {
  return `${joinLabels([label])}.${serviceTypeName(type)}`
}

/** The label of an instance of this type; undefined where the name is not one. */
export function instanceLabel(name: string, type: string): string | undefined {
  const [label, ...rest] = splitName(name)
  return label !== undefined && nameKey(joinLabels(rest)) === nameKey(serviceTypeName(type)) ? label : undefined
}

/** `text` cut to a label, or shorter by `reserveBytes`, at the border of a character. */
export function cutToLabel(text: string, reserveBytes = 0): string {
  let bytes = 0
  let cut = ''
  for (const character of text) {
    bytes += encoder.encode(character).length
    if (bytes > MAX_LABEL_BYTES - reserveBytes) break
    cut += character
  }
  return cut
}

/** The next label to try after a conflict: `Ada`, `Ada (2)`, `Ada (3)` (RFC 6763 appendix D). */
export function nextInstanceLabel(label: string): string {
  const match = /^(.*) \((\d{1,6})\)$/s.exec(label)
  const suffix = ` (${match === null ? 2 : Number(match[2]) + 1})`
  return cutToLabel(match === null ? label : match[1]!, suffix.length) + suffix
}

/** The same for a host: `ada`, `ada-2`, `ada-3` (RFC 6762 section 9). */
export function nextHostLabel(label: string): string {
  const match = /^(.*)-(\d{1,6})$/s.exec(label)
  const suffix = `-${match === null ? 2 : Number(match[2]) + 1}`
  return cutToLabel(match === null ? label : match[1]!, suffix.length) + suffix
}
