/**
 * One file from disk to disk: 1 GiB, sparse, so that the disk of the machine counts as little as possible; other sizes by
 * `--file-bytes`. earshot sends it as its users do, hashed on both sides, brought to the disk and named; the others copy it
 * through a stream, without any of that. The peak of resident memory is told for both processes: it must not depend on the size.
 */

import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'

const DEFAULT_BYTES = 2 ** 30
const QUICK_BYTES = 2 ** 28
const CHUNK_BYTES = 2 ** 18

export const file = {
  name: 'file',
  metrics: [
    { key: 'file', label: 'file to file', unit: 'MB/s', of: 'rate', quantile: 0.5, better: 'more' },
    { key: 'file-sender', label: 'peak memory, sending', unit: 'MB', of: 'sender', quantile: 0.5, better: 'less' },
    {
      key: 'file-receiver',
      label: 'peak memory, receiving',
      unit: 'MB',
      of: 'receiver',
      quantile: 0.5,
      better: 'less',
    },
  ],

  async accept({ open }) {
    const folder = mkdtempSync(joinPath(tmpdir(), 'earshot-bench-'))
    const sink = new FileSink(joinPath(folder, 'film'))
    const endpoint = await open({ onBytes: bytes => sink.write(bytes), inbox: folder })
    return {
      address: () => endpoint.address,
      received: bytes => sink.received(bytes),
      peak: () => peakMegabytes(),
      remove: () => rmSync(folder, { recursive: true }),
    }
  },

  async dial({ open, remote, quick, fileBytes = quick ? QUICK_BYTES : DEFAULT_BYTES }) {
    const folder = mkdtempSync(joinPath(tmpdir(), 'earshot-bench-'))
    const path = joinPath(folder, 'film')
    writeFileSync(path, '')
    truncateSync(path, fileBytes)
    try {
      const endpoint = await open({})
      const peer = await endpoint.dial(await remote('address'))
      const startedAt = performance.now()
      if (endpoint.sendFile) await endpoint.sendFile(peer, path)
      else await copyThrough(endpoint.openStream(peer), path, () => remote('received', fileBytes))
      const rate = fileBytes / (performance.now() - startedAt) / 1000
      return { rate: [rate], sender: [peakMegabytes()], receiver: [await remote('peak')] }
    } finally {
      rmSync(folder, { recursive: true })
      await remote('remove')
    }
  },
}

/** Reads the next chunk while the last one is on its way. */
async function copyThrough(stream, path, untilReceived) {
  const handle = await fs.open(path, 'r')
  let position = 0
  const read = async () => {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(CHUNK_BYTES), 0, CHUNK_BYTES, position)
    position += bytesRead
    return buffer.subarray(0, bytesRead)
  }
  for (let next = read(), chunk = await next; chunk.length > 0; chunk = await next) {
    next = read()
    await stream.write(chunk)
  }
  await handle.close()
  await untilReceived()
}

/** What a plain program does with bytes that arrive. */
class FileSink {
  #path
  #handle
  #count = 0
  #writing = Promise.resolve()
  #check = () => {}

  constructor(path) {
    this.#path = path
  }

  write(bytes) {
    const at = this.#count
    this.#count += bytes.length
    this.#writing = this.#writing.then(async () => {
      this.#handle ??= await fs.open(this.#path, 'w')
      await this.#handle.write(bytes, 0, bytes.length, at)
      this.#check()
    })
  }

  async received(bytes) {
    await new Promise(resolve => {
      this.#check = () => this.#count >= bytes && resolve()
      this.#check()
    })
    await this.#writing
    await this.#handle.close()
  }
}

function peakMegabytes() {
  return process.resourceUsage().maxRSS / 1000
}
