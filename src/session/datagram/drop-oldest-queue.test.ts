import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DropOldestQueue } from './drop-oldest-queue.ts'

test('keeps the newest within its bounds, in order, and tells of each that goes', () => {
  const steps = fc.array(fc.oneof(fc.nat(40), fc.constant('take' as const)), { maxLength: 200 })
  fc.assert(
    fc.property(steps, steps => {
      const bounds = { messages: 10, bytes: 100 }
      const queue = new DropOldestQueue<number>(bounds)
      let model: { readonly item: number; readonly bytes: number }[] = []
      for (const [item, step] of steps.entries()) {
        if (step === 'take') {
          expect(queue.peek()).toBe(model[0]?.item)
          expect(queue.shift()).toBe(model.shift()?.item)
          continue
        }
        model.push({ item, bytes: step })
        let kept = model
        const total = () => kept.reduce((sum, { bytes }) => sum + bytes, 0)
        while (kept.length > bounds.messages || total() > bounds.bytes) kept = kept.slice(1)
        expect(queue.push(item, step)).toEqual(model.slice(0, model.length - kept.length).map(({ item }) => item))
        model = kept
        expect(queue.length).toBe(model.length)
      }
      expect(queue.drain()).toEqual(model.map(({ item }) => item))
      expect(queue.length).toBe(0)
    }),
  )
})
