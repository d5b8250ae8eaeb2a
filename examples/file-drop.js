/**
 * Drop files to whoever is around: takes what others send, and sends what is named to everybody.
 *
 *   npm run build
 *   node examples/file-drop.js Ada ./inbox                 takes files; Ctrl-C ends
 *   node examples/file-drop.js Bob ./other film.mkv        sends one to the first who comes, and ends
 */

import { join } from 'earshot'

const [name = 'somebody', inboxPath = './inbox', file] = process.argv.slice(2)
const room = await join('example-drop', { name })
process.once('SIGINT', () => room.close())

const inbox = room.inbox(inboxPath, {
  // Asked once for each transfer, however often it is resumed.
  accept: ({ sizeBytes }) => sizeBytes < 10_000_000_000,
})
inbox.on('transfer', async transfer => {
  try {
    const { path } = await transfer
    console.log(`${path} is here, from ${transfer.from.name}`)
  } catch (error) {
    console.log(`${transfer.name} did not arrive: ${error.message}`)
  }
})
console.log(`${name} takes files into ${inboxPath}`)

if (file !== undefined) {
  const peer = await room.once('peer')
  const transfer = peer.sendFile(file)
  for await (const { sentBytes, totalBytes } of transfer) console.log(`${sentBytes} of ${totalBytes} bytes`)
  const { sha256 } = await transfer
  console.log(`${peer.name} has it: ${sha256}`)
  await room.close()
}
