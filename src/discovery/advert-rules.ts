/** What the parts of an advert may be, whichever way it came: whoever sends it is unknown. */

import { MAX_INFO_BYTES, MAX_NAME_BYTES, MAX_SERVICE_NAME_LENGTH } from '../limits.ts'

/** Would move the cursor or break the line of whoever prints them. */
const CONTROL_CHARACTER = /[\p{Cc}\u2028\u2029]/u
const encoder = new TextEncoder()

export function isDisplayName(name: string): boolean {
  const { length } = encoder.encode(name)
  return length >= 1 && length <= MAX_NAME_BYTES && !CONTROL_CHARACTER.test(name)
}

export function isServiceName(service: string): boolean {
  return service.length <= MAX_SERVICE_NAME_LENGTH && /^[a-z0-9-]+$/.test(service)
}

/** Empty, or JSON text within the limit. */
export function isInfo(info: string): boolean {
  if (info === '') return true
  if (encoder.encode(info).length > MAX_INFO_BYTES) return false
  try {
    JSON.parse(info)
    return true
  } catch {
    return false
  }
}
