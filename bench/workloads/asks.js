/** Questions of 32 bytes answered with the same bytes, 64 of them in flight all the time. */

const QUESTION = new Uint8Array(32).fill(7)
const IN_FLIGHT = 64
const WARM_UP_MS = 300

export const asks = {
  name: 'asks',
  metrics: [
    { key: 'asks', label: 'asks, 64 in flight', unit: '/s', of: 'perSecond', quantile: 0.5, better: 'more', owed: 0.5 },
  ],

  async accept({ open }) {
    const endpoint = await open({ onQuestion: bytes => bytes })
    return { address: () => endpoint.address }
  },

  async dial({ open, remote, quick }) {
    const endpoint = await open({})
    const peer = await endpoint.dial(await remote('address'))
    await askFor(endpoint, peer, WARM_UP_MS)
    const startedAt = performance.now()
    const answered = await askFor(endpoint, peer, quick ? 400 : 1500)
    return { perSecond: [(answered / (performance.now() - startedAt)) * 1000] }
  },
}

async function askFor(endpoint, peer, forMs) {
  let answered = 0
  let stopped = false
  setTimeout(() => {
    stopped = true
  }, forMs)
  const asker = async () => {
    while (!stopped) {
      await endpoint.ask(peer, QUESTION)
      answered++
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, asker))
  return answered
}
