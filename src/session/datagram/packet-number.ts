/**
 * Packet numbers count the datagrams of one direction from 0 and are never used twice. The lowest 32 bits travel; the
 * receiver finds the rest from the largest number it has seen, as in RFC 9000 appendix A.3. Two thousand million
 * datagrams would have to be lost in a row for that to fail.
 */

const TWO_32 = 0x1_0000_0000
const HALF = 0x8000_0000

/** @param largest the largest number that was authentic so far, -1 for none */
export function fullPacketNumber(truncated: number, largest: number): number {
  const expected = largest + 1
  const candidate = expected - (expected % TWO_32) + truncated
  if (candidate <= expected - HALF) return candidate + TWO_32
  if (candidate > expected + HALF && candidate >= TWO_32) return candidate - TWO_32
  return candidate
}
