import { expect, test } from 'vitest'
import { ClaimedRecords } from './claimed-records.ts'
import type { ResourceRecord } from './record.ts'

const host = (data: string, name = 'ada.local'): ResourceRecord => ({ name, type: 'A', ttl: 120, flush: true, data })
const pointer: ResourceRecord = {
  name: '_ipp._tcp.local',
  type: 'PTR',
  ttl: 4_500,
  flush: false,
  data: 'a._ipp._tcp.local',
}

test('a record belongs to all who have it, until the last one has taken it back', () => {
  const records = new ClaimedRecords<string>()
  records.add('one', [host('10.0.0.1')])
  records.add('two', [host('10.0.0.1')])
  expect([...records.same(host('10.0.0.1', 'ADA.local'))!.owners]).toEqual(['one', 'two'])
  records.remove('one', [host('10.0.0.1')])
  expect(records.ownersOf('Ada.local')).toEqual(['two'])
  expect(records.has(host('10.0.0.1'))).toBe(true)
  records.remove('two', [host('10.0.0.1')])
  expect([records.has(host('10.0.0.1')), records.same(host('10.0.0.1')), records.ownersOf('ada.local')]).toEqual([
    false,
    undefined,
    [],
  ])
})

test('an owner with several records under a name has the name until the last is gone', () => {
  const records = new ClaimedRecords<string>()
  records.add('one', [host('10.0.0.1'), host('10.0.0.2')])
  records.remove('one', [host('10.0.0.1')])
  expect(records.ownersOf('ada.local')).toEqual(['one'])
})

test('shared records are known, and nobody has their names alone', () => {
  const records = new ClaimedRecords<string>()
  records.add('one', [pointer])
  expect(records.has(pointer)).toBe(true)
  expect(records.same(pointer)).toBeUndefined()
  expect(records.ownersOf(pointer.name)).toEqual([])
})
