import { expect, test } from 'vitest'
import { EarshotError } from '../errors.ts'
import type { Advert, Discovery, DiscoveryHandlers, Sighting } from './discovery.ts'
import { MergedDiscovery } from './merged-discovery.ts'

/** A way that sees what it is told to see. */
class PlayedWay implements Discovery {
  readonly calls: string[] = []
  readonly handlers: DiscoveryHandlers
  readonly #via: string

  constructor(via: string, handlers: DiscoveryHandlers) {
    this.#via = via
    this.handlers = handlers
  }

  see(addresses: readonly string[], changes: Partial<Sighting> = {}): void {
    const text = { service: 'chat', id: 'ada', name: 'Ada', info: '', via: this.#via, ...changes }
    this.handlers.onSighting({ ...text, addresses: addresses.map(address => ({ address, port: 1 })) })
  }

  async start(): Promise<void> {
    this.calls.push('start')
  }

  advertise(advert: Advert | undefined): void {
    this.calls.push(`advertise ${advert?.name}`)
  }

  async close(): Promise<void> {
    this.calls.push('close')
  }
}

function merge() {
  const told: string[] = []
  const ways: PlayedWay[] = []
  const way = (via: string) => (handlers: DiscoveryHandlers) => {
    ways.push(new PlayedWay(via, handlers))
    return ways.at(-1)!
  }
  const merged = new MergedDiscovery([way('mdns'), way('beacon')], {
    onSighting: ({ id, name, addresses, via }) =>
      told.push(`${id} ${name} ${via} ${addresses.map(({ address }) => address)}`),
    onLost: id => told.push(`lost ${id}`),
    onWarning: ({ message }) => told.push(`warning ${message}`),
  })
  const [mdns, beacon] = ways
  return { told, merged, mdns: mdns!, beacon: beacon! }
}

test('who is seen in two ways is told once, and lost when both have lost it', () => {
  const { told, mdns, beacon } = merge()
  beacon.see(['a', 'b'])
  mdns.see(['b', 'a'])
  expect(told).toEqual(['ada Ada beacon a,b'])
  beacon.handlers.onLost('ada')
  beacon.handlers.onLost('ada')
  expect(told).toHaveLength(1)
  mdns.handlers.onLost('ada')
  expect(told).toEqual(['ada Ada beacon a,b', 'lost ada'])
  beacon.handlers.onLost('ada')
  expect(told).toHaveLength(2)
})

test('addresses are united, those of the first way first, and `via` is the way that was first', () => {
  const { told, mdns, beacon } = merge()
  beacon.see(['c', 'b'])
  mdns.see(['a', 'b'])
  expect(told).toEqual(['ada Ada beacon c,b', 'ada Ada beacon a,b,c'])
  beacon.handlers.onLost('ada')
  mdns.see(['a'])
  expect(told.at(-1)).toBe('ada Ada mdns a')
})

test('what has changed is told when the first way says it, and not again by the other', () => {
  const { told, mdns, beacon } = merge()
  mdns.see(['a'])
  beacon.see(['a'])
  beacon.see(['a'], { name: 'Ada L.' })
  mdns.see(['a'], { name: 'Ada L.' })
  expect(told).toEqual(['ada Ada mdns a', 'ada Ada L. mdns a'])
})

test('found again after it was lost is a new find', () => {
  const { told, mdns } = merge()
  mdns.see(['a'])
  mdns.handlers.onLost('ada')
  mdns.see(['a'])
  expect(told).toEqual(['ada Ada mdns a', 'lost ada', 'ada Ada mdns a'])
})

test('two peers do not mix', () => {
  const { told, mdns, beacon } = merge()
  mdns.see(['a'])
  beacon.see(['b'], { id: 'bob', name: 'Bob' })
  mdns.handlers.onLost('ada')
  expect(told).toEqual(['ada Ada mdns a', 'bob Bob beacon b', 'lost ada'])
})

test('starts, advertises and closes all ways, and tells of a trouble they share once', async () => {
  const { told, merged, mdns, beacon } = merge()
  await merged.start()
  merged.advertise({ service: 'chat', id: 'me', name: 'Me', info: '', port: 1 })
  merged.advertise(undefined)
  await merged.close()
  const calls = ['start', 'advertise Me', 'advertise undefined', 'close']
  expect([mdns.calls, beacon.calls]).toEqual([calls, calls])
  mdns.handlers.onWarning(new EarshotError('no-network', 'there is none'))
  beacon.handlers.onWarning(new EarshotError('no-network', 'there is none'))
  beacon.handlers.onWarning(new EarshotError('no-network', 'there is another trouble'))
  expect(told).toEqual(['warning there is none', 'warning there is another trouble'])
})
