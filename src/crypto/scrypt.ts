/** A key from a secret that people chose (scrypt, RFC 7914). */

import { scrypt as nodeScrypt } from 'node:crypto'

/** N, r and p of RFC 7914 section 2. The memory needed is 128 × N × r bytes. */
export interface ScryptCost {
  readonly N: number
  readonly r: number
  readonly p: number
}

/** `length` bytes derived from `secret`; computed beside the event loop. */
export function scrypt(secret: Uint8Array, salt: Uint8Array, length: number, cost: ScryptCost): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    nodeScrypt(secret, salt, length, cost, (error, key) => {
      if (error) reject(error)
      else resolve(new Uint8Array(key))
    })
  })
}
