/**
 * Messages of 100 bytes in one direction under flow control, on one connection. `burst` messages are sent before the
 * sender waits for flow control. The receiver counts and takes the time between two markers sent in order with them.
 */

const MESSAGE = new Uint8Array(100).fill(7)
const START = new Uint8Array(1)
const STOP = new Uint8Array(2)
const WARM_UP_MS = 300

export function messages({ name, label, burst, owed }) {
  return {
    name,
    metrics: [{ key: name, label, unit: '/s', of: 'perSecond', quantile: 0.5, better: 'more', owed }],

    async accept({ open }) {
      let count = 0
      let startedAt = 0
      let report
      const rate = new Promise(resolve => {
        report = resolve
      })
      const endpoint = await open({
        onMessage(_peer, bytes) {
          if (bytes.length === MESSAGE.length) count++
          else if (bytes.length === START.length) {
            count = 0
            startedAt = performance.now()
          } else report((count / (performance.now() - startedAt)) * 1000)
        },
      })
      return { address: () => endpoint.address, rate: () => rate }
    },

    async dial({ open, remote, quick }) {
      const endpoint = await open({})
      const peer = await endpoint.dial(await remote('address'))
      await flood(endpoint, peer, burst, WARM_UP_MS)
      await endpoint.send(peer, START)
      await flood(endpoint, peer, burst, quick ? 400 : 1500)
      await endpoint.send(peer, STOP)
      return { perSecond: [await remote('rate')] }
    },
  }
}

async function flood(endpoint, peer, burst, forMs) {
  const until = performance.now() + forMs
  while (performance.now() < until) {
    // Reading the clock costs as much as sending: once in 256 messages.
    for (let sent = 0; sent < 256; sent += burst) {
      let accepted
      for (let i = 0; i < burst; i++) accepted = endpoint.send(peer, MESSAGE)
      await accepted
    }
  }
}
