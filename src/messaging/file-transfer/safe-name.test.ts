import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_INBOX_NAME_BYTES } from '../../limits.ts'
import type { ManifestEntry } from './manifest.ts'
import { foldName, numbered, safeName, safeTopName } from './safe-name.ts'
import { safePaths } from './safe-paths.ts'

/** Names with much of what is dangerous in them. */
const names = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({
    unit: fc.constantFrom(...'aA.\\/: \t\0\u202e\ud800\u00e9e\u0301*?', 'con', 'NUL', 'com¹', '..', '💾'),
    maxLength: 100,
  }),
)

function isSafe(name: string): boolean {
  return (
    name !== '' &&
    name === name.normalize('NFC') &&
    Buffer.byteLength(name) <= MAX_INBOX_NAME_BYTES &&
    !/[/\\:*?"<>|]/.test(name) &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them is left
    !/[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Surrogate}/u.test(name) &&
    !/[\s.]$|^\s/u.test(name) &&
    !/^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i.test(name)
  )
}

test('whatever a name is, what is made of it is safe, and stays what it is', () => {
  fc.assert(
    fc.property(names, name => {
      for (const make of [safeName, safeTopName]) {
        const safe = make(name)
        expect(isSafe(safe), JSON.stringify(safe)).toBe(true)
        expect(make(safe)).toBe(safe)
      }
      expect(safeTopName(name).startsWith('.')).toBe(false)
    }),
    { numRuns: 3_000 },
  )
})

test('ordinary names stay as they are', () => {
  for (const name of [
    'film.mkv',
    'Über uns (2).pdf',
    'a b',
    '日本語.txt',
    '👩‍👩‍👧',
    'Makefile',
    'x.tar.gz',
    "it's",
    '-rf',
  ]) {
    expect(safeName(name)).toBe(name)
  }
  expect(safeName('.gitignore')).toBe('.gitignore')
  expect(safeTopName('.gitignore')).toBe('_gitignore')
})

test.each([
  ['..', 'unnamed'],
  ['.', 'unnamed'],
  ['', 'unnamed'],
  [' . . ', 'unnamed'],
  ['/etc/passwd', '_etc_passwd'],
  ['..\\..\\autoexec.bat', '.._.._autoexec.bat'],
  ['C:', 'C_'],
  ['a.txt::$DATA', 'a.txt__$DATA'],
  ['nul', '_nul'],
  ['COM1.tar.gz', '_COM1.tar.gz'],
  ['LPT¹', '_LPT¹'],
  ['console', 'console'],
  ['a\nb', 'a_b'],
  ['trailing. . ', 'trailing'],
  ['e\u0301', 'é'],
])('%j becomes %j', (name, safe) => {
  expect(safeName(name)).toBe(safe)
})

test('a long name keeps its extension', () => {
  const safe = safeName(`${'ä'.repeat(200)}.jpeg`)
  expect(safe.endsWith('ä.jpeg')).toBe(true)
  expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(MAX_INBOX_NAME_BYTES)
  expect(safeName(`a.${'x'.repeat(300)}`).length).toBe(MAX_INBOX_NAME_BYTES)
})

test('numbers go before the extension', () => {
  expect(numbered('photo.jpg', 2)).toBe('photo (2).jpg')
  expect(numbered('photo', 10)).toBe('photo (10)')
  expect(numbered('.hidden', 3)).toBe('.hidden (3)')
})

test('no two paths are one for a file system that folds case or Unicode', () => {
  const parts = fc.constantFrom(
    'a',
    'A',
    'ä',
    'a\u0308',
    'Ä',
    'ss',
    'ß',
    'a.',
    'a ',
    '..x',
    'CON',
    'a:b',
    'a?b',
    'fi',
    'ﬁ',
  )
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(parts, parts), { selector: ([a, b]) => `${a}/${b}`, maxLength: 60 }), pairs => {
      const folders = [...new Set(pairs.map(([folder]) => folder))]
      const entry = (path: string, kind: 'file' | 'folder'): ManifestEntry => {
        return { path, kind, sizeBytes: 0, modifiedMs: 0, isExecutable: false }
      }
      const entries = [
        ...folders.map(folder => entry(folder, 'folder')),
        ...pairs.map(([folder, name]) => entry(`${folder}/${name}`, 'file')),
      ]
      const safe = safePaths(entries)
      expect(new Set(safe.map(foldName)).size).toBe(entries.length)
      for (const [index, path] of safe.entries()) {
        for (const name of path.split('/')) expect(isSafe(name), JSON.stringify(path)).toBe(true)
        expect(path.split('/').length).toBe(entries[index]!.path.split('/').length)
      }
      expect(safePaths(entries)).toEqual(safe)
    }),
  )
})
