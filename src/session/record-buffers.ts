/**
 * Buffers for the plaintext of records, shared by all sessions: making them anew costs more than filling them, and an
 * idle session must hold none. One is filled by the send queue, and kept by the resend log until the peer has it.
 */

import { MAX_RECORD_PLAINTEXT_BYTES } from './record.ts'

const spare: Uint8Array[] = []
/** 8 MiB: what is in flight at full speed, twice. */
const MAX_SPARE = 128
/** Buffers there are, spare or in use. */
let count = 0
/** With so many of them in use a buffer begins small: heartbeats to hundreds of peers must not take a full one each. */
const MANY = 64
const SMALL_BYTES = 1_024

/** A buffer with room for `needed` bytes, mostly for a whole record. */
export function takeRecordBuffer(needed: number): Uint8Array {
  const buffer = spare.pop()
  if (buffer) return buffer
  if (needed <= SMALL_BYTES && count >= MANY) return new Uint8Array(SMALL_BYTES)
  count++
  return new Uint8Array(MAX_RECORD_PLAINTEXT_BYTES)
}

/** `view` is of a buffer that was taken, and nobody uses it any more. */
export function giveBackRecordBuffer({ buffer }: Uint8Array): void {
  if (buffer.byteLength < MAX_RECORD_PLAINTEXT_BYTES) return
  if (spare.length < MAX_SPARE) spare.push(new Uint8Array(buffer))
  else count--
}
