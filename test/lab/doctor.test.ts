/** `earshot doctor` behind real NATs, with coturn, mosquitto and miniupnpd, beside avahi, and behind firewalls. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Lab } from './lab.ts'

const SERVER = '203.0.113.10'
const MAIN = new URL('../../dist/cli/main.js', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'earshot-doctor-'))

afterAll(() => rmSync(folder, { recursive: true }))

interface Event {
  readonly event: string
  readonly check?: string
  readonly subject?: string
  readonly verdict?: string
  readonly message?: string
  readonly hint?: string
  readonly details?: Readonly<Record<string, unknown>>
  readonly remote?: string
  readonly chance?: string
}

interface Diagnosis {
  readonly exitCode: number | null
  readonly events: readonly Event[]
  /** `verdict check`, each once. */
  readonly verdicts: readonly string[]
  of(check: string, subject?: string): Event | undefined
}

function diagnose(lab: Lab, host: string, ...args: readonly string[]): Diagnosis {
  const [file, ...prefix] = lab.prefix(host)
  const env = { ...process.env, XDG_CONFIG_HOME: folder, EARSHOT_TURN_PASSWORD: 'lab' }
  const { status, stdout } = spawnSync(file!, [...prefix, process.execPath, MAIN, 'doctor', '--json', ...args], {
    encoding: 'utf8',
    env,
  })
  const events = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Event)
  return {
    exitCode: status,
    events,
    verdicts: [
      ...new Set(events.filter(({ event }) => event === 'finding').map(each => `${each.verdict} ${each.check}`)),
    ],
    of: (check, subject) =>
      events.find(each => each.check === check && (subject === undefined || each.subject === subject)),
  }
}

const SERVERS = [
  '--internet',
  ...['--stun', SERVER],
  ...['--turn', `turn:lab@${SERVER}`],
  ...['--rendezvous', `mqtt://${SERVER}`, '--rendezvous', `ws://${SERVER}:9001`],
]

describe('across the Internet', () => {
  let lab: Lab

  beforeAll(() => {
    lab = new Lab(
      `site port port-restricted latency=15 udp-timeout=2; site seq symmetric-seq; site blocked firewall-udp-blocked
       site up symmetric upnp; site six port-restricted ipv6; host public`,
    )
    lab.natlab('service', 'coturn')
    lab.natlab('service', 'mosquitto')
  })
  afterAll(() => lab.close())

  // The wire that takes 15 ms is a tunnel to the system, which rooms leave out.
  test('behind a port-restricted NAT all is found, with latencies, and how long a mapping lives', () => {
    const { exitCode, of, events } = diagnose(lab, 'port1', '--interface', 'lo', ...SERVERS, '--lifetime', '6s')
    expect(events.filter(({ verdict }) => verdict === 'problem')).toEqual([])
    expect(exitCode).toBe(0)
    expect(of('nat')).toMatchObject({ subject: 'port-restricted', verdict: 'ok', details: { hairpinning: 'no' } })
    expect(of('udp')?.message).toContain(`outside it is ${lab.external('port')}:`)
    expect(of('tcp')?.verdict).toBe('ok')
    expect(of('lifetime')).toMatchObject({ verdict: 'note', details: { method: 'response-port' } })
    expect(of('port-mapping')).toMatchObject({ verdict: 'note', hint: expect.stringContaining('UPnP-IGD') })
    for (const [subject, relays] of [
      [`turn:${SERVER}:3478?transport=tcp`, 'tcp'],
      [`turn:${SERVER}`, 'udp'],
    ]) {
      const { verdict, details } = of('relay', subject)!
      expect({ verdict, relays: details?.['relays'] }).toEqual({ verdict: 'ok', relays })
      expect(details?.['roundTripMs']).toBeGreaterThan(29)
      expect(details?.['roundTripMs']).toBeLessThan(1_000)
    }
    for (const subject of [`mqtt://${SERVER}:1883`, `ws://${SERVER}:9001/`]) {
      const { verdict, details } = of('rendezvous', subject)!
      expect(verdict).toBe('ok')
      expect(details?.['roundTripMs']).toBeGreaterThan(29)
    }
    const chances = events.flatMap(({ remote, chance }) => (remote ? [`${remote} ${chance}`] : []))
    expect(chances).toContain('port-restricted certain')
    expect(chances).toContain('symmetric likely')
  })

  test('behind a symmetric NAT it says what is impossible, and what would help', () => {
    const { exitCode, of, events } = diagnose(lab, 'seq1', '--internet', '--stun', SERVER, '--no-lifetime')
    expect(exitCode).toBe(0)
    expect(of('nat')).toMatchObject({
      subject: 'symmetric-seq',
      verdict: 'note',
      hint: expect.stringContaining('Map a port'),
    })
    expect(events.find(({ remote }) => remote === 'symmetric')?.chance).toBe('relay-only')
    expect(events.find(({ event }) => event === 'advice')).toMatchObject({ advice: [expect.stringContaining('IPv6')] })
  })

  test('where UDP is blocked that is the problem, and relays work over TCP', () => {
    const { exitCode, of, verdicts } = diagnose(lab, 'blocked1', ...SERVERS, '--no-lifetime', '--timeout', '1s')
    expect(exitCode).toBe(1)
    expect(verdicts.filter(each => each.startsWith('problem'))).toEqual(['problem udp'])
    expect(of('relay', `turn:${SERVER}:3478?transport=tcp`)?.verdict).toBe('ok')
    expect(of('relay', `turn:${SERVER}`)?.verdict).toBe('note')
  })

  test('a router that maps ports makes every path certain, and keeps none of ours', () => {
    const { of, events } = diagnose(lab, 'up1', '--internet', '--stun', SERVER, '--no-lifetime')
    expect(of('port-mapping')).toMatchObject({ verdict: 'ok', details: { isBehindAnotherNat: false } })
    expect(new Set(events.flatMap(({ chance }) => chance ?? []))).toEqual(new Set(['certain']))
    const { port } = of('port-mapping')!.details!['external'] as { readonly port: number }
    expect(lab.run('up-gw', 'nft', 'list', 'ruleset')).not.toMatch(new RegExp(`\\b${port}\\b`))
  })

  test('IPv6 with a public address is seen', () => {
    const args = ['--internet', '--stun', SERVER, '--stun', 'stun:[2001:db8:0:1::10]', '--no-lifetime']
    const ipv6 = diagnose(lab, 'six1', ...args).events.filter(({ check }) => check === 'ipv6')
    expect(ipv6.at(-1)).toMatchObject({ verdict: 'ok', message: expect.stringContaining('public address') })
  })

  test('a wrong password is said to be one', () => {
    const args = ['--internet', '--turn', `turn:lab:wrong@${SERVER}`]
    const { exitCode, of } = diagnose(lab, 'public', ...args)
    expect(exitCode).toBe(1)
    expect(of('relay')).toMatchObject({ verdict: 'problem', hint: expect.stringContaining('Check user and password') })
  })
})

describe('in the LAN', () => {
  let lab: Lab

  beforeAll(() => {
    lab = new Lab('site home none hosts=ada,bob,cem,dan')
    lab.natlab('service', 'avahi', 'bob')
  })
  afterAll(() => lab.close())

  test('beside avahi, which shares its port, there is no problem', () => {
    const { exitCode, of } = diagnose(lab, 'bob')
    expect(exitCode).toBe(0)
    expect(of('multicast', 'eth0 IPv4')?.verdict).toBe('ok')
    expect(of('beacon')?.verdict).toBe('ok')
  })

  test('a firewall that drops multicast is the problem, on this interface', () => {
    const rule =
      'add table inet f; add chain inet f in { type filter hook input priority 0; }; add rule inet f in udp dport 5353 drop'
    lab.run('cem', 'nft', rule)
    const { exitCode, of, verdicts } = diagnose(lab, 'cem')
    expect(exitCode).toBe(1)
    expect(verdicts.filter(each => each.startsWith('problem'))).toEqual(['problem multicast'])
    expect(of('multicast')).toMatchObject({ hint: expect.stringContaining('port 5353 in the firewall') })
    lab.run('cem', 'nft', 'flush table inet f; add rule inet f in udp dport { 5353, 24327 } drop')
    expect(diagnose(lab, 'cem').verdicts.filter(each => each.startsWith('problem'))).toEqual([
      'problem multicast',
      'problem beacon',
    ])
  })

  test('a firewall that refuses what is sent is told in the words of the system', () => {
    const rule =
      'add table inet f; add chain inet f out { type filter hook output priority 0; }; add rule inet f out udp dport 5353 drop'
    lab.run('ada', 'nft', rule)
    const { of } = diagnose(lab, 'ada')
    expect(of('multicast', 'eth0 IPv4')).toMatchObject({ verdict: 'problem', details: { code: 'permission-denied' } })
  })

  test('programs that have the ports to themselves are named', async () => {
    const program = lab.start(
      'dan',
      `import { createSocket } from 'node:dgram'
       for (const port of [5353, 24327]) {
         const socket = createSocket({ type: 'udp4', reuseAddr: false })
         await new Promise(resolve => socket.bind({ port, exclusive: true }, resolve))
       }
       console.log(JSON.stringify({ pid: process.pid }))`,
    )
    const { pid } = await program.until<{ pid: number }>(() => true)
    const { exitCode, events } = diagnose(lab, 'dan')
    expect(exitCode).toBe(1)
    const problems = events.filter(({ verdict }) => verdict === 'problem')
    expect(problems.map(({ check }) => check)).toEqual(['multicast', 'beacon'])
    for (const { message } of problems) expect(message).toContain(`(pid ${pid})`)
  })
})
