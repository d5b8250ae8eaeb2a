import { describe, expect, test } from 'vitest'
import { MAX_PENDING_ANSWERS } from '../../limits.ts'
import type { ResourceRecord } from './record.ts'
import { ResponseQueue } from './response-queue.ts'

const record = (name: string, ttl = 120): ResourceRecord => ({ name, type: 'A', ttl, flush: true, data: '10.0.0.1' })

describe('ResponseQueue', () => {
  test('shared records wait 20 to 120 ms, others not at all', () => {
    const queue = new ResponseQueue(() => 0.5)
    queue.schedule(record('a'), 'shared', 1_000)
    expect([queue.nextAt, queue.advance(1_069)]).toEqual([1_070, []])
    expect(queue.advance(1_070)).toEqual([record('a')])
    queue.schedule(record('b'), 'prompt', 2_000)
    expect(queue.nextAt).toBe(2_000)
  })

  test('with an answer that is due go those that wait for company only', () => {
    const queue = new ResponseQueue(() => 0.5)
    queue.schedule(record('a'), 'shared', 0)
    queue.multicast([record('b')], 0)
    queue.schedule(record('b'), 'prompt', 0)
    queue.schedule(record('c'), 'prompt', 10)
    expect(queue.advance(10)).toEqual([record('a'), record('c')])
    expect(queue.nextAt).toBe(1_000)
  })

  test('a record is multicast once a second, in defence of its name four times', () => {
    const queue = new ResponseQueue(() => 0)
    queue.multicast([record('a')], 0)
    queue.schedule(record('a'), 'prompt', 100)
    expect(queue.nextAt).toBe(1_000)
    queue.schedule(record('a'), 'defence', 100)
    expect(queue.nextAt).toBe(250)
    expect([queue.mayMulticast(record('a'), 999), queue.mayMulticast(record('a'), 1_000)]).toEqual([false, true])
  })

  test('what another host has answered need not be answered, unless its TTL is shorter', () => {
    const queue = new ResponseQueue(() => 0)
    queue.schedule(record('a'), 'shared', 0)
    queue.schedule(record('b'), 'shared', 0)
    queue.answeredByOther(record('a'))
    queue.answeredByOther(record('b', 119))
    expect(queue.advance(20)).toEqual([record('b')])
  })

  test('what is forgotten is not sent, and the queue is bounded', () => {
    const queue = new ResponseQueue(() => 0)
    queue.schedule(record('a'), 'shared', 0)
    queue.forget([record('a')])
    expect(queue.nextAt).toBe(Infinity)
    for (let i = 0; i < MAX_PENDING_ANSWERS + 10; i++) queue.schedule(record(`a${i}`), 'shared', 0)
    expect(queue.advance(20)).toHaveLength(MAX_PENDING_ANSWERS)
  })
})
