import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Identity } from '../identity/identity.ts'
import { MAX_SIGNAL_BYTES } from '../limits.ts'
import { type Announcement, decodeAnnouncement, decodeLeave, encodeAnnouncement } from './presence-body.ts'
import { decodeSignal, encodeSignal, type SignalKind } from './signal.ts'

const refused = expect.objectContaining({ code: 'protocol-violation' })
const identity = new Identity(new Uint8Array(32).fill(1))
const context = { topic: new Uint8Array(20).fill(7), receiverKey: new Uint8Array(32).fill(8) }
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const HEAD_BYTES = 32 + 64

const signals = fc.record({
  time: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  number: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  kind: fc.constantFrom<SignalKind>('message', 'announce', 'leave', 'ask'),
  body: fc.uint8Array({ maxLength: 300 }),
})

describe('a signal', () => {
  test('is read as it was written, whatever the padding, for any content', () => {
    fc.assert(
      fc.property(signals, fc.nat(50), (signal, padding) => {
        const encoded = encodeSignal(signal, context, identity)
        const padded = new Uint8Array(encoded.length + padding)
        padded.set(encoded)
        const read = decodeSignal(padded)
        expect([read.time, read.kind]).toEqual([signal.time, signal.kind])
        expect(text(read.number)).toBe(text(signal.number))
        expect(text(read.body)).toBe(text(signal.body))
        expect(text(read.sender)).toBe(text(identity.publicKey))
        expect(read.isAuthentic(context)).toBe(true)
      }),
    )
  })

  test('cut anywhere is refused', () => {
    fc.assert(
      fc.property(signals, signal => {
        const encoded = encodeSignal(signal, context, identity)
        for (let cut = 0; cut < encoded.length; cut++)
          expect(() => decodeSignal(encoded.subarray(0, cut))).toThrow(refused)
      }),
      { numRuns: 20 },
    )
  })

  test('changed in any bit is refused or not authentic', () => {
    const body = Uint8Array.of(1, 2, 3)
    const encoded = encodeSignal({ time: 1_000, number: new Uint8Array(16), kind: 'message', body }, context, identity)
    for (let bit = 0; bit < encoded.length * 8; bit++) {
      const changed = new Uint8Array(encoded)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(isAuthentic(changed)).toBe(false)
    }
  })

  test('any bytes are read or refused, and none of them are authentic', () => {
    const body = fc.uint8Array({ maxLength: 200 })
    fc.assert(fc.property(fc.oneof(body, body.map(withHead)), bytes => !isAuthentic(bytes)))
  })

  test.each<[string, Partial<typeof context>]>([
    ['another topic', { topic: new Uint8Array(20).fill(8) }],
    ['another receiver', { receiverKey: new Uint8Array(32).fill(9) }],
  ])('for %s is not authentic: it cannot be handed on', (_, changes) => {
    const encoded = encodeSignal(
      { time: 1, number: new Uint8Array(16), kind: 'ask', body: new Uint8Array(0) },
      context,
      identity,
    )
    expect(decodeSignal(encoded).isAuthentic({ ...context, ...changes })).toBe(false)
  })

  test.each<[string, (bytes: Uint8Array) => void, string]>([
    ['of kind 0', bytes => bytes.set([0], HEAD_BYTES + 22), 'kind 0'],
    ['of kind 5', bytes => bytes.set([5], HEAD_BYTES + 22), 'kind 5'],
    ['with a body longer than any', bytes => bytes.set([0xff, 0xff], HEAD_BYTES + 23), '65535 bytes'],
    ['padded with something else', bytes => bytes.set([1], bytes.length - 1), 'zeros'],
  ])('%s is refused', (_, change, reason) => {
    const signal = { time: 1, number: new Uint8Array(16), kind: 'ask' as const, body: new Uint8Array(0) }
    const bytes = new Uint8Array(200)
    bytes.set(encodeSignal(signal, context, identity))
    change(bytes)
    expect(() => decodeSignal(bytes)).toThrow(
      expect.objectContaining({ code: 'protocol-violation', message: expect.stringContaining(reason) }),
    )
  })

  test('of the longest body fits the largest packet exactly, a longer one is a RangeError', () => {
    const signal = { time: 1, number: new Uint8Array(16), kind: 'message' as const }
    const longest = { ...signal, body: new Uint8Array(MAX_SIGNAL_BYTES) }
    expect(encodeSignal(longest, context, identity).length).toBe(4_096 - 1 - 32 - 16)
    const longer = { ...signal, body: new Uint8Array(MAX_SIGNAL_BYTES + 1) }
    expect(() => encodeSignal(longer, context, identity)).toThrow(RangeError)
  })
})

describe('an announcement', () => {
  const announcements: fc.Arbitrary<Announcement> = fc.record({
    instance: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    asks: fc.boolean(),
    name: fc.stringMatching(/^[ -~äß]{1,30}$/),
    info: fc.oneof(
      fc.constant(''),
      fc
        .jsonValue()
        .map(value => JSON.stringify(value))
        .filter(json => Buffer.byteLength(json) <= 400),
    ),
  })

  test('is read as it was written; bytes behind it are ignored, a cut one is refused', () => {
    fc.assert(
      fc.property(announcements, fc.uint8Array({ maxLength: 5 }), (announcement, more) => {
        const encoded = encodeAnnouncement(announcement)
        expect(decodeAnnouncement(encoded)).toEqual({
          ...announcement,
          instance: new Uint8Array(announcement.instance),
        })
        expect(decodeAnnouncement(Uint8Array.of(...encoded, ...more)).name).toBe(announcement.name)
        for (let cut = 0; cut < encoded.length; cut++)
          expect(() => decodeAnnouncement(encoded.subarray(0, cut))).toThrow(refused)
      }),
      { numRuns: 50 },
    )
  })

  test('any bytes are read or refused', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), bytes => void orRefused(() => decodeAnnouncement(bytes))))
  })

  test.each<[string, Partial<Announcement>]>([
    ['no name', { name: '' }],
    ['a line break in its name', { name: 'Ada\nBob' }],
    ['a name of 64 bytes', { name: 'n'.repeat(64) }],
    ['info that is no JSON', { info: '{' }],
    ['401 bytes of info', { info: `"${'i'.repeat(399)}"` }],
  ])('with %s is refused', (_, changes) => {
    const whole = { instance: new Uint8Array(8), asks: false, name: 'Ada', info: '' }
    expect(() => decodeAnnouncement(encodeAnnouncement({ ...whole, ...changes }))).toThrow(refused)
  })
})

test('a goodbye names an instance, and is refused when cut', () => {
  const instance = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
  expect(decodeLeave(instance)).toEqual(instance)
  for (let cut = 0; cut < 8; cut++) expect(() => decodeLeave(instance.subarray(0, cut))).toThrow(refused)
})

/** A sender and a signature that stand for themselves. */
function withHead(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(...identity.publicKey, ...new Uint8Array(64), ...bytes)
}

function isAuthentic(bytes: Uint8Array): boolean {
  return orRefused(() => decodeSignal(bytes))?.isAuthentic(context) ?? false
}

function orRefused<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    expect(error).toEqual(refused)
    return undefined
  }
}
