import { describe, expect, test } from 'vitest'
import { ItemQueue } from './item-queue.ts'

function queue() {
  const taken: number[] = []
  let returns = 0
  const items = new ItemQueue<number>({ onTaken: item => taken.push(item), onReturn: () => returns++ })
  return { items, taken, returns: () => returns }
}

async function all(items: ItemQueue<number>): Promise<number[]> {
  const seen: number[] = []
  for await (const item of items) seen.push(item)
  return seen
}

test('what was pushed before and after reading began is read in order', async () => {
  const { items, taken } = queue()
  items.push(1)
  items.push(2)
  const seen = all(items)
  await Promise.resolve()
  items.push(3)
  items.end()
  expect(await seen).toEqual([1, 2, 3])
  expect(taken).toEqual([1, 2, 3])
})

test('an item is taken when it is read, not when it comes', async () => {
  const { items, taken } = queue()
  items.push(1)
  items.push(2)
  expect([items.length, taken]).toEqual([2, []])
  await items.next()
  expect([items.length, taken]).toEqual([1, [1]])
})

test('several who wait are served in turn', async () => {
  const { items } = queue()
  const waiting = [items.next(), items.next(), items.next()]
  items.push(1)
  items.push(2)
  items.end()
  expect(await Promise.all(waiting)).toEqual([
    { done: false, value: 1 },
    { done: false, value: 2 },
    { done: true, value: undefined },
  ])
})

describe('the end', () => {
  test('with an error comes behind the items, once', async () => {
    const { items } = queue()
    const error = new Error('broken')
    items.push(1)
    items.end(error)
    items.push(2)
    items.end()
    expect(await items.next()).toEqual({ done: false, value: 1 })
    await expect(items.next()).rejects.toBe(error)
    expect(await items.next()).toEqual({ done: true, value: undefined })
  })

  test('with an error reaches the first of those who wait; for the others it is just the end', async () => {
    const { items } = queue()
    const waiting = [items.next(), items.next()]
    const error = new Error('broken')
    items.end(error)
    await expect(waiting[0]).rejects.toBe(error)
    expect(await waiting[1]).toEqual({ done: true, value: undefined })
  })

  test('by a reader that leaves is told once, and what was unread counts as taken', async () => {
    const { items, taken, returns } = queue()
    items.push(1)
    items.push(2)
    items.push(3)
    for await (const item of items) if (item === 1) break
    await items.return()
    items.push(4)
    expect(taken).toEqual([1, 2, 3])
    expect(returns()).toBe(1)
    expect(await items.next()).toEqual({ done: true, value: undefined })
  })

  test('is not told as a reader that left when it had ended before', async () => {
    const { items, returns } = queue()
    items.push(1)
    items.end(new Error('unread'))
    await items.return()
    expect(returns()).toBe(0)
    expect(await items.next()).toEqual({ done: true, value: undefined })
  })

  test('by one who leaves ends it for those who wait', async () => {
    const { items } = queue()
    const waiting = items.next()
    await items.return()
    expect(await waiting).toEqual({ done: true, value: undefined })
  })
})
