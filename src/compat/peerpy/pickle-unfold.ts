/**
 * Looks at a value that was read from a pickle as a program would that walks through it. Memoised values stand in several
 * places: of a kilobyte one can make a value that has more parts than there are atoms. And a dict whose keys are all texts
 * becomes an object here.
 */

import { protocolViolation } from '../../errors.ts'
import { MAX_PEERPY_UNFOLDED_BYTES, MAX_VALUE_DEPTH } from '../../limits.ts'

/** What a number, a place in a list and the like are taken for. */
const PLACE_BYTES = 16

interface Unfolded {
  readonly value: unknown
  /** Bytes of the value and all its parts, each counted in every place. */
  readonly bytes: number
  /** How deep its parts are nested. */
  readonly height: number
}

/** @throws EarshotError `protocol-violation` for what is too much, too deep, or contains itself */
export function unfoldPickle(value: unknown): unknown {
  return new Unfolder().unfold(value, 0).value
}

class Unfolder {
  readonly #done = new Map<object, Unfolded>()
  readonly #open = new Set<object>()

  unfold(value: unknown, depth: number): Unfolded {
    if (typeof value !== 'object' || value === null) return { value, bytes: scalarBytes(value), height: 0 }
    if (value instanceof Uint8Array) return { value, bytes: PLACE_BYTES + value.length, height: 0 }
    const unfolded = this.#done.get(value) ?? this.#unfoldOnce(value, depth)
    if (depth + unfolded.height > MAX_VALUE_DEPTH) throw tooDeep()
    return unfolded
  }

  #unfoldOnce(value: object, depth: number): Unfolded {
    if (this.#open.has(value)) throw protocolViolation('pickle has a value that contains itself')
    if (depth > MAX_VALUE_DEPTH) throw tooDeep()
    this.#open.add(value)
    const parts = new Parts(part => this.unfold(part, depth + 1))
    const unfolded = { value: rebuilt(value, parts), bytes: parts.bytes, height: parts.height + 1 }
    this.#open.delete(value)
    this.#done.set(value, unfolded)
    return unfolded
  }
}

/** Adds up the parts of one value. */
class Parts {
  bytes = PLACE_BYTES
  height = 0
  readonly #unfold: (part: unknown) => Unfolded

  constructor(unfold: (part: unknown) => Unfolded) {
    this.#unfold = unfold
  }

  take(part: unknown): unknown {
    const { value, bytes, height } = this.#unfold(part)
    this.bytes += bytes
    this.height = Math.max(this.height, height)
    if (this.bytes > MAX_PEERPY_UNFOLDED_BYTES)
      throw protocolViolation(`pickle unfolds to more than ${MAX_PEERPY_UNFOLDED_BYTES} bytes`)
    return value
  }
}

/** In place, but for dicts that become objects. Keys and members of sets have a hash: there is no dict in them. */
function rebuilt(value: object, parts: Parts): object {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = parts.take(value[i])
    return value
  }
  if (value instanceof Set) {
    for (const member of value) parts.take(member)
    return value
  }
  const dict = value as Map<unknown, unknown>
  for (const [key, item] of dict) dict.set(parts.take(key), parts.take(item))
  const hasOnlyTexts = [...dict.keys()].every(key => typeof key === 'string')
  return hasOnlyTexts ? Object.fromEntries(dict) : dict
}

function scalarBytes(value: unknown): number {
  return PLACE_BYTES + (typeof value === 'string' ? value.length : 0)
}

function tooDeep(): Error {
  return protocolViolation(`pickle is nested deeper than ${MAX_VALUE_DEPTH}`)
}
