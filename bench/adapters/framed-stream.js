/**
 * Messages, questions and answers on a byte stream, as a good engineer writes them by hand when nothing else is
 * asked for: the reference which `earshot` is measured against. What is sent in one turn of the event loop is copied
 * into one batch and leaves in one write; what arrives is handed on as views of the chunk.
 *
 *     0               4               8
 *     +---------------+---------------+----------------+
 *     | length (LE)   | tag (LE)      | length bytes   |    tag 0: message; n: question n; n | 2^31: its answer
 *     +---------------+---------------+----------------+
 */

const HEADER_BYTES = 8
const BATCH_BYTES = 65_536
const ANSWER = 0x80000000
const RAW = ANSWER
const MAX_SPARE_BATCHES = 8

/** Batches are shared by all connections, so that an idle one holds none. */
const spareBatches = []

export class FramedStream {
  #socket
  #handlers
  #batch = undefined
  #batched = 0
  #drained = undefined
  #resumeSending = undefined
  #partial = undefined
  #lastQuestion = 0
  #questions = undefined

  #isRaw = false

  /** `handlers`: onMessage(stream, bytes), onQuestion(bytes) returning the answer's bytes, onBytes(bytes). */
  constructor(socket, handlers) {
    this.#socket = socket
    this.#handlers = handlers
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('drain', () => this.#onDrain())
    socket.on('error', error => socket.destroy(error))
  }

  /** Returns a promise where the stream is full: wait for it before sending more. */
  send(bytes) {
    this.#append(0, bytes)
    return this.#drained
  }

  ask(bytes) {
    this.#questions ??= new Map()
    const question = ++this.#lastQuestion
    return new Promise(resolve => {
      this.#questions.set(question, resolve)
      this.#append(question, bytes)
    })
  }

  /** From now on bytes go as they are: `{ write(bytes) }`, which returns a promise where the socket is full. */
  becomeRaw() {
    this.#append(RAW, new Uint8Array(0))
    this.#flush()
    return {
      write: bytes => {
        if (!this.#socket.write(bytes) && this.#drained === undefined) this.#waitForDrain()
        return this.#drained
      },
    }
  }

  close() {
    return new Promise(resolve => {
      if (this.#socket.closed) return resolve()
      this.#socket.once('close', resolve)
      this.#socket.destroy()
    })
  }

  #append(tag, bytes) {
    const end = this.#batched + HEADER_BYTES + bytes.length
    if (end > BATCH_BYTES) {
      this.#flush()
      return this.#append(tag, bytes)
    }
    if (this.#batch === undefined) {
      this.#batch = spareBatches.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES)
      process.nextTick(flush, this)
    }
    const { length } = bytes
    writeUint32(this.#batch, length, this.#batched)
    writeUint32(this.#batch, tag, this.#batched + 4)
    this.#batch.set(bytes, this.#batched + HEADER_BYTES)
    this.#batched = end
  }

  #flush() {
    const batch = this.#batch
    if (batch === undefined) return
    const filled = batch.subarray(0, this.#batched)
    this.#batch = undefined
    this.#batched = 0
    const spare = () => spareBatches.length < MAX_SPARE_BATCHES && spareBatches.push(batch)
    if (!this.#socket.write(filled, spare) && this.#drained === undefined) this.#waitForDrain()
  }

  #waitForDrain() {
    this.#drained = new Promise(resolve => {
      this.#resumeSending = resolve
    })
  }

  static flush(stream) {
    stream.#flush()
  }

  #onDrain() {
    this.#resumeSending?.()
    this.#drained = undefined
    this.#resumeSending = undefined
  }

  #receive(chunk) {
    if (this.#isRaw) return this.#handlers.onBytes(chunk)
    let offset = this.#partial === undefined ? 0 : this.#completePartial(chunk)
    while (chunk.length - offset >= HEADER_BYTES) {
      const end = offset + HEADER_BYTES + readUint32(chunk, offset)
      if (end > chunk.length) break
      this.#dispatch(readUint32(chunk, offset + 4), chunk.subarray(offset + HEADER_BYTES, end))
      offset = end
      if (this.#isRaw) return offset < chunk.length && this.#handlers.onBytes(chunk.subarray(offset))
    }
    if (offset < chunk.length) this.#partial = chunk.subarray(offset)
  }

  /** Completes the frame which an earlier chunk began, and returns how much of this chunk that took. */
  #completePartial(chunk) {
    const partial = this.#partial
    const joined = Buffer.concat([partial, chunk.subarray(0, HEADER_BYTES)])
    const missing =
      joined.length < HEADER_BYTES ? Number.POSITIVE_INFINITY : HEADER_BYTES + readUint32(joined, 0) - partial.length
    if (missing > chunk.length) {
      this.#partial = Buffer.concat([partial, chunk])
      return chunk.length
    }
    this.#partial = undefined
    const frame = Buffer.concat([partial, chunk.subarray(0, missing)])
    this.#dispatch(readUint32(frame, 4), frame.subarray(HEADER_BYTES))
    return missing
  }

  #dispatch(tag, bytes) {
    if (tag === 0) return this.#handlers.onMessage(this, bytes)
    if (tag === RAW) {
      this.#isRaw = true
      return
    }
    if (tag < ANSWER) return this.#append(tag + ANSWER, this.#handlers.onQuestion(bytes))
    const resolve = this.#questions.get(tag - ANSWER)
    this.#questions.delete(tag - ANSWER)
    resolve(bytes)
  }
}

const { flush } = FramedStream

function writeUint32(buffer, value, offset) {
  buffer[offset] = value
  buffer[offset + 1] = value >>> 8
  buffer[offset + 2] = value >>> 16
  buffer[offset + 3] = value >>> 24
}

function readUint32(buffer, offset) {
  return buffer[offset] + buffer[offset + 1] * 0x100 + buffer[offset + 2] * 0x10000 + buffer[offset + 3] * 0x1000000
}
