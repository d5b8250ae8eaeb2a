/**
 * Memory per idle connection: the slope of the resident set over the number of connections, each of which has
 * carried one message both ways. The measured side is one endpoint with many connections; on the other side each
 * connection has an endpoint of its own, since two rooms have one session between them however often they dial. V8's
 * young generation grows with the garbage of dialling, up to a bound of the process: the slope is also told without it.
 */

import { setImmediate } from 'node:timers/promises'
import { getHeapSpaceStatistics } from 'node:v8'

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
      {
        key: `old-${side}`,
        label: 'the same without the young generation',
        unit: 'kB',
        of: 'old',
        quantile: 0.5,
        better: 'less',
      },
      {
        key: `heap-${side}`,
        label: 'of it objects and buffers',
        unit: 'kB',
        of: 'heap',
        quantile: 0.5,
        better: 'less',
      },
    ],

    async accept({ open }) {
      let measuredEndpoint
      return {
        async listen() {
          const endpoint = await open({ onMessage: (peer, bytes) => void endpoint.send(peer, bytes) })
          measuredEndpoint ??= endpoint
          return endpoint.address
        },
        memory: count => memoryWith(measuredEndpoint, count),
      }
    },

    async dial({ open, remote, quick }) {
      const steps = quick ? [200, 300, 400] : [400, 550, 700, 850, 1000]
      const side =
        measured === 'acceptor' ? await manyDialers(open, remote) : await oneDialer(open, remote, steps.at(-1))
      const points = []
      let connected = 0
      for (const count of steps) {
        for (; connected < count; connected++) await side.connect()
        points.push({ count, ...(await side.memory(count)) })
      }
      const slopeOf = key => [slope(points, key) / 1000]
      return { rss: slopeOf('rss'), old: slopeOf('old'), heap: slopeOf('heap') }
    },
  }
}

async function manyDialers(open, remote) {
  const address = await remote('listen')
  return {
    connect: async () => exchange(await echoed(open), address),
    memory: count => remote('memory', count),
  }
}

/** All acceptors listen before the first sample. */
async function oneDialer(open, remote, count) {
  const addresses = []
  for (let i = 0; i < count; i++) addresses.push(await remote('listen'))
  const dialer = await echoed(open)
  return {
    connect: () => exchange(dialer, addresses.pop()),
    memory: connections => memoryWith(dialer.endpoint, connections),
  }
}

/** An endpoint whose `onEcho` can be set for each message. */
async function echoed(open) {
  const dialer = { endpoint: undefined, onEcho: undefined }
  dialer.endpoint = await open({ onMessage: () => dialer.onEcho() })
  return dialer
}

async function exchange(dialer, address) {
  const peer = await dialer.endpoint.dial(address)
  await new Promise(resolve => {
    dialer.onEcho = resolve
    dialer.endpoint.send(peer, BYTE)
  })
}

/** In bytes, after what can be collected has been. */
async function memoryWith(endpoint, count) {
  if (endpoint.connections() !== count) throw new Error(`${endpoint.connections()} connections instead of ${count}`)
  for (let i = 0; i < 4; i++) {
    await setImmediate()
    globalThis.gc()
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
  return { rss, old: rss - young.physical_space_size, heap: heapUsed + external }
}

/** Least squares. */
function slope(points, key) {
  const mean = of => points.reduce((sum, point) => sum + point[of], 0) / points.length
  const meanCount = mean('count')
  const meanValue = mean(key)
  const covariance = points.reduce((sum, point) => sum + (point.count - meanCount) * (point[key] - meanValue), 0)
  return covariance / points.reduce((sum, point) => sum + (point.count - meanCount) ** 2, 0)
}
