import { expect, test } from 'vitest'
import { RelayLog } from './relay-log.ts'

test('tells how much went since the last look, with the names that the peers had', () => {
  const names: Record<string, string> = { a: 'Ada', b: 'Bob' }
  const log = new RelayLog(id => names[id])
  const pair = { fromId: 'a', toId: 'b' }
  log.look([{ ...pair, bytes: 700 }])
  expect(log.rows).toEqual([{ ...pair, names: 'Ada and Bob', bytes: 700, newBytes: 700 }])
  delete names['b']
  log.look([{ ...pair, bytes: 900 }])
  expect(log.rows).toEqual([{ ...pair, names: 'Ada and Bob', bytes: 900, newBytes: 200 }])
  expect(log.names({ ...pair, bytes: 950 })).toBe('Ada and Bob')
  log.look([{ ...pair, bytes: 5 }])
  expect(log.rows).toMatchObject([{ bytes: 5, newBytes: 5 }])
  log.look([])
  expect(log.rows).toEqual([])
  expect(log.names({ fromId: 'b', toId: 'stranger-with-long-id', bytes: 0 })).toBe('b and stranger')
})
