/** One open file of this machine. */

import type { FileHandle } from 'node:fs/promises'
import type { FileStat, WritableFile } from '../files.ts'
import { fileError } from './file-error.ts'
import { describeStats } from './file-stats.ts'

export class NodeFile implements WritableFile {
  readonly #path: string
  readonly #handle: FileHandle
  #closing: Promise<void> | undefined

  constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  async stat(): Promise<FileStat> {
    return this.#try('read', async () => describeStats(await this.#handle.stat()))
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return this.#try('read', async () => {
      const { bytesRead } = await this.#handle.read(target, 0, target.length, position)
      return bytesRead
    })
  }

  /** A disk that fills up takes a part of what it is given, and refuses the next one. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    await this.#try('write', async () => {
      for (let offset = 0; offset < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, offset, bytes.length - offset, position + offset)
        offset += bytesWritten
      }
    })
  }

  async finish(modifiedMs: number): Promise<void> {
    await this.#try('write', async () => {
      await this.#handle.utimes(modifiedMs / 1_000, modifiedMs / 1_000)
      await this.#handle.sync()
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#try('close', () => this.#handle.close())
    return this.#closing
  }

  async #try<Value>(verb: string, work: () => Promise<Value>): Promise<Value> {
    try {
      return await work()
    } catch (error) {
      throw fileError(error, `cannot ${verb} ${this.#path}`)
    }
  }
}
