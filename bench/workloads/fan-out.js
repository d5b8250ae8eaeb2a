/**
 * Messages of 1 KB from one sender to 32 peers, each message to all of them, under flow control. The receivers, one
 * endpoint each in the other process, count.
 */

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'

const PEERS = 32
const MESSAGE = new Uint8Array(1_024).fill(7)
const BURST = 8
/** A slow machine needs the same work until all code is compiled, not the same time. */
const WARM_UP_ROUNDS = 400

export const fanOut = {
  name: 'fan-out',
  metrics: [
    {
      key: 'fan-out',
      label: `1 KB to ${PEERS} peers`,
      unit: '/s',
      of: 'perSecond',
      quantile: 0.5,
      better: 'more',
      owed: 0.6,
    },
  ],

  async accept({ open }) {
    let count = 0
    const handlers = {
      onMessage() {
        count++
      },
    }
    return {
      listen: async () => (await open(handlers)).address,
      async rate(forMs) {
        const [from, startedAt] = [count, performance.now()]
        await sleep(forMs)
        return ((count - from) / (performance.now() - startedAt)) * 1000
      },
    }
  },

  async dial({ open, remote, quick }) {
    const endpoint = await open({})
    const peers = []
    for (let i = 0; i < PEERS; i++) peers.push(await endpoint.dial(await remote('listen')))
    let isOver = false
    let rounds = 0
    const flood = async () => {
      for (; !isOver; rounds++) {
        const accepted = []
        for (let i = 0; i < BURST; i++) {
          for (const peer of peers) accepted.push(endpoint.send(peer, MESSAGE))
        }
        await Promise.all(accepted)
        // Where the paths take everything at once, nothing else would ever run.
        await turn()
      }
    }
    const flooding = flood()
    while (rounds < WARM_UP_ROUNDS) await sleep(20)
    const rate = await remote('rate', quick ? 500 : 1500)
    isOver = true
    await flooding
    return { perSecond: [rate] }
  },
}
