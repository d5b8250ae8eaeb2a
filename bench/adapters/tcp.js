/** Raw `node:net`: no encryption, no identity. What the system itself can do. */

import { connect, createServer } from 'node:net'
import { FramedStream } from './framed-stream.js'
import { openEndpoint } from './stream-endpoint.js'

export const tcp = {
  async prepare() {
    return undefined
  },

  open(handlers) {
    return openEndpoint(
      createServer(socket => void new FramedStream(socket, handlers)),
      port => {
        const socket = connect(port, '127.0.0.1')
        return { socket, connectedEvent: 'connect', stream: new FramedStream(socket, handlers) }
      },
    )
  },
}
