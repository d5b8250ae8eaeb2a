/** The receiving side of a transfer, from the acceptance to the file under its name. */

import { Sha256 } from '../../crypto/sha256.ts'
import { protocolViolation } from '../../errors.ts'
import type { Folder } from '../../platform/files.ts'
import { type ManifestEntry, ManifestReader } from './manifest.ts'
import { PartialContent } from './partial-content.ts'
import { safeTopName } from './safe-name.ts'
import { areEqual } from './send-transfer.ts'
import { contentMismatch } from './stop-error.ts'
import { encodeAccept, encodeDone, encodeHave, type Offer } from './transfer-frame.ts'
import type { TransferLink } from './transfer-link.ts'

export interface ReceiveOptions {
  readonly folder: Folder
  readonly partialName: string
  /** Whether a file of the same name is replaced; otherwise another name is found. */
  readonly replace: boolean
  /** How much of the content is here. */
  readonly onReceived: (bytes: number) => void
}

export interface ReceivedTransfer {
  readonly digest: Uint8Array
  readonly resumedBytes: number
  /** The name that it was given in the folder. */
  readonly name: string
}

/**
 * Tells a sender that what it offers has arrived already: the session was over before it got to know. Rejects where it has
 * other content now.
 */
export async function confirmTransfer(link: TransferLink, offer: Offer, digest: Uint8Array): Promise<void> {
  await link.write(encodeAccept())
  await readManifest(link, offer)
  await link.write(encodeHave(offer.sizeBytes, digest))
  const { bytes } = await link.expect('start')
  if (bytes !== offer.sizeBytes) throw contentMismatch(offer.name)
  const end = await link.expect('end')
  if (!areEqual(end.digest, digest)) throw contentMismatch(offer.name)
  await link.write(encodeDone())
}

/** Receives what was offered. Whatever goes wrong rejects; the caller tells the other side. */
export async function receiveTransfer(
  link: TransferLink,
  offer: Offer,
  options: ReceiveOptions,
): Promise<ReceivedTransfer> {
  await link.write(encodeAccept())
  const entries = await readManifest(link, offer)
  const { folder, partialName, replace, onReceived } = options
  const partial = new PartialContent({ folder, partialName, offer, entries })
  try {
    const { hash, resumedBytes } = await agreeOnStart(link, partial)
    onReceived(resumedBytes)
    const end = await receiveContent(link, partial, { hash, from: resumedBytes, to: offer.sizeBytes, onReceived })
    const digest = hash.digest()
    if (!areEqual(digest, end)) {
      // Whatever there is, it is not the beginning of what was offered.
      await partial.remove()
      throw contentMismatch(offer.name)
    }
    const name = await link.busyWith(partial.publish(safeTopName(offer.name), { replace }))
    // It is there: where the sender does not get to know, it sends it again.
    await link.write(encodeDone()).catch(() => {})
    return { digest, resumedBytes, name }
  } finally {
    await partial.close()
  }
}

async function readManifest(link: TransferLink, offer: Offer): Promise<readonly ManifestEntry[]> {
  const manifest = new ManifestReader(offer)
  while (!manifest.isComplete) manifest.push((await link.expect('entries')).body)
  return manifest.finish()
}

/** The sender compares what is here with what it has, and says where it begins: there, or at the front. */
async function agreeOnStart(
  link: TransferLink,
  partial: PartialContent,
): Promise<{ readonly hash: Sha256; readonly resumedBytes: number }> {
  const hash = new Sha256()
  const have = await link.busyWith(partial.prepare(hash, link.signal))
  await link.write(encodeHave(have, hash.digest()))
  const { bytes } = await link.expect('start')
  if (bytes === have) return { hash, resumedBytes: have }
  if (bytes !== 0) throw protocolViolation(`a start at byte ${bytes}, where ${have} are here`)
  await partial.restart()
  return { hash: new Sha256(), resumedBytes: 0 }
}

interface ContentOptions {
  readonly hash: Sha256
  readonly from: number
  readonly to: number
  readonly onReceived: (bytes: number) => void
}

/** Takes the content, and returns the digest that the sender says it has. */
async function receiveContent(
  link: TransferLink,
  partial: PartialContent,
  { hash, from, to, onReceived }: ContentOptions,
): Promise<Uint8Array> {
  let received = from
  for (;;) {
    const frame = await link.next()
    if (frame.type === 'end') {
      if (received < to) throw protocolViolation(`the end after ${received} bytes of ${to}`)
      return frame.digest
    }
    if (frame.type !== 'data') throw protocolViolation(`a frame of type '${frame.type}' in the content`)
    if (frame.bytes.length > to - received) throw protocolViolation('more content than was offered')
    hash.update(frame.bytes)
    await partial.write(frame.bytes)
    received += frame.bytes.length
    onReceived(received)
  }
}
