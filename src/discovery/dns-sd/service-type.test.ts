import { describe, expect, test } from 'vitest'
import { instanceLabel, instanceName, isServiceType, nextHostLabel, nextInstanceLabel } from './service-type.ts'
import { decodeTxt, encodeTxt } from './txt-record.ts'

describe('service types and names', () => {
  test.each([
    ['_ipp._tcp', true],
    ['_a-1._udp', true],
    ['_earshot._TCP', true],
    ['_123456789012345._tcp', false],
    ['_12345678901234a._tcp', true],
    ['_1234567890abcdef._tcp', false],
    ['_-a._tcp', false],
    ['_a-._tcp', false],
    ['_a--b._tcp', false],
    ['_1._tcp', false],
    ['_a._sctp', false],
    ['ipp._tcp', false],
    ['_ipp._tcp.local', false],
  ])('%s is a service type: %s', (type, expected) => {
    expect(isServiceType(type)).toBe(expected)
  })

  test('the label of an instance comes back from its name, and from no other name', () => {
    expect(instanceLabel(instanceName('Dr. Ada', '_ipp._tcp'), '_IPP._tcp')).toBe('Dr. Ada')
    for (const name of ['_ipp._tcp.local', 'a.b._ipp._tcp.local', 'a._http._tcp.local', 'a._ipp._tcp.example']) {
      expect(instanceLabel(name, '_ipp._tcp')).toBeUndefined()
    }
  })

  test.each([
    ['Laser', 'Laser (2)'],
    ['Laser (2)', 'Laser (3)'],
    ['Laser (9)', 'Laser (10)'],
    ['Laser (x)', 'Laser (x) (2)'],
    ['x'.repeat(63), `${'x'.repeat(59)} (2)`],
    [`${'ü'.repeat(29)} (9)`, `${'ü'.repeat(29)} (10)`],
    [`${'ü'.repeat(31)}x`, `${'ü'.repeat(29)} (2)`],
  ])('after %s comes %s', (label, next) => {
    expect(nextInstanceLabel(label)).toBe(next)
  })

  test('after a host comes its number', () => {
    expect([nextHostLabel('ada'), nextHostLabel('ada-2'), nextHostLabel('x'.repeat(63))]).toEqual([
      'ada-2',
      'ada-3',
      `${'x'.repeat(61)}-2`,
    ])
  })
})

describe('TXT records', () => {
  const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

  test('keys and values come back', () => {
    const txt = { rp: 'ipp/print', empty: '', 'with space': 'a=b=ü', ['__proto__']: 'x' }
    expect(decodeTxt(encodeTxt(txt))).toEqual(txt)
  })

  test('follow RFC 6763 section 6.4: no key, no entry; the first of a key counts, in any case', () => {
    expect(decodeTxt(['=x', '', 'flag', 'a=1', 'A=2', 'ü=3'].map(utf8))).toEqual({ flag: '', a: '1' })
  })

  test('bytes that are not UTF-8 are shown as such', () => {
    expect(decodeTxt([Uint8Array.of(0x61, 0x3d, 0xff)])).toEqual({ a: '\ufffd' })
  })
})
