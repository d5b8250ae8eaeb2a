/**
 * Be the same peer in every run: the identity is a key in a file, and the id is its public half.
 *
 *   npm run build
 *   node examples/same-peer.js /tmp/my-identity        shows the same id each time
 */

import { Identity, join } from 'earshot'

const [file = 'identity'] = process.argv.slice(2)
const identity = await Identity.load(file)

const room = await join('example-same', { identity })
console.log(`I am ${room.self.id}`)
await room.close()
