/**
 * Round trips of 32 bytes, one after the other: the first ones of a process, while V8 still interprets, and 1000 after
 * a warm-up.
 */

const MESSAGE = new Uint8Array(32).fill(7)
const COLD = 500
const WARM_UP_MS = 400

export const roundTrip = {
  name: 'rtt',
  metrics: [
    { key: 'rtt', label: 'round trip of 32 bytes', unit: 'µs', of: 'us', quantile: 0.5, better: 'less', owed: 1 },
    { key: 'rtt-p99', label: 'the same, p99', unit: 'µs', of: 'us', quantile: 0.99, better: 'less' },
    { key: 'rtt-cold', label: 'the first 500 of a process', unit: 'µs', of: 'coldUs', quantile: 0.5, better: 'less' },
  ],

  async accept({ open }) {
    const endpoint = await open({ onMessage: (peer, bytes) => void endpoint.send(peer, bytes) })
    return { address: () => endpoint.address }
  },

  async dial({ open, remote, quick }) {
    let onEcho
    const endpoint = await open({ onMessage: () => onEcho() })
    const peer = await endpoint.dial(await remote('address'))

    /** Goes on until `isEnough(samples)`. */
    const roundTrips = isEnough =>
      new Promise(resolve => {
        const us = []
        let sentAt
        const next = () => {
          sentAt = performance.now()
          endpoint.send(peer, MESSAGE)
        }
        onEcho = () => {
          us.push((performance.now() - sentAt) * 1000)
          if (isEnough(us)) resolve(us)
          else next()
        }
        next()
      })

    const coldUs = await roundTrips(us => us.length === COLD)
    const warmAt = performance.now() + WARM_UP_MS
    await roundTrips(() => performance.now() >= warmAt)
    const count = quick ? 300 : 1000
    return { coldUs, us: await roundTrips(us => us.length === count) }
  },
}
