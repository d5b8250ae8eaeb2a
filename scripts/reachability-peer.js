/**
 * One of two rooms that are to meet across the Internet: prints as JSON lines what becomes of it, with the time of a clock that all
 * processes of the machine share. Asked on stdin, it reports why.
 *
 *   node reachability-peer.js NAME OPTIONS-OF-INTERNET
 */

import { join } from '../dist/index.js'

const [name, internet] = process.argv.slice(2)
const now = () => Number(process.hrtime.bigint() / 1_000n) / 1_000
const tell = value => process.stdout.write(`${JSON.stringify({ ...value, at: now() })}\n`)

const room = await join('lab', { name, secret: 'correct horse', discovery: [], internet: JSON.parse(internet) })
const sighted = new Set()
tell({ joined: room.self.id })
room.on('warning', ({ code, message }) => tell({ warning: `${code}: ${message}` }))
room.on('peer-gone', ({ code, reason }) => tell({ gone: `${code} ${reason}` }))
room.on('message', ({ data, from }) => tell({ heard: data, how: methodTo(from) }))
room.on('found', ({ id }) => sighted.add(id))
room.on('peer', hello)
room.on('path', ({ peer }) => hello(peer))
process.stdin.on('data', () =>
  tell({ rendezvous: room.rendezvous, report: [...sighted].map(id => room.connectivity(id)) }),
)

/** Over the path that has just become the one to send on. */
function hello(peer) {
  const { kind, transport } = peer.path
  void peer.send({ kind, transport }).catch(({ code, message }) => tell({ warning: `${code}: ${message}` }))
}

/** How the path was found that is used now. */
function methodTo({ id, path }) {
  const used = room.connectivity(id)?.paths.filter(({ result }) => result === 'used')
  return used?.findLast(({ kind, transport }) => kind === path.kind && transport === path.transport)?.method
}
