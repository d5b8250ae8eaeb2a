/**
 * One folder of this machine. Node cannot open a file relative to an open folder, so each name on the path is looked at
 * before it is used, and the last one is opened with O_NOFOLLOW: a link that somebody put there leads nowhere. (Who can
 * swap a folder for a link between the two can write here anyway.)
 */

import { constants, type Dirent } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { EarshotError } from '../../errors.ts'
import {
  type FileStat,
  type Folder,
  type FolderEntry,
  namesOf,
  type ReadableFile,
  type WritableFile,
} from '../files.ts'
import { fileError } from './file-error.ts'
import { describeStats } from './file-stats.ts'
import { systemCodeOf } from './node-error.ts'
import { NodeFile } from './node-file.ts'

const { O_CREAT, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY, O_RDWR } = constants
/** How many files are looked at in one go. */
const STAT_BATCH = 64
/** File systems without hard links: exFAT, some network ones, and Android for apps. */
const NO_HARD_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES'])

export class NodeFolder implements Folder {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  freeBytes(): Promise<number> {
    return this.#try(`cannot ask for the free space in ${this.path}`, async () => {
      const { bavail, bsize } = await fs.statfs(this.path)
      return bavail * bsize
    })
  }

  stat(name: string): Promise<FileStat | undefined> {
    return this.#try(`cannot look at ${this.#full(name)}`, () => statOf(this.#full(name)))
  }

  list(name: string, maxEntries: number): Promise<readonly FolderEntry[]> {
    const folder = name === '' ? this.path : this.#full(name)
    return this.#try(`cannot list ${folder}`, async () => {
      if (name !== '') await this.#checkFolders(name.split('/'))
      const found = await fs.readdir(folder, { withFileTypes: true })
      if (found.length > maxEntries) throw tooMany(folder, maxEntries)
      const entries: FolderEntry[] = []
      for (let first = 0; first < found.length; first += STAT_BATCH) {
        entries.push(...(await Promise.all(found.slice(first, first + STAT_BATCH).map(each => describe(folder, each)))))
      }
      return entries
    })
  }

  openFile(name: string): Promise<ReadableFile> {
    return this.#open(name, O_RDONLY, 0)
  }

  async createFile(name: string, { isExecutable }: { readonly isExecutable: boolean }): Promise<WritableFile> {
    // The system takes away what the user's umask says.
    return this.#open(name, O_RDWR | O_CREAT, isExecutable ? 0o777 : 0o666)
  }

  makeFolder(name: string): Promise<void> {
    return this.#try(`cannot make the folder ${this.#full(name)}`, async () => {
      await this.#checkParents(name)
      try {
        await fs.mkdir(this.#full(name))
      } catch (error) {
        if (systemCodeOf(error) !== 'EEXIST') throw error
        await this.#checkFolders(namesOf(name))
      }
    })
  }

  setModified(name: string, modifiedMs: number): Promise<void> {
    return this.#try(`cannot set the time of ${this.#full(name)}`, async () => {
      await this.#checkParents(name)
      await fs.lutimes(this.#full(name), modifiedMs / 1_000, modifiedMs / 1_000)
    })
  }

  remove(name: string): Promise<void> {
    return this.#try(`cannot remove ${this.#full(name)}`, async () => {
      await this.#checkParents(name)
      await fs.rm(this.#full(name), { recursive: true, force: true })
    })
  }

  publish(name: string, finalName: string, { replace }: { readonly replace: boolean }): Promise<boolean> {
    const [from, to] = [this.#full(name), this.#full(finalName)]
    return this.#try(`cannot name ${to}`, async () => {
      await this.#checkParents(name)
      await this.#checkParents(finalName)
      const isFolder = (await statOf(from))?.kind === 'folder'
      const wasNamed = isFolder ? await nameFolder(from, to) : await nameFile(from, to, replace)
      if (wasNamed) await syncFolder(this.path)
      return wasNamed
    })
  }

  async #open(name: string, flags: number, mode: number): Promise<NodeFile> {
    const path = this.#full(name)
    return this.#try(`cannot open ${path}`, async () => {
      await this.#checkParents(name)
      const before = await statOf(path)
      if (before !== undefined && before.kind !== 'file') throw noFile(path)
      // Without O_NONBLOCK a pipe that takes the place of the file would make us wait for its other end.
      const handle = await fs.open(path, flags | O_NOFOLLOW | O_NONBLOCK, mode)
      try {
        const stats = await handle.stat()
        // A file with a second name may be anybody's: it is not written to.
        if (!stats.isFile() || (flags !== O_RDONLY && stats.nlink > 1)) throw noFile(path)
        return new NodeFile(path, handle)
      } catch (error) {
        await handle.close()
        throw error
      }
    })
  }

  #checkParents(name: string): Promise<void> {
    return this.#checkFolders(namesOf(name).slice(0, -1))
  }

  /** No link and nothing else but folders on the way. */
  async #checkFolders(names: readonly string[]): Promise<void> {
    let path = this.path
    for (const name of names) {
      path = join(path, name)
      const stats = await fs.lstat(path)
      if (!stats.isDirectory()) throw Object.assign(new Error(`${path} is not a folder`), { code: 'ELOOP' })
    }
  }

  #full(name: string): string {
    return join(this.path, ...namesOf(name))
  }

  async #try<Value>(attempt: string, work: () => Promise<Value>): Promise<Value> {
    try {
      return await work()
    } catch (error) {
      throw fileError(error, attempt)
    }
  }
}

async function statOf(path: string): Promise<FileStat | undefined> {
  try {
    return describeStats(await fs.lstat(path))
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function describe(folder: string, { name }: Dirent): Promise<FolderEntry> {
  return { name, stat: describeStats(await fs.lstat(join(folder, name))) }
}

/** A hard link is atomic and fails where the name exists, which a rename does not. */
async function nameFile(from: string, to: string, replace: boolean): Promise<boolean> {
  const there = replace ? await statOf(to) : undefined
  if (there?.kind === 'file') {
    await fs.rename(from, to)
    return true
  }
  try {
    await fs.link(from, to)
  } catch (error) {
    const code = systemCodeOf(error) ?? ''
    if (code === 'EEXIST') return false
    if (!NO_HARD_LINKS.has(code)) throw error
    return claimAndRename(from, to, () => fs.open(to, 'wx').then(handle => handle.close()))
  }
  await fs.rm(from)
  return true
}

/** A rename replaces an empty folder, so taking the name first is safe: for a moment there is an empty one. */
function nameFolder(from: string, to: string): Promise<boolean> {
  return claimAndRename(from, to, async () => {
    await fs.mkdir(to)
    // Windows renames onto nothing that exists.
    if (process.platform === 'win32') await fs.rmdir(to)
  })
}

async function claimAndRename(from: string, to: string, claim: () => Promise<void>): Promise<boolean> {
  try {
    await claim()
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false
    throw error
  }
  await fs.rename(from, to)
  return true
}

/** The name, too, is there after a power cut. Windows, and some network file systems, do not know such a thing. */
async function syncFolder(path: string): Promise<void> {
  let handle: fs.FileHandle | undefined
  try {
    handle = await fs.open(path, 'r')
    await handle.sync()
  } catch {
    // The name is given all the same.
  } finally {
    await handle?.close()
  }
}

function noFile(path: string): EarshotError {
  return new EarshotError('permission-denied', `${path} is not a file of its own`, {
    hint: 'There is a link, a folder or a device where a file should be; remove it.',
  })
}

function tooMany(path: string, maxEntries: number): EarshotError {
  return new EarshotError('too-large', `${path} has more than ${maxEntries} entries`, {
    hint: 'Send its parts one by one, or pack them into one file.',
  })
}
