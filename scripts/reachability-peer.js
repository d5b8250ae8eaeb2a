/**
 * One of two programs that try to reach each other: JSON lines over stdin and stdout, which are their signalling channel.
 *
 *   node reachability-peer.js OWN-ID OTHER-ID OPTIONS
 */

import { createInterface } from 'node:readline'
import { createAgent } from '../dist/nat.js'

const [localId, remoteId, options] = process.argv.slice(2)
const tell = value => process.stdout.write(`${JSON.stringify(value)}\n`)
let agent
let startedAt

createInterface({ input: process.stdin }).on('line', line => {
  const { go, message, close } = JSON.parse(line)
  if (go) start()
  else if (close) void agent.close().then(() => tell({ closed: true }))
  else if (message) agent?.receive(Buffer.from(message, 'base64'))
})
tell({ ready: true })

function start() {
  startedAt = performance.now()
  agent = createAgent({
    localId,
    remoteId,
    send: message => tell({ message: Buffer.from(message).toString('base64') }),
    onPath: talk,
    onWarning: error => tell({ warning: error.message }),
    ...JSON.parse(options),
  })
  void agent.done.then(() => tell({ report: agent.report }))
}

/** Both sides say hello; whoever has heard it can talk. */
function talk({ connection, kind, transport, method, afterMs }) {
  const path = { kind, transport, method, afterMs }
  let heard = ''
  connection.start({
    onData(bytes) {
      heard += Buffer.from(bytes).toString()
      if (heard === `hello from ${remoteId}`)
        tell({ talks: { ...path, heardAfterMs: Math.round(performance.now() - startedAt) } })
    },
    onDrain() {},
    onEnd: () => connection.end(),
    onClose: error => tell({ gone: { ...path, message: error?.message } }),
  })
  connection.write(Buffer.from(`hello from ${localId}`))
}
