import { expect, test } from 'vitest'
import { MAX_GROUP_MEMBERS, PRESENCE_TIMEOUT_MS } from '../limits.ts'
import { simulate } from '../testing/index.ts'
import { PresenceTable } from './presence-table.ts'

function stage() {
  const net = simulate()
  const events: string[] = []
  const table = new PresenceTable({
    clock: net.host('ada').network.clock,
    service: 'chat',
    via: 'rendezvous',
    handlers: {
      onSighting: ({ id, name, instance }) => events.push(`${id} ${name} ${instance.slice(0, 2)}`),
      onLost: id => events.push(`lost ${id}`),
    },
    isDeaf: () => false,
    onFull: () => events.push('full'),
  })
  const announce = (id: string, time: number, name: string, instance = 1): void =>
    table.onAnnounce(id, time, { name, info: '', asks: false, instance: instanceOf(instance) })
  return { net, events, table, announce }
}

const instanceOf = (fill: number) => new Uint8Array(8).fill(fill)

test('what was said earlier and comes later is no news', () => {
  const { events, announce } = stage()
  announce('bob', 2, 'new')
  announce('bob', 1, 'old')
  announce('bob', 3, 'new')
  announce('bob', 4, 'newer')
  expect(events).toEqual(['bob new 01', 'bob newer 01'])
})

test('a goodbye that overtakes an announcement holds, one of another instance does not', () => {
  const { events, table, announce } = stage()
  table.onLeave('bob', 5, instanceOf(1))
  announce('bob', 4, 'bob')
  announce('bob', 6, 'bob', 2)
  table.onLeave('bob', 7, instanceOf(1))
  table.onLeave('bob', 8, instanceOf(2))
  table.onLeave('bob', 9, instanceOf(2))
  expect(events).toEqual(['bob bob 02', 'lost bob'])
})

test('who was started again is told, with the same name', () => {
  const { events, announce } = stage()
  announce('bob', 1, 'bob')
  announce('bob', 2, 'bob', 2)
  expect(events).toEqual(['bob bob 01', 'bob bob 02'])
})

test('each is believed for its time, and forgotten then', async () => {
  const { net, events, table, announce } = stage()
  announce('bob', 1, 'bob')
  await net.advance(1_000)
  announce('cid', 1, 'cid')
  await net.advance(PRESENCE_TIMEOUT_MS - 1_000)
  expect(events.slice(2)).toEqual(['lost bob'])
  await net.advance(1_000)
  expect(events.slice(2)).toEqual(['lost bob', 'lost cid'])
  expect([table.size, net.open()]).toEqual([0, []])
})

test('a full table takes nobody else, and keeps those it has', () => {
  const { events, table, announce } = stage()
  for (let i = 0; i < MAX_GROUP_MEMBERS; i++) announce(`${i}`, 1, 'x')
  announce('more', 1, 'x')
  announce('0', 2, 'y')
  expect(events.slice(MAX_GROUP_MEMBERS)).toEqual(['full', '0 y 01'])
  expect(table.size).toBe(MAX_GROUP_MEMBERS)
  table.close()
})

test('who was asked alone is gone after ten seconds without an answer', async () => {
  const { net, events, table, announce } = stage()
  announce('bob', 1, 'bob')
  announce('cid', 1, 'cid')
  table.onAskedAlone('bob')
  table.onAskedAlone('cid')
  table.onAskedAlone('dan')
  await net.advance(5_000)
  announce('cid', 2, 'cid')
  await net.advance(4_999)
  expect(events).toHaveLength(2)
  await net.advance(2)
  expect(events.slice(2)).toEqual(['lost bob'])
  expect([table.has('bob'), table.has('cid')]).toEqual([false, true])
  await net.advance(PRESENCE_TIMEOUT_MS)
  expect(events.slice(3)).toEqual(['lost cid'])
  table.close()
})
