/** Round trips of 32 bytes, one after the other. */

const MESSAGE = new Uint8Array(32).fill(7)
const WARM_UP = 500

export const roundTrip = {
  name: 'rtt',
  metrics: [
    { key: 'rtt', label: 'round trip of 32 bytes', unit: 'µs', of: 'us', quantile: 0.5, better: 'less', owed: 1 },
    { key: 'rtt-p99', label: 'round trip, p99', unit: 'µs', of: 'us', quantile: 0.99, better: 'less' },
  ],

  async accept({ open }) {
    const endpoint = await open({ onMessage: (peer, bytes) => void endpoint.send(peer, bytes) })
    return { address: () => endpoint.address }
  },

  async dial({ open, remote, quick }) {
    let onEcho
    const endpoint = await open({ onMessage: () => onEcho() })
    const peer = await endpoint.dial(await remote('address'))
    const count = quick ? 300 : 1000
    const us = []
    await new Promise(resolve => {
      let sentAt = 0
      const next = () => {
        sentAt = performance.now()
        endpoint.send(peer, MESSAGE)
      }
      onEcho = () => {
        us.push((performance.now() - sentAt) * 1000)
        if (us.length === WARM_UP + count) resolve()
        else next()
      }
      next()
    })
    return { us: us.slice(WARM_UP) }
  },
}
