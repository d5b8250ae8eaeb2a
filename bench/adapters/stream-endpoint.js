/** What the adapters for tcp and tls have in common: one listener on the loopback address, and dialling by port. */

import { once } from 'node:events'

/** `server` is not yet listening; `dial(port)` returns `{ socket, connectedEvent, stream }`. */
export async function openEndpoint(server, dial) {
  const sockets = new Set()
  const follow = socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }
  server.on('connection', follow)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: server.address().port,
    async dial(address) {
      const { socket, connectedEvent, stream } = dial(address)
      follow(socket)
      await once(socket, connectedEvent)
      return stream
    },
    send: (stream, bytes) => stream.send(bytes),
    ask: (stream, bytes) => stream.ask(bytes),
    openStream: stream => stream.becomeRaw(),
    hangUp: stream => stream.close(),
    connections: () => sockets.size,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise(resolve => server.close(resolve))
    },
  }
}
