/**
 * Python's tuple: an array that is written as a tuple, `Tuple.from(['ada', 1])`, and what a tuple is read as. In Python it
 * is the only sequence that can be a key of a dict or in a set.
 */
export class Tuple<T = unknown> extends Array<T> {
  /** What `map` and the like make of a tuple is an array. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }
}

/** Whether Python can take the value for a key of a dict or a member of a set; others raise TypeError there. */
export function isHashable(value: unknown): boolean {
  if (value instanceof Tuple) return value.every(isHashable)
  return typeof value !== 'object' || value === null || value instanceof Uint8Array
}
