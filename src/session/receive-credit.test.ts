import fc from 'fast-check'
import { expect, test } from 'vitest'
import { INITIAL_CREDIT_BYTES } from '../limits.ts'
import { ReceiveCredit } from './receive-credit.ts'

const QUARTER = INITIAL_CREDIT_BYTES / 4

test('credit is given back in portions of a quarter of the window', () => {
  const credit = new ReceiveCredit()
  credit.received(QUARTER - 1)
  expect(credit.grant()).toBe(0)
  credit.received(1)
  expect(credit.grant()).toBe(QUARTER)
  expect(credit.grant()).toBe(0)
})

test('the whole window may arrive at once, and not a byte more', () => {
  const credit = new ReceiveCredit()
  credit.received(INITIAL_CREDIT_BYTES)
  expect(() => credit.received(1)).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
  expect(credit.grant()).toBe(INITIAL_CREDIT_BYTES)
  credit.received(INITIAL_CREDIT_BYTES)
})

test('what the application has not read is not given back until it has', () => {
  const credit = new ReceiveCredit()
  credit.received(INITIAL_CREDIT_BYTES)
  credit.hold(INITIAL_CREDIT_BYTES)
  expect(credit.grant()).toBe(0)
  credit.release(QUARTER - 1)
  expect(credit.grant()).toBe(0)
  credit.release(1)
  expect(credit.grant()).toBe(QUARTER)
  credit.release(3 * QUARTER)
  expect(credit.grant()).toBe(3 * QUARTER)
})

test('what is held after its credit was given comes off the next', () => {
  const credit = new ReceiveCredit()
  credit.received(QUARTER)
  expect(credit.grant()).toBe(QUARTER)
  credit.hold(QUARTER)
  credit.received(QUARTER)
  expect(credit.grant()).toBe(0)
  credit.release(QUARTER)
  expect(credit.grant()).toBe(QUARTER)
})

test('a sender within its credit is never refused, and none of it is lost', () => {
  const steps = fc.array(
    fc.record({ kind: fc.constantFrom('send', 'hold', 'release', 'grant'), bytes: fc.nat(400_000) }),
  )
  fc.assert(
    fc.property(steps, plan => {
      const credit = new ReceiveCredit()
      let available = INITIAL_CREDIT_BYTES
      let unread = 0
      for (const { kind, bytes } of plan) {
        if (kind === 'send' || kind === 'hold') {
          const sent = Math.min(bytes, available)
          available -= sent
          credit.received(sent)
          if (kind === 'hold') {
            credit.hold(sent)
            unread += sent
          }
        } else if (kind === 'release') {
          const read = Math.min(bytes, unread)
          unread -= read
          credit.release(read)
        } else available += credit.grant()
        expect(available + unread).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES)
      }
      credit.release(unread)
      available += credit.grant()
      expect(available).toBeGreaterThan(INITIAL_CREDIT_BYTES - QUARTER)
    }),
  )
})
