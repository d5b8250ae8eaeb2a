/**
 * Where the entries of a manifest go: each path made safe, and no two of them one for any file system. The same manifest
 * always leads to the same paths, so what is resumed finds what it began.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_NAME_ATTEMPTS } from '../../limits.ts'
import type { ManifestEntry } from './manifest.ts'
import { foldName, numbered, safeName } from './safe-name.ts'

/** The safe paths, in the order of the entries. */
export function safePaths(entries: readonly ManifestEntry[]): readonly string[] {
  const folders = new Map<string, string>()
  const taken = new Set<string>()
  return entries.map(({ path, kind }) => {
    const slash = path.lastIndexOf('/')
    const parent = slash < 0 ? '' : `${folders.get(path.slice(0, slash))!}/`
    const safe = freePath(parent, safeName(path.slice(slash + 1)), taken)
    if (kind === 'folder') folders.set(path, safe)
    return safe
  })
}

function freePath(parent: string, name: string, taken: Set<string>): string {
  for (let number = 1; number <= MAX_NAME_ATTEMPTS; number++) {
    const path = parent + (number === 1 ? name : numbered(name, number))
    const folded = foldName(path)
    if (taken.has(folded)) continue
    taken.add(folded)
    return path
  }
  throw new EarshotError('limit-reached', `more than ${MAX_NAME_ATTEMPTS} files have the same name on some systems`)
}
