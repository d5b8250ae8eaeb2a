/**
 * From dialling to the first byte echoed, with the keys made beforehand. Each sample has an endpoint of its own,
 * opened before and closed after the time taken, so that no system can reuse a connection. All of them have one key
 * pair, as the TLS reference has one certificate.
 */

const BYTE = new Uint8Array(1)
const WARM_UP = 20

export const connect = {
  name: 'connect',
  metrics: [
    {
      key: 'connect',
      label: 'dial to first byte echoed',
      unit: 'ms',
      of: 'ms',
      quantile: 0.5,
      better: 'less',
      owed: 0.5,
    },
    { key: 'connect-p99', label: 'the same, p99', unit: 'ms', of: 'ms', quantile: 0.99, better: 'less' },
  ],

  async accept({ open }) {
    const endpoint = await open({ onMessage: (peer, bytes) => void endpoint.send(peer, bytes) })
    return { address: () => endpoint.address }
  },

  async dial({ open, remote, quick }) {
    const address = await remote('address')
    const ms = []
    for (let i = 0; i < WARM_UP + (quick ? 30 : 150); i++) ms.push(await dialOnce(open, address))
    return { ms: ms.slice(WARM_UP) }
  },
}

async function dialOnce(open, address) {
  let onEcho
  const echoed = new Promise(resolve => {
    onEcho = resolve
  })
  const endpoint = await open({ onMessage: onEcho }, { sameIdentity: true })
  const startedAt = performance.now()
  const peer = await endpoint.dial(address)
  endpoint.send(peer, BYTE)
  await echoed
  const took = performance.now() - startedAt
  await endpoint.hangUp(peer)
  await endpoint.close()
  return took
}
