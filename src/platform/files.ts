/**
 * The files port: what a transfer reads and writes. Everything in a `Folder` is named by a path relative to it, with '/'
 * between the names, and no link on that path is ever followed: what a name leads to is inside of the folder.
 */

export interface FileStat {
  /** `'other'`: devices, sockets, pipes. */
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  readonly sizeBytes: number
  /** Last modification, in whole milliseconds since 1970. */
  readonly modifiedMs: number
  readonly isExecutable: boolean
}

export interface FolderEntry {
  readonly name: string
  readonly stat: FileStat
}

export interface ReadableFile {
  /** What it is now; compare it with what it was to see whether somebody has written to it. */
  stat(): Promise<FileStat>
  /** Reads up to `target.length` bytes at `position`, and returns how many: 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>
  /** Idempotent. */
  close(): Promise<void>
}

export interface WritableFile extends ReadableFile {
  /** Writes all of the bytes. They must not be changed before the promise resolves. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Sets the time stamp and waits until everything is on the disk. */
  finish(modifiedMs: number): Promise<void>
}

export interface Folder {
  /** The whole path, for people. */
  readonly path: string
  /** What may still be written to this disk. */
  freeBytes(): Promise<number>
  /** Undefined where there is nothing of that name. */
  stat(name: string): Promise<FileStat | undefined>
  /** What is in a folder inside of it, '' for itself, in no order. Rejects with `too-large` beyond `maxEntries`. */
  list(name: string, maxEntries: number): Promise<readonly FolderEntry[]>
  openFile(name: string): Promise<ReadableFile>
  /** Opens a file for writing, and makes it where there is none; one that exists keeps its content. */
  createFile(name: string, options: { readonly isExecutable: boolean }): Promise<WritableFile>
  /** Does nothing where that folder exists. Its parent must exist. */
  makeFolder(name: string): Promise<void>
  setModified(name: string, modifiedMs: number): Promise<void>
  /** With everything in it. Does nothing where there is nothing. */
  remove(name: string): Promise<void>
  /**
   * Gives a file or folder its final name, atomically: nobody ever sees a part of it under that name. False: the name is
   * taken. With `replace`, a file of that name is replaced; what is not a file never is.
   */
  publish(name: string, finalName: string, options: { readonly replace: boolean }): Promise<boolean>
}

export interface LocatedFile {
  /** The last name of the whole path. */
  readonly name: string
  readonly stat: FileStat
}

export interface Files {
  /** What the user named, links followed. Rejects with `not-found`. */
  locate(path: string): Promise<LocatedFile>
  /** Opens what the user named, links followed. */
  openFile(path: string): Promise<ReadableFile>
  /** `create`: makes it, with its parents, where there is none. */
  openFolder(path: string, options: { readonly create: boolean }): Promise<Folder>
}

/** The names of a path inside of a folder. Throws for one that could lead out of it: a bug, whoever named it. */
export function namesOf(path: string): readonly string[] {
  const names = path.split('/')
  if (names.some(name => name === '' || name === '.' || name === '..' || /[\\\0]/.test(name))) {
    throw new RangeError(`a path inside of a folder has no such names: ${JSON.stringify(path)}`)
  }
  return names
}
