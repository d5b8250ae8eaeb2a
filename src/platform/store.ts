/** The store port: a few small named blobs that outlive the process, such as an identity. */

export interface Store {
  /** The blob, or `undefined` where there is none. */
  read(name: string): Promise<Uint8Array | undefined>

  /** Replaces the blob atomically: a reader sees the old or the new one, never a part. Only the owner may read it. */
  write(name: string, bytes: Uint8Array): Promise<void>

  /**
   * Writes the blob unless there is one already, and returns the one which is there afterwards. Of two processes
   * which do this at the same time, both get the same blob.
   */
  writeIfAbsent(name: string, bytes: Uint8Array): Promise<Uint8Array>

  remove(name: string): Promise<void>
}
