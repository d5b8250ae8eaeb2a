/**
 * How deep a value that arrived is nested, and how many items it has. Decoders manage depths at which the application
 * that walks the value would run out of stack, and make a hundred bytes of each that arrived, so what is deeper or has
 * more items than anybody may send is refused.
 */

import { MAX_VALUE_DEPTH, MAX_VALUE_ITEMS } from '../limits.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENING_BRACKET = 0x5b
const CLOSING_BRACKET = 0x5d
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d
const COMMA = 0x2c
const COLON = 0x3a

/** Throws a RangeError where this JSON text, if it is any, is nested too deep or has too many items. */
export function checkJsonBounds(json: Uint8Array): void {
  // So many levels take two bytes each.
  if (json.length <= 2 * MAX_VALUE_DEPTH) return
  let depth = 0
  let items = 0
  for (let i = 0; i < json.length; i++) {
    const byte = json[i]
    if (byte === QUOTE) i = endOfText(json, i + 1)
    else if (byte === COMMA || byte === COLON) items++
    else if (byte === OPENING_BRACKET || byte === OPENING_BRACE) {
      items++
      if (++depth > MAX_VALUE_DEPTH) throw tooDeep()
    } else if (byte === CLOSING_BRACKET || byte === CLOSING_BRACE) depth--
  }
  if (items > MAX_VALUE_ITEMS) throw tooManyItems()
}

export function tooDeep(): RangeError {
  return new RangeError(`it is nested deeper than ${MAX_VALUE_DEPTH} levels`)
}

export function tooManyItems(): RangeError {
  return new RangeError(`it has more than ${MAX_VALUE_ITEMS} items`)
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
