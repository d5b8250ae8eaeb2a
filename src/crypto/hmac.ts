/** HMAC (RFC 2104) with SHA-1 and SHA-256, for protocols that ask for it, and a comparison that tells nobody where it ended. */

import { createHmac, timingSafeEqual } from 'node:crypto'

/** 20 bytes. SHA-1 is broken as a hash, not as an HMAC; STUN's MESSAGE-INTEGRITY has nothing else. */
export function hmacSha1(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return hmac('sha1', key, parts)
}

/** 32 bytes. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return hmac('sha256', key, parts)
}

/** In a time that depends on the lengths alone, so that a forger learns nothing from it. */
export function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

function hmac(hash: 'sha1' | 'sha256', key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac(hash, key)
  for (const part of parts) mac.update(part)
  return new Uint8Array(mac.digest())
}
