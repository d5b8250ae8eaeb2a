/**
 * Bytes through a stream, there and back. Start it twice: each opens a stream to the other, and shouts into it.
 *
 *   npm run build
 *   node examples/stream-echo.js Ada
 *   node examples/stream-echo.js Bob
 */

import { join } from 'earshot'

const room = await join('example-echo', { name: process.argv[2] ?? 'echo' })

// The other end of a stream that a peer opens: everything goes back in capitals.
room.accept('echo', ({ readable, writable, header }) => {
  console.log(`a stream in ${header.language}`)
  const capitals = new TransformStream({
    transform: (text, controller) => controller.enqueue(text.toUpperCase()),
  })
  return readable
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(capitals)
    .pipeThrough(new TextEncoderStream())
    .pipeTo(writable)
})

const peer = await room.once('peer')
const { readable, writable } = peer.open('echo', { header: { language: 'English' } })
const writer = writable.getWriter()
await writer.write(new TextEncoder().encode(`hello ${peer.name}`))
await writer.close()
for await (const text of readable.pipeThrough(new TextDecoderStream())) console.log(`echo: ${text}`)

// The other program may still need this one.
setTimeout(() => room.close(), 500)
