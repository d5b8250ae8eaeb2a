/** earshot as its users have it: the public entry only, two rooms which know each other's address. */

import { Identity, join } from '../../dist/index.js'

const SERVICE = 'bench'
const ECHO = 'echo'
const BULK = 'bulk'

let identity

export const earshot = {
  async prepare() {
    return undefined
  },

  /**
   * Every room has an identity of its own unless `sameIdentity`: rooms of one identity are one peer, with one session.
   * `lookAround`: look for each other on the loopback interface, in every way there is, instead of being told the address.
   */
  async open(handlers, { role, sameIdentity = false, lookAround = false }) {
    if (sameIdentity) identity ??= Identity.generate()
    const room = await join(SERVICE, {
      name: role,
      ...(sameIdentity && { identity }),
      ...(lookAround ? {} : { discovery: [] }),
      interfaces: { include: ['lo', 'lo0'] },
      listen: { host: '127.0.0.1', port: 0 },
      maxPeers: Number.POSITIVE_INFINITY,
    })
    if (handlers.onMessage) room.on('message', ({ data, from }) => handlers.onMessage(from, data))
    if (handlers.onPeer) room.on('peer', handlers.onPeer)
    if (handlers.onQuestion) room.answer(ECHO, handlers.onQuestion)
    if (handlers.inbox) room.inbox(handlers.inbox)
    if (handlers.onBytes) room.accept(BULK, ({ readable }) => readAll(readable, handlers.onBytes))
    return {
      address: room.addresses[0],
      dial: address => room.connect(address),
      send: (peer, bytes, options) => peer.send(bytes, options),
      ask: (peer, bytes) => peer.ask(ECHO, bytes),
      openStream(peer) {
        const writer = peer.open(BULK).writable.getWriter()
        return { write: bytes => writer.write(bytes) }
      },
      sendFile: (peer, path) => peer.sendFile(path),
      hangUp: () => room.close(),
      close: () => room.close(),
      connections: () => room.peers.length,
    }
  },
}

async function readAll(readable, onBytes) {
  const reader = readable.getReader()
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) onBytes(value)
}
