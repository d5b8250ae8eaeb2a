import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_LATEST_BYTES, MAX_PARTIAL_VALUES } from '../../limits.ts'
import { FRAGMENT_BYTES, type Fragment } from './datagram-frame.ts'
import { UnreliableInbox } from './unreliable-inbox.ts'

type Heard = [label: number, kind: number, length: number]

function inbox(): { readonly inbox: UnreliableInbox; readonly heard: Heard[] } {
  const heard: Heard[] = []
  return { inbox: new UnreliableInbox((label, kind, body) => heard.push([label, kind, body.length])), heard }
}

function fragments(label: number, sequence: number, length: number): Fragment[] {
  const value = new Uint8Array(length).fill(sequence)
  const count = Math.ceil(length / FRAGMENT_BYTES)
  return Array.from({ length: count }, (_, index) => {
    const bytes = value.subarray(index * FRAGMENT_BYTES, (index + 1) * FRAGMENT_BYTES)
    return { label, sequence, kind: 0, count, index, bytes }
  })
}

describe('what arrives', () => {
  test("of 'unreliable' is handed over, whatever came before", () => {
    const { inbox: each, heard } = inbox()
    each.onMessage(0, 0, 1, new Uint8Array(2))
    each.onMessage(0, 0, 1, new Uint8Array(2))
    expect(heard).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ])
  })

  test("of 'latest' is handed over unless a newer value of that channel was", () => {
    const { inbox: each, heard } = inbox()
    for (const [label, sequence] of [
      [1, 2],
      [1, 1],
      [2, 1],
      [1, 2],
      [1, 3],
    ] as const) {
      each.onMessage(label, sequence, 0, new Uint8Array(sequence))
    }
    expect(heard).toEqual([
      [1, 0, 2],
      [2, 0, 1],
      [1, 0, 3],
    ])
    expect(each.dropped).toBe(1)
  })

  test('in fragments, in any order and twice each, is put together', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: FRAGMENT_BYTES + 1, max: MAX_LATEST_BYTES }),
        fc.infiniteStream(fc.nat()),
        (length, chance) => {
          const bodies: Uint8Array[] = []
          const each = new UnreliableInbox((_, __, body) => bodies.push(body))
          const parts = fragments(3, 7, length)
          const shuffled = [...parts, ...parts].map(part => ({ part, key: chance.next().value! }))
          for (const { part } of shuffled.sort((a, b) => a.key - b.key)) each.onFragment(part)
          expect(bodies).toEqual([new Uint8Array(length).fill(7)])
        },
      ),
      { numRuns: 30 },
    )
  })

  test('of an older value is forgotten when a newer one begins, or is there', () => {
    const { inbox: each, heard } = inbox()
    const [old, newer] = [fragments(1, 1, 3_000), fragments(1, 2, 3_000)]
    each.onFragment(old[0]!)
    each.onFragment(newer[0]!)
    for (const part of old) each.onFragment(part)
    for (const part of newer) each.onFragment(part)
    expect(heard).toEqual([[1, 0, 3_000]])
    expect(each.dropped).toBe(1)
    each.onFragment(fragments(1, 3, 3_000)[0]!)
    each.onMessage(1, 4, 0, new Uint8Array(1))
    for (const part of fragments(1, 3, 3_000)) each.onFragment(part)
    expect(heard).toHaveLength(2)
    expect(each.dropped).toBe(2)
  })

  test('unfinished on many channels is bounded: the one begun first goes', () => {
    const { inbox: each, heard } = inbox()
    for (let label = 0; label <= MAX_PARTIAL_VALUES; label++) each.onFragment(fragments(label, 1, 2_000)[0]!)
    expect(each.dropped).toBe(1)
    for (let label = 1; label <= MAX_PARTIAL_VALUES; label++) each.onFragment(fragments(label, 1, 2_000)[1]!)
    expect(heard.map(([label]) => label)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  test('with another count of fragments than before does not mix', () => {
    const { inbox: each, heard } = inbox()
    each.onFragment(fragments(1, 1, 3_000)[0]!)
    for (const part of fragments(1, 1, 2_000)) each.onFragment(part)
    expect(heard).toEqual([])
  })
})
