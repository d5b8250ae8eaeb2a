/**
 * An identity that outlives the process: a small JSON document in a store, which only its owner may read.
 *
 *     {"earshot":"identity","version":1,"id":"<52 characters>","seed":"<32 bytes, base64url>"}
 *
 * The id stands there for people; where it does not belong to the seed, the document was damaged.
 */

import { bytesFromBase64Url, bytesToBase64Url } from '../crypto/base64url.ts'
import { EarshotError } from '../errors.ts'
import type { Random } from '../platform/random.ts'
import type { Store } from '../platform/store.ts'
import { Identity, SEED_BYTES } from './identity.ts'

/**
 * The identity stored under `name`. Where there is none it is made and stored; of two processes that do so at the same
 * time, both get the same one. Rejects with `invalid-data` where the stored document is none of ours, and never
 * overwrites it: a lost identity cannot be made again.
 */
export async function loadIdentity(store: Store, name: string, random: Random): Promise<Identity> {
  const stored = (await store.read(name)) ?? (await store.writeIfAbsent(name, encode(random.bytes(SEED_BYTES))))
  return decode(stored, name)
}

function encode(seed: Uint8Array): Uint8Array {
  const { id } = new Identity(seed)
  const document = { earshot: 'identity', version: 1, id, seed: bytesToBase64Url(seed) }
  return new TextEncoder().encode(`${JSON.stringify(document)}\n`)
}

function decode(bytes: Uint8Array, name: string): Identity {
  const document = parseObject(bytes)
  if (document?.['earshot'] !== 'identity') throw unusable(name, 'it is not an identity of earshot')
  if (document['version'] !== 1) throw unusable(name, 'it was written by another version of earshot')
  const seed = typeof document['seed'] === 'string' ? bytesFromBase64Url(document['seed']) : undefined
  if (seed?.length !== SEED_BYTES) throw unusable(name, 'its key is damaged')
  const identity = new Identity(seed)
  if (document['id'] !== identity.id) throw unusable(name, 'its key does not belong to its id')
  return identity
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    // The error of the parser quotes the text, which may be a private key.
    return undefined
  }
}

function unusable(name: string, why: string): EarshotError {
  return new EarshotError('invalid-data', `The identity '${name}' cannot be used: ${why}`, {
    hint: 'Restore the file from a backup, or remove it to become a new peer with a new id.',
  })
}
