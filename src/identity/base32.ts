/** Base32 (RFC 4648 section 6) in lower case and without padding: safe in DNS labels, file names and URLs. */

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'

const CODES = [...ALPHABET].map(character => character.charCodeAt(0))
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]))

export function encodeBase32(bytes: Uint8Array): string {
  // Codes first: a text put together character by character stays a chain of 52 parts for as long as it lives.
  const codes: number[] = []
  let bits = 0
  let bitCount = 0
  for (const byte of bytes) {
    bits = (bits << 8) | byte
    bitCount += 8
    while (bitCount >= 5) {
      bitCount -= 5
      codes.push(CODES[(bits >>> bitCount) & 31]!)
    }
    bits &= (1 << bitCount) - 1
  }
  if (bitCount > 0) codes.push(CODES[(bits << (5 - bitCount)) & 31]!)
  return String.fromCharCode(...codes)
}

/**
 * The bytes, or `undefined` for a text that `encodeBase32` never makes: another character, upper case, padding, or
 * unused bits at the end which are not 0. So one value has one text.
 */
export function decodeBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array((text.length * 5) >>> 3)
  let length = 0
  let bits = 0
  let bitCount = 0
  for (const character of text) {
    const value = VALUES.get(character)
    if (value === undefined) return undefined
    bits = (bits << 5) | value
    bitCount += 5
    if (bitCount >= 8) {
      bitCount -= 8
      bytes[length++] = bits >>> bitCount
      bits &= (1 << bitCount) - 1
    }
  }
  return bitCount < 5 && bits === 0 ? bytes : undefined
}
