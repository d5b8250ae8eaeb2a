/** Two agents in real networks that `npm run test:lab` does not walk: mapped ports, IPv6, carriers, LANs, and a lot of bytes. */

import { afterEach, describe, expect, test } from 'vitest'
import type { ConnectivityReport } from '../../src/nat.ts'
import { Lab, type Program } from './lab.ts'

const SERVER = '203.0.113.10'

const SOURCE = `
import { createInterface } from 'node:readline'
import { createAgent } from 'DIST/nat.js'
const tell = value => console.log(JSON.stringify(value))
let connection, received = 0
const agent = createAgent({
  ...OPTIONS,
  giveUpMs: 8_000,
  send: message => tell({ message: Buffer.from(message).toString('base64') }),
  onWarning: error => tell({ warning: error.message }),
  onPath: path => {
    connection = path.connection
    connection.start({
      onData(bytes) {
        received += bytes.length
        tell({ received })
      },
      onDrain: () => pump(),
      onEnd() {},
      onClose: error => tell({ gone: error?.message ?? 'closed' }),
    })
    const { kind, transport, method, remote } = path
    tell({ path: { kind, transport, method, address: remote.address } })
  },
})
void agent.done.then(() => tell({ report: agent.report }))
const chunk = Buffer.alloc(50_000, 'x')
let left = 0
const pump = () => { while (left > 0) { left -= chunk.length; if (!connection.write(chunk)) return } }
createInterface({ input: process.stdin }).on('line', line => {
  const { message, send, close } = JSON.parse(line)
  if (message) agent.receive(Buffer.from(message, 'base64'))
  if (send) { left = send; pump() }
  if (close) void agent.close().then(() => tell({ closed: true }))
})
`

interface Told {
  readonly message?: string
  readonly path?: { readonly kind: string; readonly transport: string; readonly address: string }
  readonly report?: ConnectivityReport
  readonly received?: number
  readonly closed?: true
}

describe('two agents', () => {
  let lab: Lab | undefined
  afterEach(() => lab?.close())

  function start(host: string, [localId, remoteId]: readonly string[], options: object): Program {
    const settings = JSON.stringify({ localId, remoteId, ...options })
    return lab!.start(host, SOURCE.replace('...OPTIONS', `...${settings}`))
  }

  /** Starts both and waits until they have done. */
  async function connect(a: string, b: string, options: object = {}) {
    const programs = [start(a, ['ada', 'bob'], options), start(b, ['bob', 'ada'], options)] as const
    for (const [from, to] of [programs, [programs[1], programs[0]]] as const) {
      from.follow<Told>(({ message }) => {
        if (message) to.say({ message })
      })
    }
    const reports = await Promise.all(
      programs.map(program => program.until<Told>(({ report }) => report !== undefined)),
    )
    return { programs, reports: reports.map(({ report }) => report!) }
  }

  const pathsOf = (program: Program) => (program.lines as Told[]).flatMap(({ path }) => path ?? [])

  test('behind symmetric NATs, one of which maps a port by UPnP: direct, and the mapping is gone afterwards', async () => {
    lab = new Lab('site a symmetric upnp; site b symmetric')
    lab.natlab('service', 'coturn')
    const stun = [`stun:${SERVER}`]
    const { programs, reports } = await connect('a1', 'b1', { stun, mapPorts: true })
    expect(reports.map(({ outcome }) => outcome)).toEqual(['direct', 'direct'])
    const ruleset = () => lab!.run('a-gw', 'nft', 'list', 'ruleset')
    const [first] = programs
    expect(reports[0]!.candidates.local.some(({ type }) => type === 'mapped')).toBe(true)
    const { port } = reports[0]!.candidates.local.find(({ type }) => type === 'mapped')!
    expect(ruleset()).toContain(String(port))
    first.say({ close: true })
    await first.until<Told>(({ closed }) => closed === true)
    expect(ruleset()).not.toMatch(new RegExp(`\\b${port}\\b`))
  })

  test('in IPv6 networks with firewalls, behind symmetric NATs: direct, without servers', async () => {
    lab = new Lab('site a symmetric ipv6; site b symmetric ipv6')
    const { programs, reports } = await connect('a1', 'b1')
    expect(reports.map(({ outcome }) => outcome)).toEqual(['direct', 'direct'])
    expect(pathsOf(programs[0])[0]!.address).toContain(':')
  })

  test('one of them behind a carrier: as the kinds promise', async () => {
    lab = new Lab('site c port-restricted; site a restricted via=c; site b port-restricted')
    lab.natlab('service', 'coturn')
    const { reports } = await connect('a1', 'b1', { stun: [`stun:${SERVER}`] })
    expect(reports.map(({ outcome }) => outcome)).toEqual(['direct', 'direct'])
  })

  test('in one LAN: TCP, without servers', async () => {
    lab = new Lab('site home symmetric hosts=ada,bob')
    const { programs } = await connect('ada', 'bob')
    expect(pathsOf(programs[0])).toMatchObject([{ kind: 'lan', transport: 'tcp' }])
  })

  test('50 MB over reliable UDP, through two NATs that lose a packet in a hundred', async () => {
    lab = new Lab('site a port-restricted latency=10 loss=1; site b symmetric-seq latency=10')
    lab.natlab('service', 'coturn')
    const { programs } = await connect('a1', 'b1', { stun: [`stun:${SERVER}`] })
    expect(pathsOf(programs[0]).at(-1)).toMatchObject({ kind: 'direct', transport: 'udp' })
    programs[0].say({ send: 50_000_000 })
    await programs[1].until<Told>(({ received }) => received === 50_000_000)
  })
})
