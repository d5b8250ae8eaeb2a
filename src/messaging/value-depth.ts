/**
 * How deep a value that arrived is nested. Decoders manage depths at which the application that walks the value
 * would run out of stack, so what is deeper than anybody may send is refused.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENING_BRACKET = 0x5b
const CLOSING_BRACKET = 0x5d
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d

/** True where arrays and objects in this JSON text are nested deeper than `limit`. Malformed text gives any answer. */
export function isJsonDeeperThan(limit: number, json: Uint8Array): boolean {
  // So many levels take two bytes each.
  if (json.length <= 2 * limit) return false
  let depth = 0
  for (let i = 0; i < json.length; i++) {
    const byte = json[i]
    if (byte === OPENING_BRACKET || byte === OPENING_BRACE) {
      if (++depth > limit) return true
    } else if (byte === CLOSING_BRACKET || byte === CLOSING_BRACE) depth--
    else if (byte === QUOTE) i = endOfText(json, i + 1)
  }
  return false
}

/** True where containers of any kind in this value are nested deeper than `limit`. */
export function isDeeperThan(limit: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  if (limit === 0) return true
  const isDeeper = (item: unknown) => isDeeperThan(limit - 1, item)
  if (value instanceof Map) return [...value].some(([key, item]) => isDeeper(key) || isDeeper(item))
  if (value instanceof Set) return [...value].some(isDeeper)
  return Object.values(value).some(isDeeper)
}

function endOfText(json: Uint8Array, start: number): number {
  let at = start
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1
  return at
}
