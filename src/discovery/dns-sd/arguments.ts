/** Checks of what users pass to `publish` and `browse`: TypeError or RangeError, naming value and range. */

import { MAX_TXT_BYTES } from '../../limits.ts'
import { isEncodableName } from '../mdns/domain-name.ts'
import { instanceName, isServiceType, subtypeName } from './service-type.ts'
import { encodeTxt, isTxtKey, MAX_TXT_STRING_BYTES } from './txt-record.ts'

export function checkServiceType(type: unknown): asserts type is string {
  if (typeof type !== 'string') throw new TypeError(`type must be a string like '_ipp._tcp', not ${typeof type}`)
  if (!isServiceType(type)) {
    throw new RangeError(
      `type must be '_name._tcp' or '_name._udp' with a name of 1 to 15 letters, digits and single hyphens, not '${type}'`,
    )
  }
}

export function checkInstanceLabel(name: unknown, type: string): asserts name is string {
  if (typeof name !== 'string') throw new TypeError(`name must be a string, not ${typeof name}`)
  // RFC 6763 section 4.1.1: no ASCII control characters.
  if (/\p{Cc}/u.test(name) || !isEncodableName(instanceName(name, type))) {
    throw new RangeError(`name must have 1 to 63 bytes of UTF-8 without control characters, not '${name}'`)
  }
}

export function checkPort(port: unknown): asserts port is number {
  if (typeof port !== 'number') throw new TypeError(`port must be a number, not ${typeof port}`)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new RangeError(`port must be 1 to 65535, not ${port}`)
}

export function checkSubtype(subtype: unknown, type: string): asserts subtype is string {
  if (typeof subtype !== 'string') throw new TypeError(`a subtype must be a string, not ${typeof subtype}`)
  if (!isEncodableName(subtypeName(subtype, type))) {
    throw new RangeError(`a subtype must have 1 to 63 bytes of UTF-8 without line breaks, not '${subtype}'`)
  }
}

/** RFC 952, 1123: a host name has letters, digits and hyphens; it is one label here. */
export function checkHostLabel(host: unknown): asserts host is string {
  if (typeof host !== 'string') throw new TypeError(`host must be a string, not ${typeof host}`)
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(host)) {
    throw new RangeError(
      `host must be one label of 1 to 63 letters, digits and hyphens, without '.local', not '${host}'`,
    )
  }
}

export function checkTxt(txt: unknown): asserts txt is Record<string, string> {
  if (typeof txt !== 'object' || txt === null) throw new TypeError('txt must be an object of strings')
  for (const [key, value] of Object.entries(txt)) {
    if (typeof value !== 'string') throw new TypeError(`txt.${key} must be a string, not ${typeof value}`)
    if (!isTxtKey(key)) throw new RangeError(`a key of txt must be printable ASCII without '=', not '${key}'`)
  }
  checkTxtSize(encodeTxt(txt as Record<string, string>))
}

function checkTxtSize(strings: readonly Uint8Array[]): void {
  const total = strings.reduce((sum, { length }) => sum + length + 1, 0)
  const longest = Math.max(0, ...strings.map(({ length }) => length))
  if (longest > MAX_TXT_STRING_BYTES) {
    throw new RangeError(`each 'key=value' of txt may have ${MAX_TXT_STRING_BYTES} bytes, one has ${longest}`)
  }
  if (total > MAX_TXT_BYTES) throw new RangeError(`txt may have ${MAX_TXT_BYTES} bytes in all, it has ${total}`)
}
