import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EarshotError } from '../errors.ts'
import { MAX_MESSAGE_BYTES, MAX_REASSEMBLY_BYTES, MAX_WHOLE_FRAME_BYTES } from '../limits.ts'
import { Reassembly, ReassemblyBudget } from './reassembly.ts'

const violation = expect.objectContaining({ code: 'protocol-violation' })
const limitReached = expect.objectContaining({ code: 'limit-reached' })
const LARGE = MAX_WHOLE_FRAME_BYTES + 1

/** Puts frames together for a session with the peer at this address; `evictions` has the reasons of its end. */
function receiver(
  budget: ReassemblyBudget = new ReassemblyBudget(),
  address = '192.168.1.2',
): { reassembly: Reassembly; evictions: EarshotError[] } {
  const evictions: EarshotError[] = []
  const share = budget.share(address, error => evictions.push(error))
  return { reassembly: new Reassembly(share), evictions }
}

test('however a frame is cut, it is put together, and the budget is whole again', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: LARGE, max: 300_000 }),
      fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 20 }),
      (total, cuts) => {
        const budget = new ReassemblyBudget()
        const { reassembly } = receiver(budget)
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
        expect(budget.left).toBe(MAX_REASSEMBLY_BYTES)
      },
    ),
    { numRuns: 40 },
  )
})

test('one frame follows another', () => {
  const { reassembly } = receiver()
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
    expect(() => receiver().reassembly.begin(total)).toThrow(violation)
  })

  test('a fragment without a beginning', () => {
    expect(() => receiver().reassembly.add(Uint8Array.of(1))).toThrow(violation)
  })

  test('a beginning before the end', () => {
    const { reassembly } = receiver()
    reassembly.begin(LARGE)
    expect(() => reassembly.begin(LARGE)).toThrow(violation)
    reassembly.add(Uint8Array.of(1))
    expect(() => reassembly.begin(LARGE)).toThrow(violation)
  })

  test('a fragment of no bytes, and one that is too long', () => {
    const { reassembly } = receiver()
    reassembly.begin(LARGE)
    expect(() => reassembly.add(new Uint8Array(0))).toThrow(violation)
    expect(() => reassembly.add(new Uint8Array(LARGE + 1))).toThrow(violation)
  })
})

describe('the budget', () => {
  /** Begins one of the longest messages and stops after `bytes`. */
  function hoard(reassembly: Reassembly, bytes: number): void {
    reassembly.begin(MAX_MESSAGE_BYTES)
    reassembly.add(new Uint8Array(bytes))
  }

  /** Holds all of it, in equal parts. */
  function hoarders(budget: ReassemblyBudget, count: number, addressOf: (i: number) => string) {
    return Array.from({ length: count }, (_, i) => {
      const hoarder = receiver(budget, addressOf(i))
      hoard(hoarder.reassembly, MAX_REASSEMBLY_BYTES / count)
      return hoarder
    })
  }

  test('is used by what arrives, not by what is announced', () => {
    const budget = new ReassemblyBudget()
    const liars = Array.from({ length: 100 }, () => receiver(budget).reassembly)
    for (const liar of liars) {
      liar.begin(MAX_MESSAGE_BYTES)
      liar.add(Uint8Array.of(1))
    }
    expect(budget.left).toBe(MAX_REASSEMBLY_BYTES - 100)
  })

  test('comes back when an unfinished frame is forgotten', () => {
    const budget = new ReassemblyBudget()
    const all = hoarders(budget, 32, i => `192.168.1.${i}`)
    expect(budget.left).toBe(0)
    for (const { reassembly } of all) {
      reassembly.discard()
      reassembly.discard()
    }
    expect(budget.left).toBe(MAX_REASSEMBLY_BYTES)
  })

  test('ends the one that holds most, once, and not the one that asks', () => {
    const budget = new ReassemblyBudget()
    const all = hoarders(budget, 32, i => `192.168.1.${i}`)
    all[7]!.reassembly.discard()
    // Memory grows by doubling.
    all[9]!.reassembly.add(new Uint8Array(1))
    expect(budget.left).toBe(0)

    const next = receiver(budget, '192.168.1.99')
    next.reassembly.begin(LARGE)
    expect(next.reassembly.add(new Uint8Array(LARGE))).toHaveLength(LARGE)
    expect(all.flatMap(({ evictions }, i) => evictions.map(({ code }) => `${i} ${code}`))).toEqual(['9 limit-reached'])
    expect(next.evictions).toEqual([])
    // What its session gives back when it ends is given back already, and it gets nothing any more.
    const { left } = budget
    all[9]!.reassembly.discard()
    expect(budget.left).toBe(left)
    all[9]!.reassembly.begin(LARGE)
    expect(() => all[9]!.reassembly.add(Uint8Array.of(1))).toThrow(limitReached)
  })

  test('ends the one that asks where it holds most', () => {
    const budget = new ReassemblyBudget()
    const all = hoarders(budget, 32, i => `192.168.1.${i}`)
    expect(() => all[3]!.reassembly.add(new Uint8Array(1))).toThrow(limitReached)
    expect(all.flatMap(({ evictions }) => evictions)).toEqual([])
    all[3]!.reassembly.discard()
    expect(budget.left).toBe(MAX_REASSEMBLY_BYTES / 32)
  })

  test.each([
    ['address', () => '192.168.1.3'],
    ['IPv6 network', (i: number) => `2001:db8::${i}`],
  ])('counts sessions of one %s together: many that hold little go before one that holds more', (_, addressOf) => {
    const budget = new ReassemblyBudget()
    const all = hoarders(budget, 512, addressOf)
    const honest = receiver(budget, '192.168.1.2')
    hoard(honest.reassembly, 10_000_000)
    expect(honest.evictions).toEqual([])
    expect(all.filter(({ evictions }) => evictions.length > 0)).toHaveLength(Math.ceil(10_000_000 / 524_288))
  })
})
