import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ANSWER_ITEM_BYTES, ANSWER_ITEM_WINDOW, MAX_MESSAGE_BYTES } from '../limits.ts'
import { AnswerItems, itemCost } from './answer-items.ts'

function answerItems() {
  const news: string[] = []
  let pulled = 0
  const items = new AnswerItems({
    onPull: count => {
      pulled += count
    },
    onEmpty: () => news.push('empty'),
    onReturn: () => news.push('returned'),
  })
  return { items, news, pulled: () => pulled }
}

test('an item costs one, and one more for each 16 KiB, up to half the window', () => {
  expect(itemCost(0)).toBe(1)
  expect(itemCost(ANSWER_ITEM_BYTES - 1)).toBe(1)
  expect(itemCost(ANSWER_ITEM_BYTES)).toBe(2)
  expect(itemCost(MAX_MESSAGE_BYTES)).toBe(ANSWER_ITEM_WINDOW / 2)
})

test('more than the window is refused', () => {
  const small = answerItems().items
  for (let i = 0; i < ANSWER_ITEM_WINDOW; i++) small.push(i, 0)
  expect(() => small.push('one more', 0)).toThrow(expect.objectContaining({ code: 'protocol-violation' }))

  const large = answerItems().items
  large.push(1, MAX_MESSAGE_BYTES)
  large.push(2, MAX_MESSAGE_BYTES)
  expect(() => large.push(3, 0)).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
})

test('the window is given back in halves, as items are read', async () => {
  const { items, news, pulled } = answerItems()
  for (let i = 0; i < ANSWER_ITEM_WINDOW; i++) items.push(i, 0)
  for (let i = 1; i < ANSWER_ITEM_WINDOW / 2; i++) await items.queue.next()
  expect(pulled()).toBe(0)
  await items.queue.next()
  expect(pulled()).toBe(ANSWER_ITEM_WINDOW / 2)
  expect(news).toEqual([])
  for (let i = 0; i < ANSWER_ITEM_WINDOW / 2; i++) await items.queue.next()
  expect([pulled(), news]).toEqual([ANSWER_ITEM_WINDOW, ['empty']])
})

test('a single answer is a sequence of one, whatever the window is', async () => {
  const { items } = answerItems()
  for (let i = 0; i < ANSWER_ITEM_WINDOW; i++) items.push(i, 0)
  items.finish('last')
  const read: unknown[] = []
  for await (const item of items.queue) read.push(item)
  expect(read).toHaveLength(ANSWER_ITEM_WINDOW + 1)
  expect(read.at(-1)).toBe('last')
})

test('a sender that keeps to the window is never refused, and never waits for ever', async () => {
  const anyLength = fc.oneof(fc.nat(100), fc.nat(100_000), fc.nat(MAX_MESSAGE_BYTES))
  await fc.assert(
    fc.asyncProperty(fc.array(anyLength), fc.array(fc.nat(5)), async (lengths, reads) => {
      const { items, pulled } = answerItems()
      let used = 0
      let unread = 0
      let turn = 0
      const read = async () => {
        await items.queue.next()
        unread--
      }
      for (const length of lengths) {
        while (used + itemCost(length) > ANSWER_ITEM_WINDOW + pulled()) {
          expect(unread).toBeGreaterThan(0)
          await read()
        }
        used += itemCost(length)
        items.push(length, length)
        unread++
        for (let i = reads[turn++ % Math.max(reads.length, 1)] ?? 0; i > 0 && unread > 0; i--) await read()
      }
    }),
    { numRuns: 50 },
  )
})
