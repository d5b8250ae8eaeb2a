import { expect, test } from 'vitest'
import { type EarshotProcess, earshot } from './earshot-process.ts'

interface Bridge {
  readonly process: EarshotProcess
  readonly address: string
  tell(op: string, more?: Readonly<Record<string, unknown>>): void
  /** The first event of that name with this text in it. */
  event(event: string, has?: string): Promise<Record<string, unknown>>
}

async function bridge(...args: readonly string[]): Promise<Bridge> {
  const process = earshot(['compat', 'peerpy', '--json', ...args])
  const event = async (name: string, has = '') => {
    const text = has.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    return JSON.parse(await process.stdout.line(new RegExp(`^\\{"event":"${name}".*${text}`)))
  }
  const { address } = await event('listening')
  const tell: Bridge['tell'] = (op, more = {}) => process.type(`${JSON.stringify({ op, ...more })}\n`)
  return { process, address: String(address), tell, event }
}

test('two bridges find each other, talk in each data type, and leave', async () => {
  const [ada, bob] = await Promise.all([bridge(), bridge()])
  expect(ada.address).toMatch(/^127\.0\.0\.1:\d+$/)
  ada.tell('discover')
  expect(await ada.event('found', bob.address)).toEqual({ event: 'found', address: bob.address })

  ada.tell('connect', { address: bob.address })
  // A send waits for the connect before it.
  ada.tell('send', { to: bob.address, data: { n: 1, u: 'é€' } })
  expect(await bob.event('offer')).toMatchObject({ id: ada.address })
  expect(await bob.event('peer')).toMatchObject({ id: ada.address, dataType: 'json', strict: true })
  expect(await ada.event('peer')).toMatchObject({ id: bob.address })
  expect(await bob.event('message')).toEqual({ event: 'message', from: ada.address, data: { n: 1, u: 'é€' } })
  bob.tell('broadcast', { data: null })
  expect(await ada.event('message')).toEqual({ event: 'message', from: bob.address, data: null })

  ada.tell('connect', { address: bob.address, dataType: 'bytes', strict: false })
  ada.tell('send', { to: bob.address, bytes: 'AAF8gP8=' })
  expect(await bob.event('message', '"bytes"')).toEqual({ event: 'message', from: ada.address, bytes: 'AAF8gP8=' })
  ada.tell('connect', { address: bob.address, dataType: 'raw' })
  ada.tell('send', { to: bob.address, data: ['raw', 1.5] })
  expect(await bob.event('message', '"raw"')).toEqual({ event: 'message', from: ada.address, data: ['raw', 1.5] })

  ada.tell('disconnect', { to: bob.address })
  await bob.event('gone')
  ada.tell('close')
  expect(await ada.process.exitCode).toBe(0)
  bob.process.endInput()
  expect(await bob.process.exitCode).toBe(0)
  const gone = ({ process }: Bridge) => process.stdout.events.filter(({ event }) => event === 'gone').length
  expect([gone(ada), gone(bob)]).toEqual([3, 3])
  expect([ada.process.stderr.text, bob.process.stderr.text]).toEqual(['', ''])
})

test('an offer is denied, and what goes wrong is an error event with a code', async () => {
  const [ada, bob] = await Promise.all([bridge(), bridge('--invisible')])
  bob.tell('admit', { value: false })
  ada.tell('connect', { address: bob.address })
  expect(await ada.event('error', 'denied')).toMatchObject({
    code: 'denied',
    message: `${bob.address} denied the connection`,
  })
  expect(await bob.event('offer')).toMatchObject({ id: ada.address })
  bob.tell('admit', { value: true })
  ada.tell('connect', { address: bob.address })
  await ada.event('peer')
  ada.tell('send', { to: '127.0.0.1:9', data: 1 })
  expect(await ada.event('error', 'no connection')).toMatchObject({ code: 'unknown-peer' })
  ada.tell('send', { to: bob.address, data: 'x'.repeat(9_000) })
  expect(await ada.event('error', 'maxMessageBytes')).toMatchObject({ code: 'too-large' })
  ada.tell('send', { to: bob.address, bytes: 'AA==' })
  expect(await ada.event('error', 'Uint8Array')).toMatchObject({ code: 'invalid-data' })
  ada.tell('connect', { address: '127.0.0.1:1' })
  expect(await ada.event('error', 'unreachable')).toMatchObject({ code: 'unreachable' })
  ada.tell('connect', { address: 'bob' })
  expect(await ada.event('error', 'IPv4 address and a port')).toMatchObject({ code: 'usage' })
  ada.tell('connect', { address: ada.address })
  expect(await ada.event('error', 'itself')).toMatchObject({ code: 'usage' })
  ada.process.type('nonsense\n')
  expect(await ada.event('error', 'one JSON object')).toMatchObject({ code: 'usage' })
  ada.tell('discover')
  ada.tell('close')
  expect(await ada.process.exitCode).toBe(0)
  expect(
    ada.process.stdout.events.filter(({ event, address }) => event === 'found' && address === bob.address),
  ).toEqual([])
})

test('Ctrl-C leaves with 130, and the others notice', async () => {
  const [ada, bob] = await Promise.all([bridge(), bridge()])
  ada.tell('connect', { address: bob.address })
  await bob.event('peer')
  ada.process.signal('SIGINT')
  expect(await ada.process.exitCode).toBe(130)
  expect(await bob.event('gone')).toEqual({ event: 'gone', id: ada.address })
})

test('without --json there are lines for people', async () => {
  const bob = await bridge()
  const ada = earshot(['compat', 'peerpy'])
  await ada.stdout.line(/^listening: address 127\.0\.0\.1:\d+$/)
  ada.endInput(`{"op":"connect","address":"${bob.address}"}\n{"op":"send","to":"${bob.address}","data":"hello"}\n`)
  expect(await bob.event('message')).toMatchObject({ data: 'hello' })
  expect(await ada.exitCode).toBe(0)
  expect(ada.stdout.lines).toContain(`peer: id ${bob.address}, dataType json, strict true`)
})

test('a port that is in use fails with 1, and a wrong one is bad usage', async () => {
  const { address } = await bridge()
  const taken = earshot(['compat', 'peerpy', '--listen', address.split(':')[1]!, '--json'])
  expect(await taken.exitCode).toBe(1)
  expect(taken.stdout.events).toMatchObject([{ event: 'error', code: 'address-in-use' }])
  for (const wrong of ['bob', '70000', '1.2.3:5', '']) {
    expect(await earshot(['compat', 'peerpy', '--listen', wrong]).exitCode).toBe(2)
  }
  expect(await earshot(['compat', 'peerpy', '--listen', '300.0.0.1:5']).exitCode).toBe(2)
  expect(await earshot(['compat', 'irc']).exitCode).toBe(2)
})
