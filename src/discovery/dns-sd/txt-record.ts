/** TXT records as keys and values (RFC 6763 section 6). */

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export const MAX_TXT_STRING_BYTES = 255
/** Section 6.4: printable US-ASCII without `=`. */
const KEY = /^[\x20-\x3c\x3e-\x7e]+$/

export function isTxtKey(key: string): boolean {
  return KEY.test(key)
}

export function encodeTxt(txt: Readonly<Record<string, string>>): Uint8Array[] {
  return Object.entries(txt).map(([key, value]) => encoder.encode(`${key}=${value}`))
}

/**
 * Section 6.4: strings without a key are ignored, of a key that comes twice the first counts, whatever its case. A key
 * without `=` has the value `''`. Bytes that are not UTF-8 are read with U+FFFD in their place.
 */
export function decodeTxt(strings: readonly Uint8Array[]): Record<string, string> {
  const seen = new Set<string>()
  const entries: [string, string][] = []
  for (const string of strings) {
    const text = decoder.decode(string)
    const equals = text.indexOf('=')
    const key = equals < 0 ? text : text.slice(0, equals)
    if (!isTxtKey(key) || seen.has(key.toLowerCase())) continue
    seen.add(key.toLowerCase())
    entries.push([key, equals < 0 ? '' : text.slice(equals + 1)])
  }
  return Object.fromEntries(entries)
}
