/** The store port as files of one directory, which only their owner can read (on Windows: what the directory's ACL says). */

import { randomUUID } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { constants, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Store } from '../store.ts'
import { makeFolder } from './make-folder.ts'
import { nodeError, systemCodeOf } from './node-error.ts'

export class FileStore implements Store {
  readonly #directory: string

  /** The directory is made when the first blob is written. */
  constructor(directory: string) {
    this.#directory = directory
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    try {
      return await fs.readFile(this.#path(name))
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return undefined
      throw nodeError(error, `cannot read ${this.#path(name)}`, 'invalid-data')
    }
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(name)
    await this.#throughTemporaryFile(path, bytes, temporary => fs.rename(temporary, path))
  }

  async writeIfAbsent(name: string, bytes: Uint8Array): Promise<Uint8Array> {
    const present = await this.read(name)
    if (present) return present
    const path = this.#path(name)
    try {
      await this.#throughTemporaryFile(path, bytes, temporary => publishIfAbsent(temporary, path))
      return bytes
    } catch (error) {
      const winner = await this.read(name)
      if (winner) return winner
      throw error
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await fs.rm(this.#path(name), { force: true })
    } catch (error) {
      throw nodeError(error, `cannot remove ${this.#path(name)}`, 'invalid-data')
    }
  }

  /** Writes a complete file beside `path`, lets `publish` give it its name, and leaves nothing behind. */
  async #throughTemporaryFile(
    path: string,
    bytes: Uint8Array,
    publish: (temporary: string) => Promise<void>,
  ): Promise<void> {
    const temporary = `${path}.${randomUUID()}.tmp`
    try {
      await makeFolder(this.#directory, 0o700)
      await writeDurably(temporary, bytes)
      await publish(temporary)
    } catch (error) {
      throw nodeError(error, `cannot write ${path}`, 'invalid-data')
    } finally {
      // Mostly it has its name by now; and what went wrong before matters more than a file left behind.
      await fs.rm(temporary, { force: true }).catch(() => {})
    }
  }

  #path(name: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
      throw new RangeError(`a blob's name has 1 to 100 letters, digits, '.', '_' or '-', not ${JSON.stringify(name)}`)
    }
    return join(this.#directory, name)
  }
}

/** On the disk before the file gets its name: after a power cut there is the old blob or the new one. */
async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file: FileHandle = await fs.open(path, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Of several processes, one succeeds; a hard link is atomic and fails where the name exists. */
async function publishIfAbsent(temporary: string, path: string): Promise<void> {
  try {
    await fs.link(temporary, path)
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') throw error
    // exFAT, and Android for apps, have no hard links. A copy is exclusive too, but a reader may come while it is made.
    await fs.copyFile(temporary, path, constants.COPYFILE_EXCL)
  }
}
