/**
 * Bytes in one direction through one stream, in chunks of 64 KiB as files are read, under flow control. The receiver
 * reads and counts.
 */

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'

const CHUNK = new Uint8Array(65_536).fill(7)
/** A slow machine needs the same work until all code is compiled, not the same time. */
const WARM_UP_CHUNKS = 4_096

export const bulk = {
  name: 'bulk',
  metrics: [
    { key: 'bulk', label: 'one stream in bulk', unit: 'MB/s', of: 'rate', quantile: 0.5, better: 'more', owed: 1 },
  ],

  async accept({ open }) {
    let count = 0
    const endpoint = await open({
      onBytes(bytes) {
        count += bytes.length
      },
    })
    return {
      address: () => endpoint.address,
      async rate(forMs) {
        const [from, startedAt] = [count, performance.now()]
        await sleep(forMs)
        return (count - from) / (performance.now() - startedAt) / 1000
      },
    }
  },

  async dial({ open, remote, quick }) {
    const endpoint = await open({})
    const stream = endpoint.openStream(await endpoint.dial(await remote('address')))
    let isOver = false
    let chunks = 0
    const flood = async () => {
      for (; !isOver; chunks++) {
        await stream.write(CHUNK)
        // Where the path takes everything at once, nothing else would ever run.
        if (chunks % 32 === 0) await turn()
      }
    }
    const flooding = flood()
    while (chunks < WARM_UP_CHUNKS) await sleep(20)
    const rate = await remote('rate', quick ? 500 : 1500)
    isOver = true
    await flooding
    return { rate: [rate] }
  },
}
