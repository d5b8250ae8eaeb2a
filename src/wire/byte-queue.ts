/** Bytes of a stream in the order of their arrival, until enough are there for what they mean. */
export class ByteQueue {
  #chunks: Uint8Array[] = []
  /** How much of the first chunk was taken. */
  #offset = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#chunks.push(bytes)
    this.#length += bytes.length
  }

  /** The first `length` bytes, or all where there are fewer: a view where one chunk has them. They stay. */
  peek(length: number): Uint8Array {
    const wanted = Math.min(length, this.#length)
    const first = this.#chunks[0]
    if (first === undefined || first.length - this.#offset >= wanted)
      return first?.subarray(this.#offset, this.#offset + wanted) ?? new Uint8Array()
    const bytes = new Uint8Array(wanted)
    let filled = 0
    let skip = this.#offset
    for (const chunk of this.#chunks) {
      if (filled === wanted) break
      const part = chunk.subarray(skip, skip + wanted - filled)
      bytes.set(part, filled)
      filled += part.length
      skip = 0
    }
    return bytes
  }

  /** Takes out the first `length` bytes, which must be there. */
  take(length: number): Uint8Array {
    const bytes = this.peek(length)
    this.drop(length)
    return bytes
  }

  /** Forgets the first `length` bytes, or all where there are fewer; returns how many. */
  drop(length: number): number {
    const dropped = Math.min(length, this.#length)
    this.#length -= dropped
    let end = this.#offset + dropped
    let whole = 0
    while (whole < this.#chunks.length && end >= this.#chunks[whole]!.length) end -= this.#chunks[whole++]!.length
    this.#chunks.splice(0, whole)
    this.#offset = end
    return dropped
  }
}
