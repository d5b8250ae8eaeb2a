import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteQueue } from './byte-queue.ts'

test('gives back what was put in, in order, however it is cut', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('push'), bytes: fc.uint8Array({ maxLength: 20 }) }),
    fc.record({ kind: fc.constantFrom('take', 'peek', 'drop'), count: fc.nat(30) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const queue = new ByteQueue()
      let model: number[] = []
      for (const each of steps) {
        if ('bytes' in each) {
          queue.push(each.bytes)
          model = [...model, ...each.bytes]
        } else if (each.kind === 'peek') expect([...queue.peek(each.count)]).toEqual(model.slice(0, each.count))
        else if (each.kind === 'drop') expect(queue.drop(each.count)).toBe(model.splice(0, each.count).length)
        else if (each.count <= model.length) expect([...queue.take(each.count)]).toEqual(model.splice(0, each.count))
        expect(queue.length).toBe(model.length)
      }
    }),
  )
})
