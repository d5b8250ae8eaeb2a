/**
 * Joining where a peer already is, found by mDNS on the loopback interface: from the call of `join` in a fresh process
 * to the echo of the first message. Only systems that can find anybody take part.
 */

const MESSAGE = new Uint8Array(32).fill(7)

export const join = {
  name: 'join',
  systems: ['earshot'],
  freshDialers: quick => (quick ? 5 : 20),
  metrics: [
    {
      key: 'join',
      label: 'join to first message echoed',
      unit: 'ms',
      of: 'ms',
      quantile: 0.5,
      better: 'less',
      owedAtMost: 150,
      pooled: true,
    },
    {
      key: 'join-p99',
      label: 'the same, p99',
      unit: 'ms',
      of: 'ms',
      quantile: 0.99,
      better: 'less',
      owedAtMost: 1000,
      pooled: true,
    },
  ],

  async accept({ open }) {
    const endpoint = await open({ onMessage: (peer, bytes) => void endpoint.send(peer, bytes) }, { lookAround: true })
    return {}
  },

  async dial({ open }) {
    const startedAt = performance.now()
    let endpoint
    let ms
    await new Promise((resolve, reject) => {
      const handlers = {
        onPeer: peer => endpoint.send(peer, MESSAGE),
        onMessage() {
          ms = performance.now() - startedAt
          resolve()
        },
      }
      open(handlers, { lookAround: true }).then(opened => {
        endpoint = opened
      }, reject)
    })
    await endpoint.close()
    return { ms: [ms] }
  },
}
