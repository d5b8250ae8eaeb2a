import { expect, test } from 'vitest'
import { Presence, type PresentPeer, presenceEvent } from './presence.ts'

function peer(name: string, more: Partial<PresentPeer> = {}): PresentPeer {
  return {
    room: 'lobby',
    id: `${name.toLowerCase()}aaaaaaaa`,
    name,
    info: undefined,
    addresses: ['192.168.0.2:4112'],
    via: 'mdns',
    path: () => undefined,
    ...more,
  }
}

const LAN_PATH = {
  kind: 'lan',
  transport: 'tcp',
  relay: undefined,
  local: '192.168.0.1:1',
  remote: '192.168.0.2:4112',
  interface: 'eth0',
  rttMs: 0.42,
} as const

test('the table is sorted by room and name, and counts', () => {
  const presence = new Presence()
  presence.set(peer('Bob'))
  presence.set(peer('Ada', { path: () => LAN_PATH }))
  presence.set(peer('Eve', { room: 'attic', addresses: ['10.0.0.1:1', '10.0.0.2:1'] }))
  expect(presence.table(100)).toEqual([
    'ROOM   NAME  ID        ADDRESS           PATH      RTT',
    'attic  Eve   eveaaaaa  10.0.0.1:1 +1',
    'lobby  Ada   adaaaaaa  192.168.0.2:4112  lan eth0  0.42 ms',
    'lobby  Bob   bobaaaaa  192.168.0.2:4112',
    '3 peers in 2 rooms',
  ])
})

test('one peer can be in two rooms, and is one entry in each', () => {
  const presence = new Presence()
  expect(presence.set(peer('Ada'))).toBe('found')
  expect(presence.set(peer('Ada', { room: 'attic' }))).toBe('found')
  expect(presence.set(peer('Ada', { addresses: [] }))).toBe('updated')
  expect(presence.table(100).at(-1)).toBe('2 peers in 2 rooms')
})

test('whoever is lost is gone from the table', () => {
  const presence = new Presence()
  presence.set(peer('Ada'))
  expect(presence.remove(peer('Ada'))?.name).toBe('Ada')
  expect(presence.remove(peer('Ada'))).toBeUndefined()
  expect(presence.isEmpty).toBe(true)
  expect(presence.table(100)).toEqual(['nobody is around yet'])
})

test('what peers announce cannot command the terminal', () => {
  const presence = new Presence()
  presence.set(peer('\u001b[2JAda', { room: 'a\nb', addresses: ['\u0007'] }))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must be absent
  expect(presence.table(100).join('')).not.toMatch(/[\u0000-\u001f]/)
})

test('an event carries the path as it is now', () => {
  expect(presenceEvent(peer('Ada', { path: () => LAN_PATH }))).toMatchObject({ name: 'Ada', path: { rttMs: 0.42 } })
})

test('who is seen over the rendezvous has no address yet, and how', () => {
  const presence = new Presence()
  presence.set(peer('Ada', { addresses: [], via: 'rendezvous' }))
  presence.set(peer('Bob', { addresses: [] }))
  expect(presence.table(100)).toEqual([
    'ROOM   NAME  ID        ADDRESS              PATH  RTT',
    'lobby  Ada   adaaaaaa  over the rendezvous',
    'lobby  Bob   bobaaaaa',
    '2 peers in 1 room',
  ])
})
