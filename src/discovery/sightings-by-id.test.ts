import { describe, expect, test } from 'vitest'
import type { Sighting } from './discovery.ts'
import { isSameSighting, SightingsById, uniteAddresses } from './sightings-by-id.ts'

const seen = (id: string, name: string, ...addresses: string[]): Sighting => ({
  service: 'chat',
  id,
  name,
  info: '',
  addresses: addresses.map(address => ({ address, port: 1 })),
  via: 'mdns',
})

describe('SightingsById', () => {
  test('says what the newest says, with the addresses of all', () => {
    const sightings = new SightingsById()
    sightings.set('one', seen('ada', 'Ada', 'a', 'b'))
    sightings.set('two', seen('ada', 'Ada L.', 'b', 'c'))
    expect(sightings.merged('ada')).toEqual(seen('ada', 'Ada L.', 'b', 'c', 'a'))
    sightings.set('one', seen('ada', 'Ada again', 'a'))
    expect(sightings.merged('ada')).toEqual(seen('ada', 'Ada again', 'a', 'b', 'c'))
    expect(sightings.labelsOf('ada')).toEqual(['two', 'one'])
  })

  test('tells who is seen nowhere any more', () => {
    const sightings = new SightingsById()
    sightings.set('one', seen('ada', 'Ada'))
    sightings.set('two', seen('ada', 'Ada'))
    expect(sightings.delete('one')).toBeUndefined()
    expect(sightings.delete('one')).toBeUndefined()
    expect(sightings.delete('two')).toBe('ada')
    expect(sightings.merged('ada')).toBeUndefined()
    expect(sightings.labelsOf('ada')).toEqual([])
  })

  test('tells who lost its last label to somebody else', () => {
    const sightings = new SightingsById()
    expect(sightings.set('one', seen('ada', 'Ada'))).toBeUndefined()
    expect(sightings.set('one', seen('bob', 'Bob'))).toBe('ada')
    expect(sightings.merged('bob')?.name).toBe('Bob')
  })
})

test('addresses are united in the order in which they come', () => {
  const address = (port: number) => ({ address: 'a', port })
  expect(uniteAddresses([[address(2), address(1)], [], [address(1), address(3)]])).toEqual([2, 1, 3].map(address))
})

test.each<[Partial<Sighting>, boolean]>([
  [{}, true],
  [{ via: 'beacon' }, true],
  [seen('ada', 'Ada', 'b', 'a'), true],
  [seen('ada', 'Ada', 'a'), false],
  [seen('ada', 'Ada', 'a', 'c'), false],
  [seen('ada', 'Ada', 'a', 'b', 'c'), false],
  [{ name: 'Bob' }, false],
  [{ info: '1' }, false],
  [{ service: 'game' }, false],
])('with %j it is the same: %s', (changes, isSame) => {
  const sighting = seen('ada', 'Ada', 'a', 'b')
  expect(isSameSighting(sighting, { ...sighting, ...changes })).toBe(isSame)
})
