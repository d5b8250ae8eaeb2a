/**
 * Values on the wire beside what JSON and UTF-8 cost by themselves: nanoseconds to encode and to decode. Run after
 * `npm run build`:
 *
 *     node bench/value.bench.js
 */

import { decodeValue, encodeValue } from '../dist/messaging/value.js'
import { nsPerCall } from './micro.js'

const VALUES = {
  '100 bytes': new Uint8Array(100).fill(7),
  'text of 60': 'x'.repeat(60),
  'chat message': {
    id: 4711,
    from: 'ada',
    at: 1763550000123,
    text: 'The quick brown fox jumps over the dog',
    tags: ['a', 'b'],
  },
  'sensor reading': { sensor: 'kitchen', celsius: 21.5, humidity: 0.43, at: 1763550000123, ok: true },
  '1000 numbers': Array.from({ length: 1000 }, (_, index) => index * 1.5),
  'Map and Date': {
    at: new Date(1763550000123),
    scores: new Map([
      ['ada', 3],
      ['bob', 4],
    ]),
  },
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

console.log(`Node ${process.version}`)
for (const [name, value] of Object.entries(VALUES)) {
  const { kind, bytes } = encodeValue(value)
  const json = encoder.encode(JSON.stringify(value))
  const pair = (encodeNs, decodeNs) => `${Math.round(encodeNs)} / ${Math.round(decodeNs)} ns`
  const ours = pair(
    nsPerCall(() => encodeValue(value)),
    nsPerCall(() => decodeValue(kind, bytes)),
  )
  const bare = pair(
    nsPerCall(() => encoder.encode(JSON.stringify(value))),
    nsPerCall(() => JSON.parse(decoder.decode(json))),
  )
  console.log(`${name} (${bytes.length} B): ${ours}; bare JSON ${bare}`)
}
