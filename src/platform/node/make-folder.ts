/**
 * Makes a folder with those it stands in. `fs.mkdir` with `recursive` does so too, but never ends where a file system
 * lets nobody make one and says ENOENT, as /proc does.
 */

import * as fs from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { systemCodeOf } from './node-error.ts'

/** One that is there stays as it is. Rejects with the system's error, ENOTDIR where a file has the name. */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  const full = resolve(path)
  try {
    await makeOne(full, mode)
  } catch (error) {
    const parent = dirname(full)
    if (systemCodeOf(error) !== 'ENOENT' || parent === full) throw error
    await makeFolder(parent, mode)
    await makeOne(full, mode)
  }
}

async function makeOne(path: string, mode: number | undefined): Promise<void> {
  try {
    await fs.mkdir(path, { mode })
  } catch (error) {
    // Where a folder is there the system may as well say EROFS or EACCES, or EISDIR for a root.
    const isFolder = await fs.stat(path).then(
      stats => stats.isDirectory(),
      () => undefined,
    )
    if (isFolder) return
    if (isFolder === false) throw Object.assign(new Error(`ENOTDIR: ${path} is no folder`), { code: 'ENOTDIR' })
    throw error
  }
}
