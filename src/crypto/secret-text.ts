/** Secrets that people choose and type, as bytes. */

import { MAX_SECRET_BYTES } from '../limits.ts'

const encoder = new TextEncoder()

/**
 * Texts which look alike count as one: the secret is taken in Unicode's form NFC. Throws a RangeError for other than 1 to
 * MAX_SECRET_BYTES bytes.
 */
export function secretBytes(secret: string): Uint8Array {
  const bytes = encoder.encode(secret.normalize('NFC'))
  if (bytes.length === 0 || bytes.length > MAX_SECRET_BYTES) {
    throw new RangeError(`secret must have 1 to ${MAX_SECRET_BYTES} bytes of UTF-8, it has ${bytes.length}`)
  }
  return bytes
}
