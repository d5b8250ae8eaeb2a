/** CipherState of the Noise Protocol Framework, revision 34, section 5.1, with ChaChaPoly (section 12.3). */

import { ChaCha20Poly1305, NONCE_BYTES, TAG_BYTES } from '../../crypto/chacha20-poly1305.ts'
import { EarshotError } from '../../errors.ts'
import { MAX_RECORDS_PER_KEY } from '../../limits.ts'

const TWO_32 = 0x1_0000_0000

export class CipherState {
  readonly #aead: ChaCha20Poly1305
  /** 32 bits of zeros, then the 64-bit counter, little-endian. */
  readonly #nonce = new Uint8Array(NONCE_BYTES)
  #counter: number

  /** @param counter how many messages the key has seen already */
  constructor(key: Uint8Array, counter = 0) {
    this.#aead = new ChaCha20Poly1305(key)
    this.#counter = counter
  }

  /** Writes the ciphertext of `plaintext` and its tag into `target` at `offset`. */
  encryptInto(target: Uint8Array, offset: number, plaintext: Uint8Array, associatedData?: Uint8Array): void {
    this.#aead.sealInto(target, offset, plaintext, this.#presentNonce(), associatedData)
    this.#counter++
  }

  /** The same with ciphertext and tag in buffers of their own, and no associated data. */
  encryptApart(plaintext: Uint8Array): { readonly ciphertext: Uint8Array; readonly tag: Uint8Array } {
    const sealed = this.#aead.sealApart(plaintext, this.#presentNonce())
    this.#counter++
    return sealed
  }

  encrypt(plaintext: Uint8Array, associatedData?: Uint8Array): Uint8Array {
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
    this.encryptInto(sealed, 0, plaintext, associatedData)
    return sealed
  }

  /** The plaintext, or `undefined` where authentication fails; then the counter stays (section 5.1). */
  decrypt(sealed: Uint8Array, associatedData?: Uint8Array): Uint8Array | undefined {
    const plaintext = this.#aead.open(sealed, this.#presentNonce(), associatedData)
    if (plaintext !== undefined) this.#counter++
    return plaintext
  }

  #presentNonce(): Uint8Array {
    if (this.#counter >= MAX_RECORDS_PER_KEY) {
      throw new EarshotError('limit-reached', `A key has been used for ${MAX_RECORDS_PER_KEY} records, its limit`, {
        hint: 'Connect again: a new connection has new keys.',
      })
    }
    const nonce = this.#nonce
    const low = this.#counter % TWO_32
    const high = (this.#counter - low) / TWO_32
    nonce[4] = low
    nonce[5] = low >>> 8
    nonce[6] = low >>> 16
    nonce[7] = low >>> 24
    nonce[8] = high
    nonce[9] = high >>> 8
    return nonce
  }
}
