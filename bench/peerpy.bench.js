/**
 * Round trips over peerpy's protocol, on 127.0.0.1, each side a process of its own: between two of ours, and, where
 * PEERPY_CHECKOUT names a checkout of github.com/Rubilmax/peerpy, between two of the real program and from ours to it. Run
 * after `npm run build`:
 *
 *     node bench/peerpy.bench.js
 */

import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PeerpyPeer } from '../dist/compat/peerpy.js'
import { median } from './statistics.js'

const ROUNDS = 5
const WARM_UP = 2_000
const COUNT = 3_000
/** The real program takes 88 ms for each. */
const COUNT_REAL = 60
const CHECKOUT = process.env.PEERPY_CHECKOUT

const VALUES = {
  json: { text: 'Hello world!', n: 1 },
  bytes: new Uint8Array(32).fill(7),
  raw: ['Hello world!', 1, null],
}

/** Echoes what it gets, and prints its address; with an address, measures round trips to there and prints them. */
const REAL = `
import sys, time, json, threading
sys.path.insert(0, sys.argv[1])
from peerpy import Peer
answered = threading.Event()
def echo(conn, data): conn.send(data)
def offer(peer, conn):
    conn.set_handler('data', echo)
    return True
peer = Peer('127.0.0.1:0', invisible=True, handlers=dict(offer=offer, listen=lambda p: print(p.address_name, flush=True)))
peer.start()
if len(sys.argv) > 2:
    conn = peer.connect(sys.argv[2], handlers=dict(data=lambda conn, data: answered.set()))
    times = []
    for i in range(int(sys.argv[3])):
        answered.clear()
        start = time.perf_counter()
        conn.send({'text': 'Hello world!', 'n': 1})
        answered.wait()
        times.append((time.perf_counter() - start) * 1000)
    print(json.dumps(times), flush=True)
`

if (process.argv[2] === 'serve') await serve()
else await main()

async function main() {
  const samples = Object.fromEntries(Object.keys(VALUES).map(dataType => [dataType, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [dataType, value] of Object.entries(VALUES)) {
      const server = fork(fileURLToPath(import.meta.url), ['serve'])
      const [address] = await once(server, 'message')
      samples[dataType].push(await roundTrips(address, dataType, value, WARM_UP, COUNT))
      server.kill()
    }
  }
  console.log(`Node ${process.version}, ${ROUNDS} rounds of ${COUNT}: median of the medians (lowest to highest), p99`)
  for (const [dataType, rounds] of Object.entries(samples)) report(`two of ours, ${dataType}`, rounds)
  if (CHECKOUT === undefined) console.log('left out: the real program (PEERPY_CHECKOUT names no checkout of it)')
  else await withRealProgram()
}

async function withRealProgram() {
  const server = real()
  const address = await server.line()
  report('ours to the real program, json', [await roundTrips(address, 'json', VALUES.json, 3, COUNT_REAL)])
  const dialer = real(address, String(COUNT_REAL))
  await dialer.line()
  report('two of the real program, json', [JSON.parse(await dialer.line())])
  for (const { child } of [server, dialer]) child.kill('SIGKILL')
}

async function roundTrips(address, dataType, value, warmUp, count) {
  const peer = await PeerpyPeer.listen({ host: '127.0.0.1', invisible: true })
  const connection = await peer.connect(address, { dataType })
  const times = []
  let answered
  connection.on('data', () => answered())
  for (let i = 0; i < warmUp + count; i++) {
    const startedAt = performance.now()
    const answer = new Promise(resolve => {
      answered = resolve
    })
    connection.send(value)
    await answer
    if (i >= warmUp) times.push(performance.now() - startedAt)
  }
  await peer.close()
  return times
}

async function serve() {
  const peer = await PeerpyPeer.listen({ host: '127.0.0.1', invisible: true })
  peer.on('data', ({ data, from }) => from.send(data))
  process.send(peer.address)
}

function real(...args) {
  const child = spawn('python3', ['-c', REAL, CHECKOUT, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return { child, line: async () => (await lines.next()).value }
}

function report(label, rounds) {
  const medians = rounds.map(median)
  const ms = value => value.toFixed(value < 1 ? 3 : 1)
  const p99 = median(rounds.map(times => times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]))
  const spread = `${ms(Math.min(...medians))}–${ms(Math.max(...medians))}`
  console.log(`${label}: ${ms(median(medians))} ms (${spread}), p99 ${ms(p99)} ms`)
}
