/**
 * The record layer alone: nanoseconds to seal and to open one record, by size. Run after `npm run build`:
 *
 *     node bench/record.bench.js
 */

import { CipherState } from '../dist/session/noise/cipher-state.js'
import { MAX_RECORD_PLAINTEXT_BYTES, RecordOpener, RecordSealer } from '../dist/session/record.js'
import { nsPerCall } from './micro.js'

const KEY = new Uint8Array(32).fill(3)

console.log(`Node ${process.version}`)
for (const length of [32, 100, 1200, 16_384, MAX_RECORD_PLAINTEXT_BYTES]) {
  const plaintext = new Uint8Array(length).fill(7)
  const sealer = new RecordSealer(new CipherState(KEY))
  const sealNs = nsPerCall(() => sealer.seal(plaintext))
  const bothNs = sealAndOpen(plaintext)
  const rate = ns => `${Math.round(ns)} ns (${((length * 1000) / ns).toFixed(0)} MB/s)`
  console.log(`${length} bytes: seal ${rate(sealNs)}, seal and open ${rate(bothNs)}`)
}

/** Nonces must keep step, so that opening cannot be timed alone. */
function sealAndOpen(plaintext) {
  const sealer = new RecordSealer(new CipherState(KEY))
  const opener = new RecordOpener(new CipherState(KEY))
  const onRecord = () => {}
  return nsPerCall(() => opener.push(sealer.seal(plaintext), onRecord))
}
