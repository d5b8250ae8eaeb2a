/** Names of pythonConnect's nodes: they are the identity there, and their order decides who dials. */

import { MAX_PYTHONCONNECT_NAME_BYTES } from '../../limits.ts'
import { encodeName, frameProblem, hasLoneSurrogate, SEPARATOR, TERMINATOR } from './frame.ts'

/** The real program's word for everybody: a node of this name could not be addressed. */
const EVERYBODY = 'toAll'

/** Why others could not work with the name; undefined where they can. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (name.includes(SEPARATOR)) return `contains '${SEPARATOR}'`
  if (name.includes(TERMINATOR)) return `contains '${TERMINATOR}'`
  if (hasLoneSurrogate(name)) return 'is not well-formed Unicode'
  const bytes = encodeName(name)
  if (bytes.length - TERMINATOR.length > MAX_PYTHONCONNECT_NAME_BYTES) return 'is too long'
  return undefined
}

/** Throws a TypeError or RangeError that says what a name may be. */
export function checkNodeName(name: string): string {
  if (typeof name !== 'string') throw new TypeError(`name must be a string, not ${String(name)}`)
  const isUnusable = name === EVERYBODY || nameProblem(name) !== undefined
  if (isUnusable || frameProblem(encodeName(name)) !== undefined) {
    const shown = name.length > 80 ? `${name.slice(0, 80)}…` : name
    throw new RangeError(
      `name must have 1 to ${MAX_PYTHONCONNECT_NAME_BYTES} bytes of UTF-8 without '${SEPARATOR}' and '${TERMINATOR}', ` +
        `none of its characters across byte 128, and not be '${EVERYBODY}'; not '${shown}'`,
    )
  }
  return name
}

/** Python's order of texts, by code points: JavaScript's own would put U+1F600 before U+FFFD. */
export function isBefore(name: string, other: string): boolean {
  const [a, b] = [[...name], [...other]]
  for (const [i, character] of a.entries()) {
    if (i >= b.length) return false
    const difference = character.codePointAt(0)! - b[i]!.codePointAt(0)!
    if (difference !== 0) return difference < 0
  }
  return a.length < b.length
}
