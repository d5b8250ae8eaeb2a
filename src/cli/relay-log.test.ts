import { expect, test } from 'vitest'
import { RelayLog } from './relay-log.ts'

const NAMES: Readonly<Record<string, string>> = { a: 'Ada', b: 'Bob' }

test('tells what began and what ended, with the names that the peers had', () => {
  const names = { ...NAMES }
  const log = new RelayLog(id => names[id])
  expect(log.look([])).toEqual([])
  expect(log.look([{ fromId: 'a', toId: 'b', bytes: 0 }])).toEqual([
    { kind: 'relaying', from: 'a', to: 'b', names: 'Ada and Bob', bytes: 0 },
  ])
  delete names['b']
  expect(log.look([{ fromId: 'a', toId: 'b', bytes: 700 }])).toEqual([])
  const other = { fromId: 'b', toId: 'stranger-with-long-id', bytes: 5 }
  expect(log.look([other])).toEqual([
    { kind: 'relayed', from: 'a', to: 'b', names: 'Ada and Bob', bytes: 700 },
    { kind: 'relaying', from: 'b', to: 'stranger-with-long-id', names: 'b and stranger', bytes: 5 },
  ])
})
