/** The files port on the file system of this machine. */

import * as fs from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { Files, Folder, LocatedFile, ReadableFile } from '../files.ts'
import { fileError } from './file-error.ts'
import { describeStats } from './file-stats.ts'
import { makeFolder } from './make-folder.ts'
import { NodeFile } from './node-file.ts'
import { NodeFolder } from './node-folder.ts'

export class NodeFiles implements Files {
  async locate(path: string): Promise<LocatedFile> {
    try {
      return { name: basename(resolve(path)), stat: describeStats(await fs.stat(path)) }
    } catch (error) {
      throw fileError(error, `cannot find ${path}`)
    }
  }

  async openFile(path: string): Promise<ReadableFile> {
    try {
      return new NodeFile(path, await fs.open(path, 'r'))
    } catch (error) {
      throw fileError(error, `cannot open ${path}`)
    }
  }

  async openFolder(path: string, { create }: { readonly create: boolean }): Promise<Folder> {
    try {
      if (create) await makeFolder(path)
      // The user may name a link: from here on none is followed.
      return new NodeFolder(await fs.realpath(path))
    } catch (error) {
      throw fileError(error, `cannot open the folder ${path}`)
    }
  }
}
