import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatPeerId } from '../../identity/peer-id.ts'
import { MAX_INFO_BYTES } from '../../limits.ts'
import { isEncodableName } from '../mdns/domain-name.ts'
import { type AdvertText, decodeAdvert, encodeAdvert, roomHostLabel, roomInstanceLabel } from './room-advert.ts'
import { instanceName } from './service-type.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const ada: AdvertText = { service: 'chat', id: 'a'.repeat(52), name: 'Ada', info: '{"team":"red"}' }

const advert: fc.Arbitrary<AdvertText> = fc.record({
  service: fc.stringMatching(/^[a-z0-9-]{1,15}$/),
  id: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(formatPeerId),
  name: fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
    .filter(name => utf8(name).length <= 63 && !/[\p{Cc}\u2028\u2029]/u.test(name)),
  info: fc.oneof(
    fc.constant(''),
    fc.json().filter(json => utf8(json).length <= MAX_INFO_BYTES),
    fc.nat(197).map(length => JSON.stringify('ü'.repeat(length))),
  ),
})

describe('a room advert', () => {
  test('is a TXT record as docs/mdns.md says', () => {
    expect(encodeAdvert(ada).map(text)).toEqual(['v=1', `id=${ada.id}`, 'n=Ada', 's=chat', 'i={"team":"red"}'])
  })

  test('comes back whole, in strings of at most 255 bytes', () => {
    fc.assert(
      fc.property(advert, value => {
        const strings = encodeAdvert(value)
        for (const { length } of strings) expect(length).toBeLessThanOrEqual(255)
        expect(decodeAdvert(strings)).toEqual(value)
        expect(decodeAdvert([utf8('x=future'), ...strings])).toEqual(value)
      }),
    )
  })

  test('anything else is no advert, and never an exception', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string().map(utf8)), { maxLength: 8 }),
        strings => {
          expect(decodeAdvert(strings)).toBeUndefined()
        },
      ),
    )
  })

  test.each([
    ['another version', { v: '2' }],
    ['an id that is too short', { id: 'a'.repeat(51) }],
    ['an id with bits to spare', { id: `${'a'.repeat(51)}b` }],
    ['no name', { n: '' }],
    ['a name of 64 bytes', { n: 'x'.repeat(64) }],
    ['a name with an escape sequence', { n: '\u001b[2J' }],
    ['a service in capitals', { s: 'CHAT' }],
    ['info that is not JSON', { i: '{' }],
    ['info of more than 400 bytes', { i: JSON.stringify('x'.repeat(250)).slice(0, 250), i1: 'x'.repeat(151) }],
  ])('%s makes it no advert', (_, change) => {
    const fields = { v: '1', id: ada.id, n: ada.name, s: ada.service, i: ada.info, ...change }
    expect(decodeAdvert(Object.entries(fields).map(([key, value]) => utf8(`${key}=${value}`)))).toBeUndefined()
  })

  test('missing keys make it no advert, but info may be missing', () => {
    const strings = encodeAdvert(ada)
    for (let i = 0; i < 4; i++) expect(decodeAdvert(strings.toSpliced(i, 1))).toBeUndefined()
    expect(decodeAdvert(strings.slice(0, 4))).toEqual({ ...ada, info: '' })
  })

  test('its instance and host have names that fit, whatever the display name', () => {
    expect(roomInstanceLabel(ada)).toBe('Ada aaaaaaaa chat')
    expect(roomHostLabel(ada)).toBe('aaaaaaaaaaaaaaaa')
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 63 }), name => {
        const label = roomInstanceLabel({ ...ada, name })
        expect(isEncodableName(instanceName(label, '_earshot._tcp'))).toBe(true)
        expect(label.endsWith(' aaaaaaaa chat')).toBe(true)
      }),
    )
  })
})
