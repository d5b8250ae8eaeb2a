/** One of the three programs of the demo: does what demo.js tells it, and reports what happens to it. */

import { writeFileSync } from 'node:fs'
import { basename, join as joinPath } from 'node:path'
import { join } from 'earshot'

const { name, room: service, loopback, folder, born } = JSON.parse(process.argv[2])

const room = await join(service, {
  name,
  info: { born },
  discovery: ['mdns'],
  interfaces: { include: [loopback] },
  listen: { host: '127.0.0.1' },
})

report('joined', {}, `is in the room, waiting at ${room.addresses.join(', ')}`)

room.answer('add', (numbers, { from }) => answered('add', from, sum(numbers)))
room.answer('born', (_, { from }) => answered('born', from, born))

room.inbox(joinPath(folder, name)).on('transfer', async transfer => {
  const { path, sha256 } = await transfer
  report(
    'received',
    { sha256 },
    `has ${basename(path)} from ${transfer.from.name}, complete: SHA-256 ${sha256.slice(0, 8)}…`,
  )
})

room.on('peer', peer =>
  report(
    'met',
    { peer: peer.name },
    `has found ${peer.name} by mDNS, key ${peer.id.slice(0, 8)}…, on ${peer.path.interface}`,
  ),
)
const goneListener = room.on('peer-gone', ({ peer, code }) =>
  report('gone', { peer: peer.name }, `sees that ${peer.name} has left (${code})`),
)
room.on('message', ({ data, from }) => report('heard', { peer: from.name, text: data }, `hears ${from.name}: ${data}`))
room.on('warning', warning => report('warning', {}, `warns: ${warning.message}`))

// Without the demo there is nothing to do here.
process.on('disconnect', () => process.exit())
process.on('message', async command => {
  if (command.say) await say(command.say)
  else if (command.ask) await ask(command)
  else if (command.send) await send(command)
  else if (command.leave) await leave()
})

async function say(text) {
  report('said', { text }, `says: ${text}`)
  await room.send(text)
}

async function ask({ ask: whom, question, content }) {
  report(
    'asked',
    { question },
    `asks ${whom}: ${question} ${content === null ? '' : JSON.stringify(content)}`.trimEnd(),
  )
  const to = whom === 'everybody' ? room.peers : room.peer(whom)
  for await (const { peer, ok, value, error } of room.askAll(question, content, { to }))
    report('got', { peer: peer.name, value }, `gets from ${peer.name}: ${ok ? value : error.message}`)
}

async function send({ send: fileName, to, megabytes }) {
  const file = joinPath(folder, fileName)
  writeFileSync(file, Buffer.alloc(megabytes * 1_000_000, name))
  const startedAt = performance.now()
  const { sha256 } = await room.peer(to).sendFile(file)
  const ms = Math.round(performance.now() - startedAt)
  report('sent', { sha256 }, `has sent ${fileName} to ${to}: ${megabytes} MB in ${ms} ms`)
}

async function leave() {
  // When we leave, it is not the others who go.
  goneListener()
  await room.close()
  report('left', {}, 'has left')
  process.disconnect()
}

function answered(question, asker, value) {
  report('answered', { question, asker: asker.name }, `answers ${asker.name}: ${value}`)
  return value
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0)
}

function report(type, event, line) {
  process.send({ type, line, ...event })
}
