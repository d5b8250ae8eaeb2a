/** CRC-32 as in ISO 3309 and ITU-T V.42, which FINGERPRINT uses (RFC 8489 section 14.7). `node:zlib` has one only from Node 22 on. */

const POLYNOMIAL = 0xedb8_8320
const TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1
  return remainder
})

/** Of the parts one behind the other. */
export function crc32(...parts: readonly Uint8Array[]): number {
  let crc = 0xffff_ffff
  for (const part of parts) for (const byte of part) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!
  return (crc ^ 0xffff_ffff) >>> 0
}
