/**
 * Messages of 32 bytes with delivery 'unreliable', between two rooms: round trips one after the other, turn by turn
 * with round trips on the session, and a flood in one direction: how many arrive, and which share of them does not.
 */

const MESSAGE = new Uint8Array(32).fill(7)
const STOP = new Uint8Array(2)
const UNRELIABLE = { delivery: 'unreliable' }
const WARM_UP = 3_000
/** Round trips in one turn of each delivery: loss on loopback is rare, but would end a longer row. */
const ROW = 100
const PATIENCE_MS = 500

export const unreliable = {
  name: 'unreliable',
  systems: ['earshot'],
  metrics: [
    {
      key: 'unreliable',
      label: 'unreliable round trip of 32 bytes',
      unit: 'µs',
      of: 'us',
      quantile: 0.5,
      better: 'less',
    },
    { key: 'unreliable-p99', label: 'the same, p99', unit: 'µs', of: 'us', quantile: 0.99, better: 'less' },
    {
      key: 'unreliable-not',
      label: 'the same on the session',
      unit: 'µs',
      of: 'sessionUs',
      quantile: 0.5,
      better: 'less',
    },
    {
      key: 'unreliable-rate',
      label: 'unreliable, arriving in a flood',
      unit: '/s',
      of: 'perSecond',
      quantile: 0.5,
      better: 'more',
    },
    {
      key: 'unreliable-loss',
      label: 'lost in that flood',
      unit: '%',
      of: 'lostPercent',
      quantile: 0.5,
      better: 'less',
    },
  ],

  async accept({ open }) {
    let flood
    const endpoint = await open({
      onMessage(peer, bytes) {
        if (flood) {
          flood.arrived++
          flood.until = performance.now()
        } else if (bytes.length === STOP.length) flood = { arrived: 0, from: performance.now(), until: 0 }
        else endpoint.send(peer, bytes, bytes[0] === 1 ? undefined : UNRELIABLE)
      },
    })
    return {
      address: () => endpoint.address,
      flood: () => ({ arrived: flood.arrived, perSecond: (flood.arrived / (flood.until - flood.from)) * 1000 }),
    }
  },

  async dial({ open, remote, quick }) {
    let onEcho
    const endpoint = await open({ onMessage: () => onEcho() })
    const peer = await endpoint.dial(await remote('address'))
    const once = (bytes, options) =>
      new Promise(resolve => {
        const startedAt = performance.now()
        const timer = setTimeout(() => resolve(undefined), PATIENCE_MS)
        onEcho = () => {
          clearTimeout(timer)
          resolve((performance.now() - startedAt) * 1000)
        }
        endpoint.send(peer, bytes, options)
      })
    const onSession = MESSAGE.slice()
    onSession[0] = 1
    const row = async (bytes, options) => {
      const us = []
      for (let i = 0; i < ROW; i++) us.push(await once(bytes, options))
      return us.filter(each => each !== undefined)
    }
    const us = []
    const sessionUs = []
    for (let i = 0; i < WARM_UP; i += 2 * ROW) {
      await row(MESSAGE, UNRELIABLE)
      await row(onSession)
    }
    for (let i = 0; i < (quick ? 600 : 2_000); i += ROW) {
      us.push(...(await row(MESSAGE, UNRELIABLE)))
      sessionUs.push(...(await row(onSession)))
    }
    return { us, sessionUs, ...(await flood(endpoint, peer, remote, quick ? 400 : 1_500)) }
  },
}

async function flood(endpoint, peer, remote, forMs) {
  await endpoint.send(peer, STOP)
  await new Promise(resolve => setTimeout(resolve, 100))
  const until = performance.now() + forMs
  let sent = 0
  while (performance.now() < until) {
    for (let i = 0; i < 64; i++) endpoint.send(peer, MESSAGE, UNRELIABLE)
    sent += 64
    // One turn of the event loop: what is sent in it shares datagrams.
    await new Promise(resolve => setImmediate(resolve))
  }
  await new Promise(resolve => setTimeout(resolve, 200))
  const { arrived, perSecond } = await remote('flood')
  return { perSecond: [perSecond], lostPercent: [(1 - arrived / sent) * 100] }
}
