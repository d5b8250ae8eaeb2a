/**
 * What is in a transfer: its files and folders, with sizes and time stamps, parents before what is in them. The content
 * travels as one sequence of bytes, file behind file in this order.
 */

import { EarshotError, protocolViolation } from '../../errors.ts'
import {
  MAX_TRANSFER_DEPTH,
  MAX_TRANSFER_ENTRIES,
  MAX_TRANSFER_FRAME_BYTES,
  MAX_TRANSFER_PATH_BYTES,
  MAX_TRANSFER_PATHS_BYTES,
} from '../../limits.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'
import { MAX_VARINT } from '../../wire/varint.ts'
import type { Offer } from './transfer-frame.ts'

export interface ManifestEntry {
  /** Relative to the folder that is sent, names joined by '/'; empty for a file that is sent alone. */
  readonly path: string
  readonly kind: 'file' | 'folder'
  /** 0 for a folder. */
  readonly sizeBytes: number
  /** Milliseconds since 1970. */
  readonly modifiedMs: number
  readonly isExecutable: boolean
}

const FOLDER = 0x01
const EXECUTABLE = 0x02

/** The bodies of the `entries` frames: as many entries in each as fit. */
export function* encodeManifest(entries: Iterable<ManifestEntry>): Generator<Uint8Array, void, undefined> {
  let body = new ByteWriter(1_024)
  for (const entry of entries) {
    const encoded = encodeEntry(entry)
    if (body.length + encoded.length > MAX_TRANSFER_FRAME_BYTES) {
      yield body.finish()
      body = new ByteWriter(MAX_TRANSFER_FRAME_BYTES)
    }
    body.append(encoded)
  }
  if (body.length > 0) yield body.finish()
}

function encodeEntry({ path, kind, sizeBytes, modifiedMs, isExecutable }: ManifestEntry): Uint8Array {
  const flags = (kind === 'folder' ? FOLDER : 0) | (isExecutable ? EXECUTABLE : 0)
  return new ByteWriter(64).uint8(flags).varint(sizeBytes).varint(modifiedMs).prefixedUtf8(path).finish()
}

/** Throws `too-large` for what cannot be offered, before anything is sent. */
export function checkManifest(entries: readonly ManifestEntry[]): void {
  const encoder = new TextEncoder()
  let pathsBytes = 0
  for (const { path } of entries) {
    const { length } = encoder.encode(path)
    pathsBytes += length
    if (length > MAX_TRANSFER_PATH_BYTES || path.split('/').length > MAX_TRANSFER_DEPTH) {
      throw tooLarge(`the path '${path.slice(0, 80)}…' is longer or deeper than a transfer carries`)
    }
  }
  if (entries.length > MAX_TRANSFER_ENTRIES) throw tooLarge(`there are more than ${MAX_TRANSFER_ENTRIES} files`)
  if (pathsBytes > MAX_TRANSFER_PATHS_BYTES) throw tooLarge('the names of all files together are too long')
}

function tooLarge(message: string): EarshotError {
  return new EarshotError('too-large', message, {
    hint: 'Send its parts one by one, or pack them into one file.',
  })
}

/** Puts the entries of an offer together, and refuses whatever does not fit it. */
export class ManifestReader {
  readonly #offer: Offer
  readonly #entries: ManifestEntry[] = []
  /** Whether what was named so far is a folder, by path. */
  readonly #isFolder = new Map<string, boolean>()
  #sizeBytes = 0
  #pathsBytes = 0

  constructor(offer: Offer) {
    this.#offer = offer
  }

  get isComplete(): boolean {
    return this.#entries.length === this.#offer.entryCount
  }

  /** Takes the body of an `entries` frame. */
  push(body: Uint8Array): void {
    const reader = new ByteReader(body)
    if (reader.remaining === 0) throw protocolViolation('a frame of entries without entries')
    while (reader.remaining > 0) {
      if (this.isComplete) throw protocolViolation('more entries than were offered')
      this.#add(this.#decodeEntry(reader))
    }
  }

  /** All entries, once there are as many as were offered. */
  finish(): readonly ManifestEntry[] {
    if (this.#sizeBytes !== this.#offer.sizeBytes) {
      throw protocolViolation(`the files have ${this.#sizeBytes} bytes, ${this.#offer.sizeBytes} were offered`)
    }
    return this.#entries
  }

  #decodeEntry(reader: ByteReader): ManifestEntry {
    const flags = reader.uint8('entry.flags')
    if (flags > (FOLDER | EXECUTABLE)) throw protocolViolation(`an entry with the flags ${flags}`)
    const kind = flags & FOLDER ? 'folder' : 'file'
    const sizeBytes = reader.varint('entry.size')
    const modifiedMs = reader.varint('entry.modified')
    const length = reader.varint('entry.path')
    if (length > MAX_TRANSFER_PATH_BYTES) throw protocolViolation(`an entry with a path of ${length} bytes`)
    const path = reader.utf8(length, 'entry.path')
    this.#pathsBytes += length
    return { path, kind, sizeBytes, modifiedMs, isExecutable: (flags & EXECUTABLE) !== 0 }
  }

  #add(entry: ManifestEntry): void {
    const { path, kind, sizeBytes } = entry
    if (kind === 'folder' && (sizeBytes !== 0 || entry.isExecutable)) throw protocolViolation('a folder with a size')
    if (this.#pathsBytes > MAX_TRANSFER_PATHS_BYTES) throw protocolViolation('the paths are too long together')
    if (this.#offer.kind === 'file') {
      if (path !== '' || kind !== 'file') throw protocolViolation('a single file has no path')
    } else this.#checkPath(path)
    this.#isFolder.set(path, kind === 'folder')
    this.#sizeBytes += sizeBytes
    if (this.#sizeBytes > MAX_VARINT) throw protocolViolation('the sizes of the files are beyond counting')
    this.#entries.push(entry)
  }

  #checkPath(path: string): void {
    const names = path.split('/')
    if (names.length > MAX_TRANSFER_DEPTH) throw protocolViolation(`a path of ${names.length} names`)
    if (names.some(name => name === '' || name === '.' || name === '..' || name.includes('\0'))) {
      throw protocolViolation('a path with a name that is none')
    }
    if (this.#isFolder.has(path)) throw protocolViolation('a path that was named before')
    const parent = names.slice(0, -1).join('/')
    if (parent !== '' && !this.#isFolder.get(parent)) throw protocolViolation('a path in a folder that was not named')
  }
}
