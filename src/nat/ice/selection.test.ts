import { expect, test } from 'vitest'
import type { PathKind } from './candidate-pair.ts'
import { Selection } from './selection.ts'

function setUp() {
  const selected: PathKind[] = []
  const log: string[] = []
  const selection = new Selection(kind => selected.push(kind))
  const offer = (kind: PathKind, name: string = kind) => {
    let settle: { resolve: () => void; reject: (reason: Error) => void }
    const nominated = new Promise<void>((resolve, reject) => {
      settle = { resolve, reject }
    })
    selection.offer({
      kind,
      nominate() {
        log.push(`nominate ${name}`)
        return nominated
      },
      discard: () => log.push(`discard ${name}`),
    })
    return {
      async succeed() {
        settle.resolve()
        await nominated
        await Promise.resolve()
      },
      async fail() {
        settle.reject(new Error('no'))
        await nominated.catch(() => {})
        await Promise.resolve()
      },
    }
  }
  return { selection, selected, log, offer }
}

test('the first that works is used, and better ones after it', async () => {
  const { offer, selected, log } = setUp()
  await offer('relay').succeed()
  await offer('direct').succeed()
  await offer('lan').succeed()
  expect(selected).toEqual(['relay', 'direct', 'lan'])
  expect(log).toEqual(['nominate relay', 'nominate direct', 'nominate lan'])
})

test('one that is not better is discarded', async () => {
  const { offer, log } = setUp()
  await offer('direct', 'first').succeed()
  offer('direct', 'second')
  offer('relay')
  expect(log).toEqual(['nominate first', 'discard second', 'discard relay'])
})

test('another of the same kind waits until the first has succeeded or failed', async () => {
  const { offer, log, selected } = setUp()
  const first = offer('direct', 'first')
  const second = offer('direct', 'second')
  expect(log).toEqual(['nominate first'])
  await first.fail()
  expect(log).toEqual(['nominate first', 'nominate second'])
  await second.succeed()
  expect(selected).toEqual(['direct'])
})

test('a better one does not wait for a worse one', () => {
  const { offer, log } = setUp()
  offer('relay')
  offer('direct')
  expect(log).toEqual(['nominate relay', 'nominate direct'])
})

test('closed, it discards what waits and what comes', () => {
  const { offer, selection, log } = setUp()
  offer('direct', 'first')
  offer('direct', 'second')
  selection.close()
  offer('lan')
  expect(log).toEqual(['nominate first', 'discard second', 'discard lan'])
})
