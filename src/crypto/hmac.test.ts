import { describe, expect, test } from 'vitest'
import { equalInConstantTime, hmacSha1, hmacSha256 } from './hmac.ts'
import { md5 } from './md5.ts'

const ascii = (text: string) => new TextEncoder().encode(text)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const key = ascii('Jefe')
const message = ascii('what do ya want for nothing?')

describe('HMAC', () => {
  test('with SHA-1, RFC 2202 section 3, case 2', () => {
    expect(hex(hmacSha1(key, message))).toBe('effcdf6ae5eb2fa2d27416d5f184df9c259a7c79')
  })

  test('with SHA-256, RFC 4231 section 4.3, in one part or two', () => {
    const expected = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
    expect(hex(hmacSha256(key, message))).toBe(expected)
    expect(hex(hmacSha256(key, message.subarray(0, 5), message.subarray(5)))).toBe(expected)
  })

  test('values are equal if all bytes are', () => {
    expect(equalInConstantTime(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
    expect(equalInConstantTime(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
    expect(equalInConstantTime(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3))).toBe(false)
  })
})

test.each([
  ['', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
])('MD5 of "%s", RFC 1321 section A.5', (text, hash) => {
  expect(hex(md5(ascii(text)))).toBe(hash)
})
