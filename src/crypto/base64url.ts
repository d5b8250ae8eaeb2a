/** Base64 with the alphabet that is safe in URLs, without padding (RFC 4648 section 5). */

export function bytesToBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/** Copied out of Node's shared pool, so that a small key does not hold 8 KiB. */
export function bytesFromBase64Url(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64url'))
}
