/**
 * What has arrived of a transfer, on the disk of the receiver: one file, or one folder, under a temporary name that says
 * whose and which it is. How far it has come is told by the sizes of the files alone, so no state can contradict them;
 * whether it is right is told by the digest of all of it.
 *
 *     .film.mkv.kq3vzm2ah5wxy7ce.earshot-part        ──►  film.mkv
 *      └ name    └ of peer and key
 */

import type { Sha256 } from '../../crypto/sha256.ts'
import { EarshotError } from '../../errors.ts'
import { FREE_SPACE_CHECK_BYTES, MAX_NAME_ATTEMPTS, MIN_FREE_BYTES } from '../../limits.ts'
import type { Folder, WritableFile } from '../../platform/files.ts'
import type { ManifestEntry } from './manifest.ts'
import { numbered } from './safe-name.ts'
import { safePaths } from './safe-paths.ts'
import type { Offer } from './transfer-frame.ts'

/** Content that is gathered before it is written: few large writes are faster than many small ones. */
const WRITE_BYTES = 524_288
/** Files up to this size are written as a whole where they come so. */
const SMALL_BYTES = 65_536
/** Files that are being written or brought to the disk while the next ones come. */
const MAX_FINISHING = 16
const READ_BYTES = 262_144

export interface PartialOptions {
  readonly folder: Folder
  /** Its name while it is not complete. */
  readonly partialName: string
  readonly offer: Offer
  readonly entries: readonly ManifestEntry[]
}

export class PartialContent {
  readonly #folder: Folder
  readonly #root: string
  readonly #offer: Offer
  readonly #entries: readonly ManifestEntry[]
  readonly #paths: readonly string[]
  #index = 0
  #open: WritableFile | undefined
  /** Written of the present entry; what is gathered is not. */
  #position = 0
  /** What is gathered, and what is being written: two buffers that take turns. */
  #gathered = new Uint8Array(0)
  #spare = new Uint8Array(0)
  #gatheredBytes = 0
  #uncheckedBytes = 0
  readonly #finishing = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor({ folder, partialName, offer, entries }: PartialOptions) {
    this.#folder = folder
    this.#root = partialName
    this.#offer = offer
    this.#entries = entries
    this.#paths = offer.kind === 'file' ? [partialName] : safePaths(entries).map(path => `${partialName}/${path}`)
  }

  /**
   * How much there is from an earlier attempt, hashed. Rejects with `no-space` where the rest does not fit; aborting ends it.
   */
  async prepare(hash: Sha256, signal: AbortSignal): Promise<number> {
    const { kind, sizeBytes } = this.#offer
    const there = await this.#folder.stat(this.#root)
    if (there && there.kind !== kind) await this.#folder.remove(this.#root)
    const have = there?.kind === kind ? await this.#presentBytes(signal) : 0
    const free = await this.#folder.freeBytes()
    if (sizeBytes - have > free - MIN_FREE_BYTES) throw noSpace(this.#offer, sizeBytes - have, free)
    // From here on it is known, also to a program that is started anew, that this transfer was accepted.
    if (kind === 'folder') await this.#folder.makeFolder(this.#root)
    else await this.#openFile()
    await this.#skip(have, hash, signal)
    return have
  }

  /** Forgets what there was, and begins at the front. */
  async restart(): Promise<void> {
    await this.close()
    await this.#folder.remove(this.#root)
    this.#index = 0
    this.#position = 0
    if (this.#offer.kind === 'folder') await this.#folder.makeFolder(this.#root)
  }

  /** Takes the next piece of the content, and is done with it when this resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes
    while (rest.length > 0) {
      await this.#passComplete()
      const entry = this.#entries[this.#index]!
      const left = entry.sizeBytes - this.#position - this.#gatheredBytes
      if (left === entry.sizeBytes && left <= rest.length && left <= SMALL_BYTES) {
        await this.#writeWhole(entry, rest.slice(0, left))
        rest = rest.subarray(left)
        continue
      }
      const part = rest.subarray(0, Math.min(left, WRITE_BYTES - this.#gatheredBytes))
      this.#gather(part)
      rest = rest.subarray(part.length)
      if (part.length === left || this.#gatheredBytes === WRITE_BYTES) await this.#flush()
    }
  }

  /** All of the content is here: brings it to the disk, and gives it its name, which is returned. */
  async publish(name: string, { replace }: { readonly replace: boolean }): Promise<string> {
    await this.#passComplete()
    await this.#settle()
    for (const [index, entry] of [...this.#entries.entries()].reverse()) {
      if (entry.kind === 'folder') await this.#folder.setModified(this.#paths[index]!, entry.modifiedMs)
    }
    for (let number = 1; number <= MAX_NAME_ATTEMPTS; number++) {
      const candidate = number === 1 ? name : numbered(name, number)
      if (await this.#folder.publish(this.#root, candidate, { replace })) return candidate
    }
    throw new EarshotError('limit-reached', `there are ${MAX_NAME_ATTEMPTS} files named like '${name}' already`)
  }

  async remove(): Promise<void> {
    await this.close()
    await this.#folder.remove(this.#root)
  }

  /** Keeps what has arrived: it is the beginning of the next attempt. */
  async close(): Promise<void> {
    await this.#flush().catch(ignore)
    await this.#settle().catch(ignore)
    await this.#open?.close().catch(ignore)
    this.#open = undefined
  }

  // What there is from before -----------------------------------------------------------------------------------------

  /** Files are written one behind the other: the first that is not complete is where it stopped. */
  async #presentBytes(signal: AbortSignal): Promise<number> {
    let present = 0
    for (const [index, entry] of this.#entries.entries()) {
      signal.throwIfAborted()
      const path = this.#paths[index]!
      const stat = await this.#folder.stat(path)
      if (stat?.kind !== entry.kind) return present
      if (entry.kind === 'folder') continue
      if (stat.sizeBytes > entry.sizeBytes) {
        // It is not ours.
        await this.#folder.remove(path)
        return present
      }
      present += stat.sizeBytes
      if (stat.sizeBytes < entry.sizeBytes) return present
    }
    return present
  }

  async #skip(bytes: number, hash: Sha256, signal: AbortSignal): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES)
    for (let left = bytes; left > 0; ) {
      signal.throwIfAborted()
      await this.#passComplete()
      const file = await this.#openFile()
      const entryLeft = this.#entries[this.#index]!.sizeBytes - this.#position
      const length = await file.read(buffer.subarray(0, Math.min(left, entryLeft)), this.#position)
      if (length === 0) throw new EarshotError('invalid-data', 'somebody changes the partial file')
      hash.update(buffer.subarray(0, length))
      this.#position += length
      left -= length
    }
  }

  // Writing -----------------------------------------------------------------------------------------------------------

  /** Goes on to the entry that the next byte belongs to: makes folders and empty files, and ends files that are full. */
  async #passComplete(): Promise<void> {
    for (;;) {
      const entry = this.#entries[this.#index]
      if (entry === undefined || this.#position + this.#gatheredBytes < entry.sizeBytes) return
      if (entry.kind === 'folder') await this.#folder.makeFolder(this.#paths[this.#index]!)
      else await this.#finishFile(entry)
      this.#index += 1
      this.#position = 0
    }
  }

  /** The file is brought to the disk while others are written. */
  async #finishFile(entry: ManifestEntry): Promise<void> {
    const file = await this.#openFile()
    await this.#writing
    this.#open = undefined
    await this.#finish(async () => {
      try {
        await file.finish(entry.modifiedMs)
      } finally {
        await file.close()
      }
    })
  }

  /**
   * A small file that has come as a whole. Making and closing it takes longer than writing it, so several are under way; what is
   * missing after a crash is found, since the first file that is not complete is where the next attempt begins.
   */
  async #writeWhole(entry: ManifestEntry, content: Uint8Array): Promise<void> {
    const path = this.#paths[this.#index]!
    await this.#open?.close()
    this.#open = undefined
    this.#index += 1
    await this.#finish(async () => {
      const file = await this.#folder.createFile(path, entry)
      try {
        await file.write(content, 0)
        await file.finish(entry.modifiedMs)
      } finally {
        await file.close()
      }
    })
  }

  /** Does this beside others, and throws what failed in any of them so far. */
  async #finish(work: () => Promise<void>): Promise<void> {
    const finishing = work()
      .catch(error => {
        this.#failure ??= { error }
      })
      .finally(() => this.#finishing.delete(finishing))
    this.#finishing.add(finishing)
    if (this.#finishing.size >= MAX_FINISHING) await Promise.race(this.#finishing)
    if (this.#failure) throw this.#failure.error
  }

  async #openFile(): Promise<WritableFile> {
    const { isExecutable } = this.#entries[this.#index]!
    this.#open ??= await this.#folder.createFile(this.#paths[this.#index]!, { isExecutable })
    return this.#open
  }

  /** Copied: the records that it came in are free again, and a sender of single bytes costs no more than others. */
  #gather(part: Uint8Array): void {
    const needed = this.#gatheredBytes + part.length
    if (needed > this.#gathered.length) {
      const grown = new Uint8Array(Math.min(WRITE_BYTES, Math.max(needed, 2 * this.#gathered.length)))
      grown.set(this.#gathered.subarray(0, this.#gatheredBytes))
      this.#gathered = grown
    }
    this.#gathered.set(part, this.#gatheredBytes)
    this.#gatheredBytes = needed
  }

  /** One write at a time, and the next one is gathered meanwhile. */
  async #flush(): Promise<void> {
    await this.#writing
    if (this.#gatheredBytes === 0) return
    const file = await this.#openFile()
    const bytes = this.#gathered.subarray(0, this.#gatheredBytes)
    this.#writing = file.write(bytes, this.#position)
    this.#position += bytes.length
    this.#uncheckedBytes += bytes.length
    this.#gatheredBytes = 0
    ;[this.#gathered, this.#spare] = [this.#spare, this.#gathered]
    // It is awaited before the next one: until then nobody looks.
    this.#writing.catch(ignore)
    if (this.#uncheckedBytes >= FREE_SPACE_CHECK_BYTES) await this.#checkSpace()
  }

  async #checkSpace(): Promise<void> {
    this.#uncheckedBytes = 0
    const free = await this.#folder.freeBytes()
    if (free < MIN_FREE_BYTES) throw noSpace(this.#offer, MIN_FREE_BYTES, free)
  }

  /** Everything that was begun is done. */
  async #settle(): Promise<void> {
    await this.#writing
    await Promise.all(this.#finishing)
    if (this.#failure) throw this.#failure.error
  }
}

function noSpace({ name }: Offer, neededBytes: number, freeBytes: number): EarshotError {
  return new EarshotError(
    'no-space',
    `no space for '${name}': it needs ${neededBytes} bytes, and of ${freeBytes} free ones ${MIN_FREE_BYTES} stay free`,
    { hint: 'Make room, and send it again; what has arrived is not sent twice.' },
  )
}

function ignore(): void {}
