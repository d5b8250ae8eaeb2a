/** The files port of one program on a simulated host: what it does takes the time that the disk needs. */

import { EarshotError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import {
  type FileStat,
  type Files,
  type Folder,
  type FolderEntry,
  type LocatedFile,
  namesOf,
  type ReadableFile,
  type WritableFile,
} from '../platform/files.ts'
import { fileFailure } from './file-failure.ts'
import type { FileNode, FolderNode, Node, SimulatedDisk } from './simulated-disk.ts'
import type { EventOwner, VirtualTime } from './virtual-time.ts'

/** The disk, and whose time it takes. */
interface DiskAccess {
  readonly disk: SimulatedDisk
  /** Resolves when the disk has moved so many bytes, and never for a program that has ended meanwhile. */
  pause(bytes: number): Promise<void>
  /** What the clock on the wall says, which is what files are stamped with. */
  wallTime(): number
}

export class SimulatedFiles implements Files {
  readonly #access: DiskAccess

  constructor(disk: SimulatedDisk, time: VirtualTime, program: EventOwner, clock: Pick<Clock, 'wallTime'>) {
    this.#access = {
      disk,
      pause: bytes => new Promise(resolve => void time.schedule(bytes / disk.bytesPerMs, program, resolve)),
      wallTime: () => clock.wallTime(),
    }
  }

  async locate(path: string): Promise<LocatedFile> {
    await this.#access.pause(0)
    const { node } = this.#access.disk.follow(path)
    if (!node) throw fileFailure('ENOENT', `cannot find ${path}`)
    return { name: path.split('/').findLast(name => name !== '') ?? '', stat: describe(node) }
  }

  async openFile(path: string): Promise<ReadableFile> {
    await this.#access.pause(0)
    const { node } = this.#access.disk.follow(path)
    if (node?.kind !== 'file') throw fileFailure(node ? 'EISDIR' : 'ENOENT', `cannot open ${path}`)
    return new SimulatedFile(path, node, this.#access)
  }

  async openFolder(path: string, { create }: { readonly create: boolean }): Promise<Folder> {
    const { disk, pause } = this.#access
    await pause(0)
    if (create && !disk.find(path)) disk.makeFolder(path)
    const { path: real, node } = disk.follow(path)
    if (node?.kind !== 'folder') throw fileFailure(node ? 'ENOTDIR' : 'ENOENT', `cannot open the folder ${path}`)
    return new SimulatedFolder(real.replace(/\/+$/, ''), this.#access)
  }
}

class SimulatedFolder implements Folder {
  readonly path: string
  readonly #access: DiskAccess

  constructor(path: string, access: DiskAccess) {
    this.path = path
    this.#access = access
  }

  async freeBytes(): Promise<number> {
    const { disk, pause } = this.#access
    await pause(0)
    return disk.capacityBytes - disk.usedBytes
  }

  async stat(name: string): Promise<FileStat | undefined> {
    await this.#access.pause(0)
    const node = this.#find(name)
    return node && describe(node)
  }

  async list(name: string, maxEntries: number): Promise<readonly FolderEntry[]> {
    await this.#access.pause(0)
    const node = name === '' ? this.#access.disk.find(this.path) : this.#find(name)
    if (node?.kind !== 'folder') throw fileFailure(node ? 'ENOTDIR' : 'ENOENT', `cannot list ${this.path}/${name}`)
    if (node.children.size > maxEntries) {
      throw new EarshotError('too-large', `${this.path}/${name} has more than ${maxEntries} entries`)
    }
    return [...node.children].map(([entry, child]) => ({ name: entry, stat: describe(child) }))
  }

  async openFile(name: string): Promise<ReadableFile> {
    await this.#access.pause(0)
    return this.#open(name, this.#find(name))
  }

  async createFile(name: string, { isExecutable }: { readonly isExecutable: boolean }): Promise<WritableFile> {
    const { disk, pause } = this.#access
    await pause(0)
    const parent = this.#parentOf(name)
    if (!this.#find(name)) {
      disk.reserve(0, `cannot open ${this.path}/${name}`)
      const modifiedMs = this.#access.wallTime()
      const file = { kind: 'file', bytes: new Uint8Array(0), length: 0, syncedLength: 0, modifiedMs, isExecutable }
      parent.children.set(lastOf(name), file as FileNode)
    }
    return this.#open(name, this.#find(name))
  }

  async makeFolder(name: string): Promise<void> {
    await this.#access.pause(0)
    const { children } = this.#parentOf(name)
    const there = children.get(lastOf(name))
    if (there && there.kind !== 'folder') throw fileFailure('ELOOP', `cannot make the folder ${this.path}/${name}`)
    if (!there) children.set(lastOf(name), { kind: 'folder', children: new Map(), modifiedMs: this.#access.wallTime() })
  }

  async setModified(name: string, modifiedMs: number): Promise<void> {
    await this.#access.pause(0)
    const node = this.#find(name)
    if (!node || node.kind === 'link') throw fileFailure('ENOENT', `cannot set the time of ${this.path}/${name}`)
    node.modifiedMs = modifiedMs
  }

  async remove(name: string): Promise<void> {
    await this.#access.pause(0)
    this.#access.disk.remove(`${this.path}/${namesOf(name).join('/')}`)
  }

  async publish(name: string, finalName: string, { replace }: { readonly replace: boolean }): Promise<boolean> {
    await this.#access.pause(0)
    const node = this.#find(name)
    if (!node) throw fileFailure('ENOENT', `cannot name ${this.path}/${finalName}`)
    const { children } = this.#parentOf(finalName)
    const there = children.get(lastOf(finalName))
    if (there && !(replace && there.kind === 'file' && node.kind === 'file')) return false
    this.#parentOf(name).children.delete(lastOf(name))
    children.set(lastOf(finalName), node)
    return true
  }

  #open(name: string, node: Node | undefined): SimulatedFile {
    const path = `${this.path}/${name}`
    if (node?.kind !== 'file') throw fileFailure(node ? 'ELOOP' : 'ENOENT', `cannot open ${path}`)
    return new SimulatedFile(path, node, this.#access)
  }

  #parentOf(name: string): FolderNode {
    const names = namesOf(name).slice(0, -1)
    const parent = this.#access.disk.find([this.path, ...names].join('/'))
    if (parent?.kind !== 'folder') throw fileFailure(parent ? 'ELOOP' : 'ENOENT', `cannot use ${this.path}/${name}`)
    return parent
  }

  #find(name: string): Node | undefined {
    return this.#access.disk.find([this.path, ...namesOf(name)].join('/'))
  }
}

class SimulatedFile implements WritableFile {
  readonly #path: string
  readonly #node: FileNode
  readonly #access: DiskAccess

  constructor(path: string, node: FileNode, access: DiskAccess) {
    this.#path = path
    this.#node = node
    this.#access = access
  }

  async stat(): Promise<FileStat> {
    await this.#access.pause(0)
    return describe(this.#node)
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const { bytes, length } = this.#node
    const count = Math.max(0, Math.min(target.length, length - position))
    await this.#access.pause(count)
    target.set(bytes.subarray(position, position + count))
    return count
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await this.#access.pause(bytes.length)
    const node = this.#node
    const end = position + bytes.length
    this.#access.disk.reserve(Math.max(0, end - node.length), `cannot write ${this.#path}`)
    if (end > node.bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * node.bytes.length))
      grown.set(node.bytes.subarray(0, node.length))
      node.bytes = grown
    }
    node.bytes.set(bytes, position)
    node.length = Math.max(node.length, end)
    node.modifiedMs = this.#access.wallTime()
    node.syncedLength = Math.min(node.syncedLength, position)
  }

  async finish(modifiedMs: number): Promise<void> {
    await this.#access.pause(0)
    this.#node.modifiedMs = modifiedMs
    this.#node.syncedLength = this.#node.length
  }

  async close(): Promise<void> {}
}

function describe(node: Node): FileStat {
  if (node.kind === 'link') return { kind: 'link', sizeBytes: 0, modifiedMs: 0, isExecutable: false }
  if (node.kind === 'folder') return { kind: 'folder', sizeBytes: 0, modifiedMs: node.modifiedMs, isExecutable: false }
  const { length, modifiedMs, isExecutable } = node
  return { kind: 'file', sizeBytes: length, modifiedMs, isExecutable }
}

function lastOf(name: string): string {
  return namesOf(name).at(-1)!
}
