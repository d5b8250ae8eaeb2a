/**
 * Talk to everybody around.
 *
 *   npm run build
 *   node examples/chat.js Ada        and on another machine, or in another terminal:
 *   node examples/chat.js Bob
 */

import { createInterface } from 'node:readline'
import { join } from 'earshot'

const [name = 'somebody'] = process.argv.slice(2)
const room = await join('example-chat', { name })

room.on('peer', peer => console.log(`* ${peer.name} is here`))
room.on('peer-gone', ({ peer }) => console.log(`* ${peer.name} left`))
room.on('message', ({ data, from }) => console.log(`${from.name}: ${data}`))

for await (const line of createInterface({ input: process.stdin })) await room.send(line)
await room.close()
