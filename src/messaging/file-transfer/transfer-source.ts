/** What is sent: a file, a folder, or a Blob; read in pieces, whatever its size. */

import { sha256 } from '../../crypto/sha256.ts'
import { EarshotError } from '../../errors.ts'
import { MAX_OFFER_NAME_BYTES, MAX_TRANSFER_ENTRIES } from '../../limits.ts'
import type { FileStat, Files, Folder } from '../../platform/files.ts'
import { boundText } from '../../wire/bound-text.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'
import { checkManifest, encodeManifest, type ManifestEntry } from './manifest.ts'
import { sourceChanged } from './stop-error.ts'
import type { Offer } from './transfer-frame.ts'

/** One file of a source, open. */
export interface SourceReader {
  read(target: Uint8Array, position: number): Promise<number>
  /** Rejects where the file is not what it was when it was offered. */
  check(): Promise<void>
  close(): Promise<void>
}

export interface TransferSource {
  readonly offer: Offer
  readonly entries: readonly ManifestEntry[]
  /** Paths of what is not sent: links, devices, sockets. */
  readonly skipped: readonly string[]
  open(entry: ManifestEntry): Promise<SourceReader>
}

const KEY_PREFIX = new TextEncoder().encode('earshot-transfer-v1\0')

/** Looks at what a user named. Rejects with `not-found`, `permission-denied`, `too-large`, `invalid-data`. */
export async function openPath(files: Files, path: string, name: string | undefined): Promise<TransferSource> {
  const located = await files.locate(path)
  const offered = name ?? boundText(located.name || 'folder', MAX_OFFER_NAME_BYTES)
  if (located.stat.kind === 'folder') return openTree(await files.openFolder(path, { create: false }), offered)
  if (located.stat.kind !== 'file') {
    throw new EarshotError('invalid-data', `${path} is neither a file nor a folder`, {
      hint: 'What a device or a pipe has to say goes through a stream: peer.open.',
    })
  }
  const entry = fileEntry('', located.stat)
  return {
    offer: offerOf('file', offered, [entry]),
    entries: [entry],
    skipped: [],
    open: async () => watched(await files.openFile(path), entry, path),
  }
}

/** A Blob or a File of the web's API. Its content never changes. */
export function openBlob(blob: Blob, name: string): TransferSource {
  const { lastModified } = blob as { lastModified?: number }
  const modifiedMs = Math.max(0, Math.floor(lastModified ?? 0))
  const entry: ManifestEntry = { path: '', kind: 'file', sizeBytes: blob.size, modifiedMs, isExecutable: false }
  const reader: SourceReader = {
    async read(target, position) {
      const part = await blob.slice(position, position + target.length).arrayBuffer()
      target.set(new Uint8Array(part))
      return part.byteLength
    },
    async check() {},
    async close() {},
  }
  return { offer: offerOf('file', name, [entry]), entries: [entry], skipped: [], open: async () => reader }
}

async function openTree(folder: Folder, name: string): Promise<TransferSource> {
  const entries: ManifestEntry[] = []
  const skipped: string[] = []
  const folders = ['']
  for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
    const prefix = path === '' ? '' : `${path}/`
    for (const { name: child, stat } of await folder.list(path, MAX_TRANSFER_ENTRIES - entries.length)) {
      const childPath = prefix + child
      if (stat.kind === 'folder') folders.push(childPath)
      if (stat.kind === 'folder') entries.push({ ...fileEntry(childPath, stat), kind: 'folder', sizeBytes: 0 })
      else if (stat.kind === 'file') entries.push(fileEntry(childPath, stat))
      else skipped.push(childPath)
    }
  }
  entries.sort((a, b) => compareUtf8(a.path, b.path))
  checkManifest(entries)
  return {
    offer: offerOf('folder', name, entries),
    entries,
    skipped: skipped.sort(compareUtf8),
    open: async entry => watched(await folder.openFile(entry.path), entry, `${folder.path}/${entry.path}`),
  }
}

function fileEntry(path: string, { sizeBytes, modifiedMs, isExecutable }: FileStat): ManifestEntry {
  return { path, kind: 'file', sizeBytes, modifiedMs, isExecutable }
}

function watched(
  file: { stat(): Promise<FileStat> } & Omit<SourceReader, 'check'>,
  { sizeBytes, modifiedMs }: ManifestEntry,
  path: string,
): SourceReader {
  return {
    read: (target, position) => file.read(target, position),
    async check() {
      const now = await file.stat()
      if (now.sizeBytes !== sizeBytes || now.modifiedMs !== modifiedMs) throw sourceChanged(path)
    },
    close: () => file.close(),
  }
}

function offerOf(kind: Offer['kind'], name: string, entries: readonly ManifestEntry[]): Offer {
  const sizeBytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0)
  const head = new ByteWriter()
    .uint8(kind === 'folder' ? 1 : 0)
    .prefixedUtf8(name)
    .finish()
  const key = sha256(KEY_PREFIX, head, ...encodeManifest(entries))
  return { kind, key, sizeBytes, entryCount: entries.length, name }
}

/** The order of the bytes in UTF-8, which is that of `LC_ALL=C sort`. */
function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)]
    if (left !== right) return codePointRank(left) - codePointRank(right)
  }
  return a.length - b.length
}

/** Surrogates stand for code points above all others. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
