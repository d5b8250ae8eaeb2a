/**
 * Ask everybody in the room, and take the answers as they come. Needs a `thermometer.js` or two.
 *
 *   npm run build
 *   node examples/ask-all.js
 */

import { join } from 'earshot'

// Not visible: this program asks, and has nothing to offer.
const room = await join('example-sensors', { name: 'reader', visible: false })

await room.once('peer', { timeoutMs: 5_000 })
for await (const { peer, ok, value, error } of room.askAll('temperature', { unit: 'celsius' })) {
  console.log(ok ? `${peer.name}: ${value} °C` : `${peer.name}: ${error.code}, ${error.message}`)
}
await room.close()
