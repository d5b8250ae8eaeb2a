import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fifo } from './fifo.ts'

test('does what an array does', () => {
  const operation = fc.constantFrom('push', 'push', 'shift', 'peek', 'drain', 'push many', 'shift many')
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), operations => {
      const fifo = new Fifo<number>()
      const model: number[] = []
      let next = 0
      for (const kind of operations) {
        const times = kind.endsWith('many') ? 1_500 : 1
        for (let i = 0; i < times; i++) {
          if (kind.startsWith('push')) {
            fifo.push(next)
            model.push(next++)
          } else if (kind.startsWith('shift')) expect(fifo.shift()).toBe(model.shift())
          else if (kind === 'peek') expect(fifo.peek()).toBe(model[0])
          else expect(fifo.drain()).toEqual(model.splice(0))
        }
        expect(fifo.length).toBe(model.length)
      }
    }),
    { numRuns: 30 },
  )
})
