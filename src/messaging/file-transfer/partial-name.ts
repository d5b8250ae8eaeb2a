/** The name of what is not complete: `.film.mkv.kq3vzm2ah5wxy7ce.earshot-part`. */

import { sha256 } from '../../crypto/sha256.ts'
import { encodeBase32 } from '../../identity/base32.ts'
import { boundText } from '../../wire/bound-text.ts'
import { safeTopName } from './safe-name.ts'
import { encodeOffer, type Offer } from './transfer-frame.ts'

const SUFFIX = '.earshot-part'
const KEY_CHARACTERS = 16
/** Of the name of the file, so that with key and suffix it stays a name that file systems take. */
const NAME_BYTES = 180

/**
 * The key stands for the sender and for all of its offer, so that nothing else can pass for what was accepted.
 * @param senderId the sender's peer id
 */
export function partialNameOf(offer: Offer, senderId: string): string {
  const digest = sha256(new TextEncoder().encode(senderId), encodeOffer(offer))
  const key = encodeBase32(digest).slice(0, KEY_CHARACTERS)
  return `.${boundText(safeTopName(offer.name), NAME_BYTES)}.${key}${SUFFIX}`
}

export function isPartialName(name: string): boolean {
  return name.startsWith('.') && name.endsWith(SUFFIX)
}
