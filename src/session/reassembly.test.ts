import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_MESSAGE_BYTES, MAX_REASSEMBLY_BYTES, MAX_WHOLE_FRAME_BYTES } from '../limits.ts'
import { Reassembly, ReassemblyBudget } from './reassembly.ts'

const violation = expect.objectContaining({ code: 'protocol-violation' })
const limitReached = expect.objectContaining({ code: 'limit-reached' })
const LARGE = MAX_WHOLE_FRAME_BYTES + 1

/** What is left of a budget: the largest piece that can be taken. */
function left(budget: ReassemblyBudget): number {
  let low = 0
  for (let step = MAX_REASSEMBLY_BYTES; step >= 1; step /= 2) {
    try {
      budget.take(low + step)
      budget.giveBack(low + step)
      low += step
    } catch {}
  }
  return low
}

test('however a frame is cut, it is put together, and the budget is whole again', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: LARGE, max: 300_000 }),
      fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 20 }),
      (total, cuts) => {
        const budget = new ReassemblyBudget()
        const reassembly = new Reassembly(budget)
        const sent = Uint8Array.from({ length: total }, (_, i) => i * 7)
        reassembly.begin(total)
        let whole: Uint8Array | undefined
        for (let at = 0, i = 0; at < total; i++) {
          expect(whole).toBeUndefined()
          const end = Math.min(total, at + cuts[i % cuts.length]!)
          whole = reassembly.add(sent.subarray(at, end))
          at = end
        }
        expect(Buffer.compare(whole!, sent)).toBe(0)
        expect(left(budget)).toBe(MAX_REASSEMBLY_BYTES)
      },
    ),
    { numRuns: 40 },
  )
})

test('one frame follows another', () => {
  const reassembly = new Reassembly(new ReassemblyBudget())
  for (let i = 0; i < 3; i++) {
    reassembly.begin(LARGE)
    expect(reassembly.add(new Uint8Array(LARGE).fill(i))?.every(byte => byte === i)).toBe(true)
  }
})

describe('is refused:', () => {
  test.each([
    ['a frame that needed no fragments', MAX_WHOLE_FRAME_BYTES],
    ['one of no bytes', 0],
    ['one that is too large', MAX_MESSAGE_BYTES + 26],
    ['one beyond all memory', Number.MAX_SAFE_INTEGER],
  ])('%s', (_, total) => {
    expect(() => new Reassembly(new ReassemblyBudget()).begin(total)).toThrow(violation)
  })

  test('a fragment without a beginning', () => {
    expect(() => new Reassembly(new ReassemblyBudget()).add(Uint8Array.of(1))).toThrow(violation)
  })

  test('a beginning before the end', () => {
    const reassembly = new Reassembly(new ReassemblyBudget())
    reassembly.begin(LARGE)
    expect(() => reassembly.begin(LARGE)).toThrow(violation)
    reassembly.add(Uint8Array.of(1))
    expect(() => reassembly.begin(LARGE)).toThrow(violation)
  })

  test('a fragment of no bytes, and one that is too long', () => {
    const reassembly = new Reassembly(new ReassemblyBudget())
    reassembly.begin(LARGE)
    expect(() => reassembly.add(new Uint8Array(0))).toThrow(violation)
    expect(() => reassembly.add(new Uint8Array(LARGE + 1))).toThrow(violation)
  })
})

describe('the budget', () => {
  test('is used by what arrives, not by what is announced', () => {
    const budget = new ReassemblyBudget()
    const liars = Array.from({ length: 100 }, () => new Reassembly(budget))
    for (const liar of liars) {
      liar.begin(MAX_MESSAGE_BYTES)
      liar.add(Uint8Array.of(1))
    }
    expect(left(budget)).toBe(MAX_REASSEMBLY_BYTES - 100)
  })

  test('ends whoever needs more of it, and comes back when an unfinished frame is forgotten', () => {
    const budget = new ReassemblyBudget()
    const half = new Uint8Array(MAX_MESSAGE_BYTES / 2)
    const hoarders = Array.from({ length: 32 }, () => new Reassembly(budget))
    for (const hoarder of hoarders) {
      hoarder.begin(MAX_MESSAGE_BYTES)
      hoarder.add(half)
    }
    expect(left(budget)).toBe(0)
    const next = new Reassembly(budget)
    next.begin(LARGE)
    expect(() => next.add(new Uint8Array(LARGE))).toThrow(limitReached)
    next.discard()

    for (const hoarder of hoarders) {
      hoarder.discard()
      hoarder.discard()
    }
    expect(left(budget)).toBe(MAX_REASSEMBLY_BYTES)
  })
})
