import { describe, expect, test } from 'vitest'
import { Querier } from './querier.ts'
import type { Question } from './record.ts'

const pointers: Question = { name: '_x._tcp.local', type: 'PTR', unicastResponse: false }
const text: Question = { name: 'a._x._tcp.local', type: 'TXT', unicastResponse: false }
const unanswered = (): boolean => false

/** The moments at which something is asked, until `end`. */
function run(querier: Querier, end: number, isAnswered: () => boolean = unanswered): string[] {
  const log: string[] = []
  while (querier.nextAt <= end) {
    const at = querier.nextAt
    const asked = querier.advance(at, isAnswered)
    if (asked.length > 0) log.push(`${at} ${asked.map(({ type }) => type).join(' ')}`)
  }
  return log
}

describe('Querier', () => {
  test('asks after 20 to 120 ms, a second later, then twice as late each time, up to an hour', () => {
    const querier = new Querier(() => 0)
    querier.ask(pointers, 'browse', 0)
    expect(run(querier, 20_000)).toEqual(['20 PTR', '1020 PTR', '3020 PTR', '7020 PTR', '15020 PTR'])
    const late = run(querier, 100_000_000).map(entry => Number.parseInt(entry, 10))
    expect(late.at(-1)! - late.at(-2)!).toBe(3_600_000)
  })

  test('the first delay and each interval have their jitter', () => {
    const querier = new Querier(() => 0.5)
    querier.ask(pointers, 'browse', 0)
    expect(run(querier, 4_000)).toEqual(['70 PTR', '1120 PTR', '3220 PTR'])
  })

  test('what is due within 100 ms rides along', () => {
    const querier = new Querier(() => 0)
    querier.ask(pointers, 'browse', 0)
    querier.ask(text, 'resolve', 90)
    expect(run(querier, 500)).toEqual(['20 PTR TXT'])
  })

  test('another host that asks shortly before us asks for us, too', () => {
    const querier = new Querier(() => 0)
    querier.ask(pointers, 'browse', 0)
    querier.askedByOther(pointers, 10)
    expect(querier.nextAt).toBe(1_010)
    // Too early to count, or our own question coming back to us.
    querier.askedByOther(pointers, 11)
    expect(querier.nextAt).toBe(1_010)
    querier.askedByOther(text, 11)
    expect(run(querier, 3_010)).toEqual(['1010 PTR', '3010 PTR'])
  })

  test('a question to be resolved rests when answered, gives up after a minute, and starts anew when told', () => {
    const querier = new Querier(() => 0)
    querier.ask(text, 'resolve', 0)
    expect(run(querier, 100_000_000)).toHaveLength(7)
    querier.restart(text, 0)
    expect(run(querier, 1_000)).toEqual(['20 TXT'])
    expect(run(querier, 2_000, () => true)).toEqual([])
    expect(querier.nextAt).toBe(Infinity)
  })

  test('what is stopped is asked no more', () => {
    const querier = new Querier(() => 0)
    querier.ask(pointers, 'browse', 0)
    querier.stop(pointers)
    querier.restart(pointers, 0)
    expect(querier.nextAt).toBe(Infinity)
  })
})
