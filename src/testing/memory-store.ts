/** The store port in memory: what a program keeps on a simulated host, or in a test. */

import type { Store } from '../platform/store.ts'

export function memoryStore(): Store {
  const blobs = new Map<string, Uint8Array>()
  const copyOf = (name: string) => {
    const blob = blobs.get(name)
    return blob === undefined ? undefined : new Uint8Array(blob)
  }
  return {
    async read(name) {
      return copyOf(name)
    },
    async write(name, bytes) {
      blobs.set(name, new Uint8Array(bytes))
    },
    async writeIfAbsent(name, bytes) {
      if (!blobs.has(name)) blobs.set(name, new Uint8Array(bytes))
      return copyOf(name)!
    },
    async remove(name) {
      blobs.delete(name)
    },
  }
}
