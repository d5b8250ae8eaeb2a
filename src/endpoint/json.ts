/** JSON that other peers wrote: absent and malformed are both undefined, never an exception. */

import type { Json } from './options.ts'

export function parseJson(text: string): Json | undefined {
  if (text === '') return undefined
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
