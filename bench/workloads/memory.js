/**
 * Memory per idle connection: the slope of the resident set over the number of connections, each of which has
 * carried one message both ways. The measured side is one endpoint with many connections; on the other side each
 * connection has an endpoint of its own, since two rooms have one session between them however often they dial.
 */

import { setImmediate } from 'node:timers/promises'

const BYTE = new Uint8Array(1)

/** `measured`: 'acceptor' or 'dialer'. */
export function memoryOf(measured) {
  const side = measured === 'acceptor' ? 'accepted' : 'dialed'
  return {
    name: `memory-${measured}`,
    metrics: [
      {
        key: `memory-${side}`,
        label: `idle connection, ${side}`,
        unit: 'kB',
        of: 'rss',
        quantile: 0.5,
        better: 'less',
        owed: 0.4,
      },
      { key: `heap-${side}`, label: `of it heap and buffers`, unit: 'kB', of: 'heap', quantile: 0.5, better: 'less' },
    ],

    async accept({ open }) {
      const listen = async () => {
        const endpoint = await open({ onMessage: (peer, bytes) => void endpoint.send(peer, bytes) })
        return endpoint.address
      }
      return { listen, memory }
    },

    async dial({ open, remote, quick }) {
      const steps = quick ? [100, 200, 300] : [200, 300, 400, 500, 600]
      const connections =
        measured === 'acceptor' ? await fromMany(open, remote) : await fromOne(open, remote, steps.at(-1))
      const points = []
      let connected = 0
      for (const count of steps) {
        for (; connected < count; connected++) await connections.add()
        const used = measured === 'acceptor' ? await remote('memory') : await memory()
        points.push({ count, ...used })
      }
      return { rss: [slope(points, 'rss') / 1000], heap: [slope(points, 'heap') / 1000] }
    },
  }
}

/** Many dialers, one acceptor. */
async function fromMany(open, remote) {
  const address = await remote('listen')
  return {
    async add() {
      let onEcho
      const endpoint = await open({ onMessage: () => onEcho() })
      await exchange(endpoint, address, echo => {
        onEcho = echo
      })
    },
  }
}

/** One dialer, many acceptors, all of which listen before the first sample. */
async function fromOne(open, remote, count) {
  const addresses = []
  for (let i = 0; i < count; i++) addresses.push(await remote('listen'))
  let onEcho
  const endpoint = await open({ onMessage: () => onEcho() })
  return {
    add: () =>
      exchange(endpoint, addresses.pop(), echo => {
        onEcho = echo
      }),
  }
}

async function exchange(endpoint, address, whenEchoed) {
  const peer = await endpoint.dial(address)
  await new Promise(resolve => {
    whenEchoed(resolve)
    endpoint.send(peer, BYTE)
  })
}

/** In bytes, after what can be collected has been. */
async function memory() {
  for (let i = 0; i < 4; i++) {
    await setImmediate()
    globalThis.gc()
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, heap: heapUsed + external }
}

/** Least squares. */
function slope(points, key) {
  const mean = of => points.reduce((sum, point) => sum + point[of], 0) / points.length
  const meanCount = mean('count')
  const meanValue = mean(key)
  const covariance = points.reduce((sum, point) => sum + (point.count - meanCount) * (point[key] - meanValue), 0)
  return covariance / points.reduce((sum, point) => sum + (point.count - meanCount) ** 2, 0)
}
