/** The pre-shared key of a room with a secret (docs/protocol.md, "Secret"). */

import { scrypt } from '../crypto/scrypt.ts'
import { secretBytes } from '../crypto/secret-text.ts'

/** RFC 7914 section 2; 16 MiB and about 40 ms: once a room for its owner, once a guess for somebody who guesses. */
const COST = { N: 16_384, r: 8, p: 1 }
const PSK_BYTES = 32

const encoder = new TextEncoder()

/**
 * The key of 32 bytes that the holders of `secret` share in rooms of `service`. Texts which look alike count as one.
 * Rejects with a RangeError for a secret of other than 1 to MAX_SECRET_BYTES bytes.
 */
export async function deriveSecretKey(secret: string, service: string): Promise<Uint8Array> {
  return scrypt(secretBytes(secret), encoder.encode(`earshot-secret-v1\0${service}`), PSK_BYTES, COST)
}
