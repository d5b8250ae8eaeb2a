import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isEncodableName, joinLabels, nameKey, splitName } from './domain-name.ts'

describe('domain names', () => {
  test('labels with dots and backslashes come back', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 4 }), labels => {
        expect(splitName(joinLabels(labels))).toEqual(labels)
      }),
    )
    expect(joinLabels(['Dr. Ada \\o/', '_http', '_tcp', 'local'])).toBe('Dr\\. Ada \\\\o/._http._tcp.local')
    expect(splitName('local.')).toEqual(['local'])
  })

  test('the case of ASCII letters does not count, that of others does', () => {
    expect(nameKey('ADA._Tcp.Local')).toBe('ada._tcp.local')
    expect(nameKey('Ü')).toBe('Ü')
  })

  test.each([
    ['x'.repeat(63), true],
    ['x'.repeat(64), false],
    ['ü'.repeat(32), false],
    [Array.from({ length: 127 }, () => 'x').join('.'), true],
    [Array.from({ length: 128 }, () => 'x').join('.'), false],
    ['a..b', false],
    ['a\u2028b', false],
    ['a\nb', false],
  ])('%j can be sent: %s', (name, expected) => {
    expect(isEncodableName(name)).toBe(expected)
  })
})
