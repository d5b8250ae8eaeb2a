/**
 * Variable-length integers, RFC 9000 section 16: the two highest bits of the first byte tell the length, 1, 2, 4 or 8
 * bytes, big-endian. Numbers go up to 2^53 - 1, which JavaScript counts exactly. The shortest form is required, so that
 * one value has one encoding.
 */

export const MAX_VARINT: number = Number.MAX_SAFE_INTEGER

const MAX_1 = 0x3f
const MAX_2 = 0x3fff
const MAX_4 = 0x3fff_ffff
const TWO_32 = 0x1_0000_0000

/** How many bytes `value` takes: 1, 2, 4 or 8. */
export function varintLength(value: number): 1 | 2 | 4 | 8 {
  if (value <= MAX_1) return 1
  if (value <= MAX_2) return 2
  return value <= MAX_4 ? 4 : 8
}

/** Writes `value` at `offset` and returns the offset behind it. `target` must have room for `varintLength(value)`. */
export function putVarint(target: Uint8Array, offset: number, value: number): number {
  if (value <= MAX_1) {
    target[offset] = value
    return offset + 1
  }
  if (value <= MAX_2) {
    target[offset] = 0x40 | (value >>> 8)
    target[offset + 1] = value
    return offset + 2
  }
  if (value <= MAX_4) {
    putUint32(target, offset, (0x8000_0000 | value) >>> 0)
    return offset + 4
  }
  putUint32(target, offset, (0xc000_0000 | Math.floor(value / TWO_32)) >>> 0)
  putUint32(target, offset + 4, value % TWO_32)
  return offset + 8
}

function putUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24
  target[offset + 1] = value >>> 16
  target[offset + 2] = value >>> 8
  target[offset + 3] = value
}
