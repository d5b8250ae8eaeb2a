import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EventQueue, type QueuedEvent } from './event-queue.ts'

describe('the event queue', () => {
  test('gives events in order of time, and of two at one instant the older one first', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), times => {
        const queue = new EventQueue<QueuedEvent>()
        const events = times.map((at, order) => ({ at, order, isCancelled: false }))
        for (const event of events) queue.push(event)

        expect(drain(queue)).toEqual([...events].sort((a, b) => a.at - b.at || a.order - b.order))
      }),
    )
  })

  test('leaves out what was cancelled, also after a sweep', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 4_000 }), isKept => {
        const queue = new EventQueue<QueuedEvent>()
        const events = isKept.map((_, order) => ({ at: (order * 7_919) % 1_000, order, isCancelled: false }))
        for (const event of events) queue.push(event)
        for (const event of events) if (!isKept[event.order]) queue.cancel(event)

        expect(
          drain(queue)
            .map(({ order }) => order)
            .sort((a, b) => a - b),
        ).toEqual(events.filter(({ order }) => isKept[order]).map(({ order }) => order))
      }),
      { numRuns: 20 },
    )
  })

  test('shows what comes next without taking it', () => {
    const queue = new EventQueue<QueuedEvent>()
    const event = { at: 1, order: 0, isCancelled: false }
    queue.push(event)

    expect([queue.peek(), queue.peek(), queue.shift(), queue.shift()]).toEqual([event, event, event, undefined])
  })
})

function drain(queue: EventQueue<QueuedEvent>): QueuedEvent[] {
  const events: QueuedEvent[] = []
  for (let event = queue.shift(); event !== undefined; event = queue.shift()) events.push(event)
  return events
}
