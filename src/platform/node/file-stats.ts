/** What the system knows of a file, as the port tells it. */

import type { Stats } from 'node:fs'
import type { FileStat } from '../files.ts'

/** Windows has no executable bit: there nothing is. */
export function describeStats(stats: Stats): FileStat {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'link' : 'other'
  return {
    kind,
    sizeBytes: stats.size,
    modifiedMs: Math.max(0, Math.floor(stats.mtimeMs)),
    isExecutable: kind === 'file' && process.platform !== 'win32' && (stats.mode & 0o111) !== 0,
  }
}
