import { describe, expect, test } from 'vitest'
import {
  MAX_CACHED_POINTERS_PER_NAME,
  MAX_CACHED_RECORDS_PER_SET,
  MAX_CACHED_RECORDS_PER_SOURCE,
} from '../../limits.ts'
import type { ResourceRecord } from './record.ts'
import { RecordCache } from './record-cache.ts'

const pointer = (data: string, changes: Partial<ResourceRecord> = {}): ResourceRecord =>
  ({ name: '_x._tcp.local', type: 'PTR', ttl: 100, flush: false, data, ...changes }) as ResourceRecord
const host = (data: string, changes: Partial<ResourceRecord> = {}): ResourceRecord =>
  ({ name: 'ada.local', type: 'A', ttl: 100, flush: true, data, ...changes }) as ResourceRecord
const from = (source: string, now: number, isLegacy = false): { now: number; source: string; isLegacy: boolean } => ({
  now,
  source,
  isLegacy,
})
const question = { name: '_X._tcp.local', type: 'PTR', unicastResponse: false } as const
const addresses = { name: 'ada.local', type: 'A' } as const

/** Advances to each moment at which something is due, until `end`. */
function run(cache: RecordCache, end: number): string[] {
  const log: string[] = []
  while (cache.nextAt <= end) {
    const at = cache.nextAt
    const { expired, refresh } = cache.advance(at)
    for (const record of refresh) log.push(`${at} ask ${String(record.data)}`)
    for (const record of expired) log.push(`${at} gone ${String(record.data)}`)
  }
  return log
}

describe('RecordCache', () => {
  test('asks again at 80, 85, 90 and 95 % of the TTL, and forgets at its end', () => {
    const cache = new RecordCache(() => 0.5)
    expect(cache.add(pointer('a'), from('1.1.1.1', 0))).toBe('changed')
    expect(run(cache, 1e9)).toEqual(['81000 ask a', '86000 ask a', '91000 ask a', '96000 ask a', '100000 gone a'])
    expect(cache.size).toBe(0)
  })

  test('a record heard again lives anew', () => {
    const cache = new RecordCache(() => 0)
    cache.add(pointer('a'), from('1.1.1.1', 0))
    expect(cache.add(pointer('a'), from('1.1.1.1', 70_000))).toBe('unchanged')
    expect(run(cache, 149_000)).toEqual([])
    expect(run(cache, 150_000)).toEqual(['150000 ask a'])
  })

  test('a goodbye takes a second, in which the record may come back', () => {
    const cache = new RecordCache(() => 0)
    cache.add(pointer('a'), from('1.1.1.1', 0))
    cache.add(pointer('b'), from('1.1.1.1', 0))
    cache.add(pointer('a', { ttl: 0 }), from('1.1.1.1', 500))
    cache.add(pointer('b', { ttl: 0 }), from('1.1.1.1', 500))
    cache.add(pointer('b'), from('1.1.1.1', 1_000))
    expect(run(cache, 50_000)).toEqual(['1500 gone a'])
  })

  test('what a socket of its own tells after a goodbye may have been sent before, and does not bring the record back', () => {
    const cache = new RecordCache(() => 0)
    cache.add(pointer('a'), from('1.1.1.1', 0))
    cache.add(pointer('a', { ttl: 0 }), from('1.1.1.1', 500))
    expect(cache.add(pointer('a', { ttl: 10 }), from('1.1.1.1', 510, true))).toBe('unchanged')
    cache.add(pointer('b', { ttl: 0 }), from('1.1.1.1', 500))
    expect(cache.add(pointer('b', { ttl: 10 }), from('1.1.1.1', 510, true))).toBe('unchanged')
    expect(run(cache, 50_000)).toEqual(['1500 gone a'])
    expect(cache.add(pointer('a', { ttl: 10 }), from('1.1.1.1', 50_000, true))).toBe('changed')
  })

  test('a goodbye from a stranger keeps nobody from answering', () => {
    const cache = new RecordCache(() => 0)
    cache.add(pointer('a'), from('1.1.1.1', 0, true))
    cache.add(pointer('a', { ttl: 0 }), from('6.6.6.6', 500))
    cache.add(pointer('a'), from('1.1.1.1', 600, true))
    expect(run(cache, 50_000)).toEqual([])
  })

  test('a goodbye from a stranger is asked about first, twice, and believed after three seconds', () => {
    const cache = new RecordCache(() => 0)
    cache.add(pointer('a'), from('1.1.1.1', 0))
    cache.add(pointer('b'), from('1.1.1.1', 0))
    cache.add(pointer('a', { ttl: 0 }), from('6.6.6.6', 500))
    cache.add(pointer('b', { ttl: 0 }), from('6.6.6.6', 500))
    expect(cache.knownAnswers(question, 500)).toEqual([])
    expect([cache.nextAt, cache.advance(500).refresh.length]).toEqual([500, 2])
    cache.add(pointer('b'), from('1.1.1.1', 600))
    expect(run(cache, 50_000)).toEqual(['1500 ask a', '3500 gone a'])
  })

  test('the cache-flush bit ends what is older than a second, and nothing else', () => {
    const cache = new RecordCache(() => 0)
    cache.add(host('10.0.0.1'), from('1.1.1.1', 0))
    cache.add(host('10.0.0.2'), from('1.1.1.1', 4_500))
    cache.add(host('10.0.0.9', { name: 'bob.local' }), from('1.1.1.1', 0))
    cache.add(host('10.0.0.3'), from('1.1.1.1', 5_000))
    expect(run(cache, 50_000)).toEqual(['5500 gone 10.0.0.1'])
    expect(cache.get(addresses, 10_000).map(({ record }) => record.data)).toEqual(['10.0.0.2', '10.0.0.3'])
  })

  test('the short TTL of a legacy answer shortens nothing', () => {
    const cache = new RecordCache(() => 0)
    cache.add(pointer('a'), from('1.1.1.1', 0))
    cache.add(pointer('a', { ttl: 10 }), from('1.1.1.1', 1_000, true))
    expect(cache.nextAt).toBe(80_000)
  })

  test('known answers are those with more than half of their TTL left, with what is left', () => {
    const cache = new RecordCache(() => 0)
    cache.add(pointer('a'), from('1.1.1.1', 0))
    cache.add(pointer('b'), from('1.1.1.1', 30_000))
    expect(cache.knownAnswers(question, 60_000)).toEqual([pointer('b', { ttl: 70 })])
    expect(cache.knows(pointer('B'), 60_000)).toBe(true)
    expect(cache.knows(pointer('a'), 60_000)).toBe(false)
  })

  test('of several records of a unique set the one heard last is told', () => {
    const cache = new RecordCache(() => 0)
    cache.add(host('10.0.0.1'), from('1.1.1.1', 0))
    expect(cache.add(host('10.0.0.1'), from('1.1.1.1', 1))).toBe('unchanged')
    cache.add(host('10.0.0.2'), from('1.1.1.1', 2))
    expect(cache.add(host('10.0.0.1'), from('1.1.1.1', 3))).toBe('changed')
  })

  test('a record is believed 75 minutes at most', () => {
    const cache = new RecordCache(() => 0)
    cache.add(pointer('a', { ttl: 0xffff_ffff }), from('1.1.1.1', 0))
    expect(run(cache, 1e12).at(-1)).toBe('4500000 gone a')
  })

  test('sets, sources and the whole are bounded; what is there stays, and room comes back', () => {
    const cache = new RecordCache(() => 0)
    const added = (record: ResourceRecord, source: string): string => cache.add(record, from(source, 0))
    for (let i = 0; i < MAX_CACHED_POINTERS_PER_NAME; i++) expect(added(pointer(`a${i}`), '1.1.1.1')).toBe('changed')
    expect(added(pointer('more'), '2.2.2.2')).toBe('full')
    for (let i = 0; i < MAX_CACHED_RECORDS_PER_SET; i++) expect(added(host(`10.0.0.${i}`), '1.1.1.1')).toBe('changed')
    expect(added(host('10.0.1.1'), '2.2.2.2')).toBe('full')
    let full = 0
    for (let i = 0; i < MAX_CACHED_RECORDS_PER_SOURCE; i++) {
      if (added(host('10.0.0.1', { name: `h${i}.local` }), '1.1.1.1') === 'full') full++
    }
    expect(full).toBe(MAX_CACHED_POINTERS_PER_NAME + MAX_CACHED_RECORDS_PER_SET)
    expect(added(host('10.0.0.1', { name: 'other.local' }), '2.2.2.2')).toBe('changed')
    run(cache, 100_000)
    expect(cache.size).toBe(0)
    expect(cache.add(pointer('more'), from('1.1.1.1', 100_001))).toBe('changed')
  })

  test('what nobody wants any more is forgotten', () => {
    const cache = new RecordCache(() => 0)
    cache.add(pointer('a'), from('1.1.1.1', 0))
    cache.add(host('10.0.0.1'), from('1.1.1.1', 0))
    cache.forget(question)
    expect(cache.records()).toEqual([host('10.0.0.1')])
    expect(cache.holds(pointer('a'), 1)).toBe(false)
  })
})
