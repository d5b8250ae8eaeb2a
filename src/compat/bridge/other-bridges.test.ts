import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_BRIDGED_IDS } from '../../limits.ts'
import { OtherBridges } from './other-bridges.ts'

const claims = (own: readonly string[], devices: readonly string[]) =>
  new OtherBridges('pythonconnect', 'any').encode({ own, devices })

test('what another bridge is among the devices is none of them', () => {
  const others = new OtherBridges('pythonconnect', 'b')
  expect(others.keepsOut('hub', true)).toBe(false)
  expect(others.onClaims('c', claims(['hub', 'Ada'], []))).toBe(true)
  expect([others.keepsOut('hub', true), others.keepsOut('Ada', false), others.keepsOut('sensor', false)]).toEqual([
    true,
    true,
    false,
  ])
  expect([others.onGone('c'), others.onGone('c'), others.keepsOut('hub', true)]).toEqual([true, false, false])
})

test('a device stays with whom it is; of two that have it the smaller id keeps it', () => {
  const others = new OtherBridges('pythonconnect', 'b')
  others.onClaims('c', claims([], ['sensor']))
  expect([others.keepsOut('sensor', false), others.keepsOut('sensor', true)]).toEqual([true, false])
  others.onClaims('a', claims([], ['sensor']))
  expect(others.keepsOut('sensor', true)).toBe(true)
  // A later list replaces the one before.
  others.onClaims('a', claims([], []))
  others.onClaims('c', claims([], []))
  expect(others.keepsOut('sensor', false)).toBe(false)
})

test('whatever a peer says, nothing but lists of a bridge of this kind counts', () => {
  const others = new OtherBridges('pythonconnect', 'b')
  const tooMany = Array.from({ length: MAX_BRIDGED_IDS + 1 }, (_, i) => String(i))
  expect(others.onClaims('c', { kind: 'peerpy', own: ['hub'], devices: [] })).toBe(false)
  expect(others.onClaims('c', claims(tooMany, []))).toBe(false)
  expect(others.onClaims('c', claims([], [5 as unknown as string]))).toBe(false)
  fc.assert(
    fc.property(fc.anything(), message => {
      expect(others.onClaims('c', message)).toBe(false)
    }),
  )
  expect(others.keepsOut('hub', false)).toBe(false)
})
