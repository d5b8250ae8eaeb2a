/** Frames of transfers of version 1 on the wire (docs/protocol.md, "Transfers"), which are kept for ever. */

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Sha256 } from '../../crypto/sha256.ts'
import { MAX_TRANSFER_DATA_BYTES } from '../../limits.ts'
import { ContentReader } from './content-reader.ts'
import { FrameParser } from './frame-parser.ts'
import { encodeManifest, ManifestReader } from './manifest.ts'
import { partialNameOf } from './partial-name.ts'
import {
  encodeAccept,
  encodeDone,
  encodeEnd,
  encodeEntries,
  encodeHave,
  encodeOffer,
  encodeStart,
  encodeWorking,
  type TransferFrame,
} from './transfer-frame.ts'
import { openBlob } from './transfer-source.ts'

interface Fixture {
  readonly name: string
  readonly hex: string
}

const { frames } = JSON.parse(
  readFileSync(new URL('../../../test/vectors/transfer-v1.json', import.meta.url), 'utf8'),
) as { frames: Fixture[] }

const KEY = Uint8Array.from({ length: 32 }, (_, index) => index)
const OFFER = { kind: 'file', key: KEY, sizeBytes: 70_000, entryCount: 1, name: 'naïve.txt' } as const
const FOLDER = { kind: 'folder', key: KEY, sizeBytes: 5, entryCount: 3, name: 'album' } as const
const ENTRIES = [
  { path: 'deep', kind: 'folder', sizeBytes: 0, modifiedMs: 1_700_000_000_123, isExecutable: false },
  { path: 'deep/ä', kind: 'file', sizeBytes: 5, modifiedMs: 0, isExecutable: false },
  { path: 'run', kind: 'file', sizeBytes: 0, modifiedMs: 1, isExecutable: true },
] as const
const [BODY] = encodeManifest(ENTRIES)

const FRAMES: Readonly<Record<string, readonly [TransferFrame, Uint8Array]>> = {
  'offer of a file': [{ type: 'offer', offer: OFFER }, encodeOffer(OFFER)],
  'offer of a folder': [{ type: 'offer', offer: FOLDER }, encodeOffer(FOLDER)],
  accept: [{ type: 'accept' }, encodeAccept()],
  entries: [{ type: 'entries', body: BODY! }, encodeEntries(BODY!)],
  have: [{ type: 'have', bytes: 5_000_000, digest: KEY }, encodeHave(5_000_000, KEY)],
  start: [{ type: 'start', bytes: 5_000_000 }, encodeStart(5_000_000)],
  end: [{ type: 'end', digest: KEY }, encodeEnd(KEY)],
  done: [{ type: 'done' }, encodeDone()],
  working: [{ type: 'working' }, encodeWorking()],
}

test('test/vectors/transfer-v1.json has every frame but content', () => {
  expect(frames.map(({ name }) => name)).toEqual(Object.keys(FRAMES))
})

test.each(frames)('$name is these bytes, and back', ({ name, hex }) => {
  const [frame, bytes] = FRAMES[name]!
  expect(Buffer.from(bytes).toString('hex')).toBe(hex)
  expect([...new FrameParser().push(Uint8Array.from(Buffer.from(hex, 'hex')))]).toEqual([frame])
})

test('the entries are those of the offer', () => {
  const reader = new ManifestReader(FOLDER)
  reader.push(BODY!)
  expect(reader.finish()).toEqual(ENTRIES)
})

test('content goes in frames of a length that is no longer than needed', async () => {
  for (const [length, header] of [
    [1, '0601'],
    [70, '064046'],
    [20_000, '0680004e20'],
    [MAX_TRANSFER_DATA_BYTES, '0680040000'],
  ] as const) {
    const content = new ContentReader(openBlob(new Blob([new Uint8Array(length)]), 'x'))
    const buffer = new Uint8Array(MAX_TRANSFER_DATA_BYTES + 5)
    const piece = await content.next(buffer, new Sha256())
    expect(piece!.length).toBe(length)
    expect(Buffer.from(piece!.frame.subarray(0, piece!.frame.length - length)).toString('hex')).toBe(header)
    expect(await content.next(buffer, new Sha256())).toBeUndefined()
  }
})

// Made by a few lines of Python from the document.
test('the key of an offer, and the name of its partial file, are the same for ever', () => {
  const { offer } = openBlob(new File(['hello'], 'ignored', { lastModified: 1_700_000_000_123 }), 'naïve.txt')
  expect(Buffer.from(offer.key).toString('hex')).toBe(
    '76d3dbbb8283c7d9a39473f43d6d772cd101848a1d18d38606b5c833aabb0de9',
  )
  expect(partialNameOf(OFFER, 'a'.repeat(52))).toBe('.naïve.txt.rirngh27sp2c37aw.earshot-part')
})
