/** The sending side of a transfer, from the offer to the word that everything is there. */

import { Sha256 } from '../../crypto/sha256.ts'
import { protocolViolation } from '../../errors.ts'
import { ContentReader, FRAME_BUFFER_BYTES } from './content-reader.ts'
import { encodeManifest } from './manifest.ts'
import { encodeEnd, encodeEntries, encodeOffer, encodeStart } from './transfer-frame.ts'
import type { TransferLink } from './transfer-link.ts'
import type { TransferSource } from './transfer-source.ts'

export interface SentTransfer {
  /** Of all content. */
  readonly digest: Uint8Array
  /** What the receiver had already. */
  readonly resumedBytes: number
}

/**
 * Sends a source over a stream. `onSent` is told how much of the content the other side has, or has been sent. Whatever
 * goes wrong rejects; the caller tells the other side.
 */
export async function sendTransfer(
  link: TransferLink,
  source: TransferSource,
  onSent: (bytes: number) => void,
): Promise<SentTransfer> {
  await link.write(encodeOffer(source.offer))
  await link.expect('accept')
  for (const body of encodeManifest(source.entries)) await link.write(encodeEntries(body))
  const have = await link.expect('have')
  if (have.bytes > source.offer.sizeBytes) throw protocolViolation('the other side has more than there is')
  let content = new ContentReader(source)
  try {
    let hash = new Sha256()
    await link.busyWith(content.skip(have.bytes, hash, link.signal))
    const isSame = areEqual(hash.digest(), have.digest)
    if (!isSame) {
      await content.close()
      content = new ContentReader(source)
      hash = new Sha256()
    }
    const resumedBytes = isSame ? have.bytes : 0
    await link.write(encodeStart(resumedBytes))
    onSent(resumedBytes)
    await sendContent(link, content, hash, bytes => onSent(resumedBytes + bytes))
    const digest = hash.digest()
    await link.write(encodeEnd(digest))
    await link.expect('done')
    return { digest, resumedBytes }
  } finally {
    await content.close()
  }
}

/** Reads the next piece while the last one is on its way. Two buffers take turns: new ones would keep memory busy. */
async function sendContent(
  link: TransferLink,
  content: ContentReader,
  hash: Sha256,
  onSent: (bytes: number) => void,
): Promise<void> {
  let [buffer, other] = [new Uint8Array(FRAME_BUFFER_BYTES), new Uint8Array(FRAME_BUFFER_BYTES)]
  let sent = 0
  for (let piece = await content.next(buffer, hash); piece !== undefined; ) {
    const taken = link.write(piece.frame)
    ;[buffer, other] = [other, buffer]
    const next = content.next(buffer, hash)
    // Where writing fails, nobody waits for it any more.
    next.catch(ignore)
    await taken
    sent += piece.length
    onSent(sent)
    piece = await next
  }
}

export function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

function ignore(): void {}
