/**
 * A peer for tests with real processes: `node peer-program.js SERVICE NAME`. Tells what happens as JSON lines, and does
 * what lines on its standard input say: `close`, `send TEXT`.
 */

import { createInterface } from 'node:readline'
import { join } from '../../dist/index.js'

const tell = value => console.log(JSON.stringify(value))
const [service, name] = process.argv.slice(2)

const room = await join(service, { name, interfaces: { include: ['lo', 'lo0'] } })
room.on('peer', peer => tell({ peer: peer.name, of: room.peers.length }))
room.on('peer-gone', ({ peer, code }) => tell({ gone: peer.name, code }))
room.on('message', ({ data, from }) => tell({ message: data, from: from.name }))
room.on('warning', ({ code, message }) => tell({ warning: code, message }))
tell({ joined: name })

createInterface({ input: process.stdin }).on('line', async line => {
  const [command, ...words] = line.split(' ')
  if (command === 'send') await room.send(words.join(' '))
  if (command === 'close') {
    await room.close()
    process.stdin.destroy()
    // The system frees handles in the turn after the one in which they are closed.
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    // Of these some are the pipes to the test itself.
    tell({ closed: process.getActiveResourcesInfo().filter(kind => !/^(Pipe|TTY)/.test(kind)) })
  }
})
