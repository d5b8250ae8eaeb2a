/** Adverts of pythonConnect on UDP: `hello:,:NAME` when a node starts, `alive:,:NAME` from then on. */

import { protocolViolation } from '../../errors.ts'
import { MAX_PYTHONCONNECT_ADVERT_BYTES } from '../../limits.ts'
import { SEPARATOR } from './frame.ts'
import { nameProblem } from './node-name.ts'

export type AdvertKind = 'hello' | 'alive'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function encodeAdvert(kind: AdvertKind, name: string): Uint8Array {
  return new TextEncoder().encode(kind + SEPARATOR + name)
}

/** Throws `protocol-violation`. The real program takes any word before the name for `alive`, and so do we. */
export function decodeAdvert(bytes: Uint8Array): { readonly kind: AdvertKind; readonly name: string } {
  if (bytes.length > MAX_PYTHONCONNECT_ADVERT_BYTES) throw violation('is too long')
  const parts = decode(bytes).split(SEPARATOR)
  const [kind, name] = parts
  if (parts.length !== 2 || name === undefined) throw violation('is not a word, a separator and a name')
  const problem = nameProblem(name)
  if (problem !== undefined) throw violation(`has a name that ${problem}`)
  return { kind: kind === 'hello' ? 'hello' : 'alive', name }
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw protocolViolation('pythonConnect: an advert is not UTF-8', cause)
  }
}

function violation(what: string): Error {
  return protocolViolation(`pythonConnect: an advert ${what}`)
}
