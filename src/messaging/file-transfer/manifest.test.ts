import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import {
  MAX_TRANSFER_DEPTH,
  MAX_TRANSFER_ENTRIES,
  MAX_TRANSFER_FRAME_BYTES,
  MAX_TRANSFER_PATH_BYTES,
} from '../../limits.ts'
import { checkManifest, encodeManifest, type ManifestEntry, ManifestReader } from './manifest.ts'
import type { Offer } from './transfer-frame.ts'

const OFFER: Offer = { kind: 'folder', key: new Uint8Array(32), sizeBytes: 0, entryCount: 1, name: 'x' }
const FILE: ManifestEntry = { path: 'a', kind: 'file', sizeBytes: 0, modifiedMs: 0, isExecutable: false }

function offerOf(entries: readonly ManifestEntry[]): Offer {
  const sizeBytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0)
  return { ...OFFER, sizeBytes, entryCount: entries.length }
}

function readAll(offer: Offer, bodies: Iterable<Uint8Array>): readonly ManifestEntry[] {
  const reader = new ManifestReader(offer)
  for (const body of bodies) reader.push(body)
  return reader.finish()
}

/** Trees: each entry is in a folder that came before. */
const trees = fc
  .array(
    fc.record({
      parent: fc.nat(),
      isFolder: fc.boolean(),
      sizeBytes: fc.nat(1_000_000),
      modifiedMs: fc.maxSafeNat(),
      isExecutable: fc.boolean(),
    }),
    { maxLength: 40 },
  )
  .map(nodes => {
    const folders = ['']
    return nodes.map(({ parent, isFolder, ...rest }, index): ManifestEntry => {
      const folder = folders[parent % folders.length]!
      const path = folder === '' ? `é${index}` : `${folder}/é${index}`
      if (isFolder && path.split('/').length < 20) folders.push(path)
      else return { ...rest, path, kind: 'file' }
      return { ...rest, path, kind: 'folder', sizeBytes: 0, isExecutable: false }
    })
  })

test('a manifest comes out as it went in', () => {
  fc.assert(
    fc.property(trees, entries => {
      checkManifest(entries)
      expect(readAll(offerOf(entries), encodeManifest(entries))).toEqual(entries)
    }),
  )
})

test('a long one goes in several frames, none of them longer than a frame may be', () => {
  const entries = Array.from({ length: 5_000 }, (_, index) => ({ ...FILE, path: `${index}`.padStart(100, 'x') }))
  const bodies = [...encodeManifest(entries)]
  expect(bodies.length).toBeGreaterThan(5)
  for (const { length } of bodies) expect(length).toBeLessThanOrEqual(MAX_TRANSFER_FRAME_BYTES)
  expect(readAll(offerOf(entries), bodies)).toEqual(entries)
})

test('any bytes are entries or a violation', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (body, isFile) => {
      const offer: Offer = isFile ? { ...OFFER, kind: 'file' } : { ...OFFER, entryCount: 5 }
      try {
        new ManifestReader(offer).push(body)
      } catch (error) {
        expect(error).toBeInstanceOf(EarshotError)
        expect((error as EarshotError).code).toBe('protocol-violation')
      }
    }),
    { numRuns: 2_000 },
  )
})

test('every cut-off body is refused', () => {
  const [body] = encodeManifest([{ ...FILE, path: 'some/path', sizeBytes: 70_000, modifiedMs: 1_700_000_000_000 }])
  for (let length = 0; length < body!.length; length++) {
    expect(() => new ManifestReader(OFFER).push(body!.subarray(0, length))).toThrow(EarshotError)
  }
})

test('paths that are too long, too deep, or too many together are refused on both sides', () => {
  const long = { ...FILE, path: 'x'.repeat(MAX_TRANSFER_PATH_BYTES + 1) }
  const deep = {
    ...FILE,
    path: Array(MAX_TRANSFER_DEPTH + 1)
      .fill('d')
      .join('/'),
  }
  for (const entry of [long, deep]) {
    expect(() => checkManifest([entry])).toThrow(/longer or deeper/)
    expect(() => readAll(OFFER, encodeManifest([entry]))).toThrow(EarshotError)
  }
  const many = Array.from({ length: MAX_TRANSFER_ENTRIES + 1 }, () => FILE)
  expect(() => checkManifest(many)).toThrow(/more than/)
  const wordy = Array.from({ length: 20_000 }, (_, index) => ({ ...FILE, path: `${index}`.padStart(1_000, 'x') }))
  expect(() => checkManifest(wordy)).toThrow(/too long/)
  expect(() => readAll(offerOf(wordy), encodeManifest(wordy))).toThrow(/too long/)
})
