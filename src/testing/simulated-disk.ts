/**
 * The disk of a simulated host. It outlives programs and power cuts; its size and its speed may be changed at any time,
 * so that it fills up or is slow when a scenario wants it to.
 */

import { fileFailure } from './file-failure.ts'

export interface FileNode {
  readonly kind: 'file'
  /** More than its content: it grows by doubling. */
  bytes: Uint8Array
  length: number
  /** So much of it survives a power cut. */
  syncedLength: number
  modifiedMs: number
  isExecutable: boolean
}

export interface FolderNode {
  readonly kind: 'folder'
  readonly children: Map<string, Node>
  modifiedMs: number
}

export interface LinkNode {
  readonly kind: 'link'
  readonly target: string
}

export type Node = FileNode | FolderNode | LinkNode

export interface DiskFileOptions {
  /** @default 0 */
  readonly modifiedMs?: number
  /** @default false */
  readonly isExecutable?: boolean
}

export class SimulatedDisk {
  /** What fits on it. @default Infinity */
  capacityBytes: number = Number.POSITIVE_INFINITY
  /** How fast it reads and writes. @default Infinity: at once */
  bytesPerMs: number = Number.POSITIVE_INFINITY
  readonly #root: FolderNode = { kind: 'folder', children: new Map(), modifiedMs: 0 }

  /** The content of all files, in bytes. */
  get usedBytes(): number {
    let used = 0
    for (const [, node] of this.#walk()) if (node.kind === 'file') used += node.length
    return used
  }

  /** The paths of everything on it but folders, sorted: `/home/ada/film.mkv`. */
  get paths(): readonly string[] {
    return [...this.#walk()].flatMap(([path, { kind }]) => (kind === 'folder' ? [] : [path])).sort()
  }

  /** Writes a whole file, with the folders that lead to it. */
  write(path: string, content: Uint8Array | string, options: DiskFileOptions = {}): void {
    const { modifiedMs = 0, isExecutable = false } = options
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : new Uint8Array(content)
    const { length } = bytes
    this.#put(path, { kind: 'file', bytes, length, syncedLength: length, modifiedMs, isExecutable })
  }

  /** The content of a file; undefined where there is none. */
  read(path: string): Uint8Array | undefined {
    const node = this.find(path)
    return node?.kind === 'file' ? node.bytes.slice(0, node.length) : undefined
  }

  makeFolder(path: string): void {
    const names = namesIn(path)
    this.#folderAt(names)
  }

  /** A symbolic link. */
  link(path: string, target: string): void {
    this.#put(path, { kind: 'link', target })
  }

  remove(path: string): void {
    const names = namesIn(path)
    const name = names.pop()
    const parent = this.find(`/${names.join('/')}`)
    if (name !== undefined && parent?.kind === 'folder') parent.children.delete(name)
  }

  /** Cuts the power: what was written and not yet brought to the disk is there by its length, and is all zeros. */
  losePower(): void {
    for (const [, node] of this.#walk()) {
      if (node.kind === 'file') node.bytes.fill(0, node.syncedLength)
    }
  }

  /** @internal What a path leads to; links are not followed. */
  find(path: string): Node | undefined {
    let node: Node | undefined = this.#root
    for (const name of namesIn(path)) node = node?.kind === 'folder' ? node.children.get(name) : undefined
    return node
  }

  /** @internal The same, with a link as the last part followed. */
  follow(path: string): { readonly path: string; readonly node: Node | undefined } {
    const node = this.find(path)
    return node?.kind === 'link' ? this.follow(node.target) : { path, node }
  }

  /** @internal Room for more, or the error of a full disk. */
  reserve(bytes: number, attempt: string): void {
    if (bytes > 0 && this.usedBytes + bytes > this.capacityBytes) throw fileFailure('ENOSPC', attempt)
  }

  #put(path: string, node: Node): void {
    const names = namesIn(path)
    const name = names.pop()
    if (name === undefined) throw new RangeError('a path has at least one name')
    this.#folderAt(names).children.set(name, node)
  }

  #folderAt(names: readonly string[]): FolderNode {
    let folder = this.#root
    for (const name of names) {
      const next = folder.children.get(name) ?? { kind: 'folder', children: new Map(), modifiedMs: 0 }
      if (next.kind !== 'folder') throw new RangeError(`${name} is not a folder`)
      folder.children.set(name, next)
      folder = next
    }
    return folder
  }

  *#walk(folder: FolderNode = this.#root, path = ''): Generator<readonly [path: string, node: Node]> {
    for (const [name, node] of folder.children) {
      yield [`${path}/${name}`, node]
      if (node.kind === 'folder') yield* this.#walk(node, `${path}/${name}`)
    }
  }
}

function namesIn(path: string): string[] {
  return path.split('/').filter(name => name !== '')
}
