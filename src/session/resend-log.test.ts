import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ResendLog } from './resend-log.ts'

test('keeps what was not acknowledged, by its numbers, whatever the sizes', () => {
  const step = fc.oneof(
    fc.record({ append: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 30_000, max: 65_519 })) }),
    fc.record({ acknowledge: fc.nat(8) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const log = new ResendLog()
      const model: Uint8Array[] = []
      let first = 0
      for (const step of steps) {
        if ('append' in step) {
          const record = new Uint8Array(step.append).fill(first + model.length)
          expect(log.append(record)).toBe(first + model.length)
          model.push(record.slice())
          // Short ones are copied, long ones are the log's.
          if (record.length < 1_000) record.fill(0xff)
        } else {
          const count = Math.min(step.acknowledge, model.length)
          log.acknowledge(first + count)
          model.splice(0, count)
          first += count
        }
        expect([log.first, log.next]).toEqual([first, first + model.length])
        expect(log.bytes).toBe(model.reduce((bytes, { length }) => bytes + length, 0))
        for (const [at, record] of model.entries()) expect(Buffer.compare(log.at(first + at), record)).toBe(0)
      }
      log.clear()
      expect([log.bytes, log.next - log.first]).toEqual([0, 0])
    }),
    { numRuns: 60 },
  )
})

test('what was acknowledged before is no surprise, and what was never sent breaks the rules', () => {
  const log = new ResendLog()
  for (let i = 0; i < 3; i++) log.append(Uint8Array.of(i))
  log.acknowledge(2)
  log.acknowledge(1)
  expect(log.first).toBe(2)
  expect(() => log.acknowledge(4)).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
})

test('thousands of small records are let go of in time that does not grow with their number', () => {
  const log = new ResendLog()
  for (let round = 0; round < 200; round++) {
    for (let i = 0; i < 1_000; i++) log.append(Uint8Array.of(1))
    log.acknowledge(log.next - 1)
  }
  expect(log.next).toBe(200_000)
  expect(log.bytes).toBe(1)
})

test('short records count with what they cost beside their bytes', () => {
  const log = new ResendLog()
  for (let i = 0; i < 1_000; i++) log.append(Uint8Array.of(1))
  expect(log.bytes).toBe(1_000)
  expect(log.memory).toBeGreaterThan(100_000)
  log.acknowledge(1_000)
  expect([log.bytes, log.memory]).toEqual([0, 0])
})
