/**
 * What the network port costs: the same work on a bare `net.Socket` and through `NodeNetwork`, client and echo server
 * in two processes, in turns. Run after `npm run build`:
 *
 *     node bench/port.bench.js
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { NodeNetwork } from '../dist/platform/node/node-network.js'
import { median } from './statistics.js'

const ROUNDS = 9
const BULK_BYTES = 300_000_000
const SIDES = {
  'net.Socket': { listen: listenBare, dial: dialBare },
  port: { listen: listenOnPort, dial: dialThroughPort },
}

if (process.argv[2] === 'serve') await serve(SIDES[process.argv[3]])
else await compare()

async function compare() {
  const figures = { rtt: {}, cpu: {}, bulk: {} }
  for (let round = 0; round < ROUNDS; round++) {
    const names = Object.keys(SIDES)
    if (round % 2) names.reverse()
    for (const name of names) {
      const server = fork(fileURLToPath(import.meta.url), ['serve', name])
      const [port] = await once(server, 'message')
      const { usPerRoundTrip, cpuUs } = await roundTrips(SIDES[name], port)
      push(figures.rtt, name, usPerRoundTrip)
      push(figures.cpu, name, cpuUs)
      push(figures.bulk, name, await bulk(SIDES[name], port))
      server.kill()
    }
  }
  const line = (label, unit, values) => {
    const [bare, port] = [median(values['net.Socket']), median(values.port)]
    const ratios = values.port.map((value, round) => value / values['net.Socket'][round])
    console.log(
      `${label}: net.Socket ${bare.toFixed(1)} ${unit}, port ${port.toFixed(1)} ${unit}, ratio ${median(ratios).toFixed(3)}`,
    )
  }
  console.log(`Node ${process.version}, medians over ${ROUNDS} rounds`)
  line('round trip of 32 bytes', 'µs', figures.rtt)
  line('CPU of the client a round trip', 'µs', figures.cpu)
  line('64 KiB writes, echoed', 'MB/s', figures.bulk)
}

function push(values, name, value) {
  values[name] ??= []
  values[name].push(value)
}

async function roundTrips({ dial }, port) {
  const bytes = new Uint8Array(32)
  let left = 12_000
  let startedAt
  let cpu
  const connection = await dial(port)
  await new Promise(resolve => {
    connection.start(() => {
      if (--left === 10_000) {
        startedAt = performance.now()
        cpu = process.cpuUsage()
      }
      if (left === 0) resolve()
      else connection.write(bytes)
    })
    connection.write(bytes)
  })
  const usPerRoundTrip = ((performance.now() - startedAt) * 1000) / 10_000
  const { user, system } = process.cpuUsage(cpu)
  connection.destroy()
  return { usPerRoundTrip, cpuUs: (user + system) / 10_000 }
}

/** The server echoes all of it: both directions are under flow control at once. */
async function bulk({ dial }, port) {
  const bytes = new Uint8Array(65_536)
  const connection = await dial(port)
  let received = 0
  let sent = 0
  const startedAt = performance.now()
  await new Promise(resolve => {
    const fill = () => {
      while (sent < BULK_BYTES) {
        sent += bytes.length
        if (!connection.write(bytes)) return
      }
    }
    const onData = chunk => {
      received += chunk.length
      if (received >= BULK_BYTES) resolve()
    }
    connection.start(onData, fill)
    fill()
  })
  connection.destroy()
  return BULK_BYTES / 1000 / (performance.now() - startedAt)
}

async function serve({ listen }) {
  process.send(
    await listen(connection => {
      const onData = bytes => {
        if (!connection.write(bytes)) connection.pause()
      }
      connection.start(onData, () => connection.resume())
    }),
  )
}

async function listenBare(onConnection) {
  const server = createServer({ noDelay: true }, socket => onConnection(bareConnection(socket)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address().port
}

async function dialBare(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return bareConnection(socket)
}

function bareConnection(socket) {
  socket.on('error', () => socket.destroy())
  return {
    start(onData, onDrain) {
      socket.on('data', onData)
      if (onDrain) socket.on('drain', onDrain)
    },
    write: bytes => socket.write(bytes),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    destroy: () => socket.destroy(),
  }
}

async function listenOnPort(onConnection) {
  const options = { host: '127.0.0.1', port: 0 }
  const listener = await new NodeNetwork().listenTcp(options, connection => onConnection(portConnection(connection)))
  return listener.local.port
}

async function dialThroughPort(port) {
  return portConnection(await new NodeNetwork().connectTcp({ address: '127.0.0.1', port }, { timeoutMs: 5_000 }))
}

function portConnection(connection) {
  return {
    start(onData, onDrain = () => {}) {
      connection.start({ onData, onDrain, onEnd: () => connection.destroy(), onClose: () => {} })
    },
    write: bytes => connection.write(bytes),
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    destroy: () => connection.destroy(),
  }
}
