/** The checks of the Internet in virtual time: behind every kind of NAT, with servers that are well, and others. */

import { describe, expect, test } from 'vitest'
import { IceStage, STUN, TURN } from '../../test/nat/ice-stage.ts'
import { StunServer } from '../../test/nat/stun-server.ts'
import { CREDENTIAL } from '../../test/nat/turn-server.ts'
import { type CheckInternetOptions, checkInternet, type Finding, type InternetReport } from '../doctor.ts'
import type { NatKind } from '../testing/index.ts'
import { MemoryBroker } from '../testing/memory-broker.ts'

const [username, credential] = [CREDENTIAL.username, CREDENTIAL.password]
const RELAY = { server: `turn:${TURN}`, username, credential }
const KINDS: readonly NatKind[] = [
  'none',
  'full-cone',
  'restricted',
  'port-restricted',
  'symmetric',
  'symmetric-seq',
  'udp-blocked',
]
const LETTERS = { certain: 'C', likely: 'L', luck: 'l', unknown: '?', 'relay-only': '-' }

interface Checked extends InternetReport {
  find(check: Finding['check'], subject?: string): Finding | undefined
}

async function check(stage: IceStage, kind: NatKind | 'public', options: CheckInternetOptions = {}): Promise<Checked> {
  const ada = stage.behind('ada', kind)
  const all = { stun: [`stun:${STUN[0]}`], network: ada.network, lifetimeMs: 0, ...options }
  const report = await stage.net.until(checkInternet(all))
  await stage.net.advance(60_000)
  expect(ada.open()).toEqual([])
  const find = (name: Finding['check'], subject?: string) =>
    report.findings.find(each => each.check === name && (subject === undefined || each.subject === subject))
  return { ...report, find }
}

describe('how likely a direct path is, measured behind each kind', () => {
  const rows: Readonly<Record<string, string>> = {
    none: 'C C C C C C C',
    'full-cone': 'C C C C C C C',
    restricted: 'C C C C C C L',
    'port-restricted': 'C C C C L L L',
    symmetric: 'C C C L - - L',
    'symmetric-seq': 'C C C L - l L',
    'udp-blocked': 'C C L L L L L',
  }
  test.each(KINDS)('%s', async kind => {
    await using stage = new IceStage()
    await stage.serveStun()
    const { outlook, find, findings } = await check(stage, kind)
    expect(outlook?.rows.map(({ chance }) => LETTERS[chance]).join(' ')).toBe(rows[kind])
    const name = kind === 'udp-blocked' ? 'firewall-udp-blocked' : kind
    expect(find('nat')?.subject).toBe(name)
    const problems = findings.filter(({ verdict }) => verdict === 'problem').map(each => each.check)
    expect(problems).toEqual(kind === 'udp-blocked' ? ['udp'] : [])
    expect(outlook?.advice.length).toBe(kind === 'none' || kind === 'full-cone' ? 0 : 1)
  })
})

test('the advice is about what is here', async () => {
  await using stage = new IceStage()
  await stage.serveStun()
  const { outlook, find } = await check(stage, 'symmetric')
  expect(outlook?.advice).toEqual([expect.stringMatching(/^The NAT of this side .* map a port on its router/)])
  expect(find('nat')).toMatchObject({ verdict: 'note', hint: expect.stringContaining('Map a port on the router') })
})

test('a relay and a broker that are well are shown with their latency', async () => {
  await using stage = new IceStage()
  await stage.serveStun()
  await stage.serveTurn()
  const { clock, random } = stage.net.host('broker', { lans: [] }).network
  const broker = new MemoryBroker({ clock, random, delayMs: 20 })
  const { find } = await check(stage, 'symmetric', {
    turn: [RELAY],
    rendezvous: [broker.rendezvous({ clock, random })],
  })
  const tcp = find('relay', `turn:${TURN}:3478?transport=tcp`)
  expect(tcp).toMatchObject({ verdict: 'ok', details: { relays: 'tcp' } })
  const udp = find('relay', `turn:${TURN}`)
  expect(udp).toMatchObject({ verdict: 'ok', details: { relays: 'udp' } })
  // 15 ms each way to the server; the relayed TCP goes there and back twice.
  expect(udp?.details['roundTripMs']).toBeGreaterThan(29)
  expect(udp?.details['roundTripMs']).toBeLessThan(35)
  expect(tcp?.details['roundTripMs']).toBeGreaterThan(59)
  expect(tcp?.details['roundTripMs']).toBeLessThan(140)
  expect(find('rendezvous')).toMatchObject({ verdict: 'ok', subject: 'memory:broker', message: /^up in \d+ ms/ })
  expect(broker.connectionCount).toBe(0)
})

test('a relay with another password is a problem that says what to check', async () => {
  await using stage = new IceStage()
  await stage.serveStun()
  await stage.serveTurn()
  const { find } = await check(stage, 'none', { turn: [{ ...RELAY, credential: 'wrong' }] })
  expect(find('relay')).toMatchObject({
    verdict: 'problem',
    hint: 'Check user and password (turn:USER:PASSWORD@HOST, or EARSHOT_TURN_USER and EARSHOT_TURN_PASSWORD).',
    details: { code: 'refused', relays: 'tcp' },
  })
})

test('servers that are dead are problems, each with its hint, within the time', async () => {
  await using stage = new IceStage()
  await stage.serveStun()
  const { clock, random } = stage.net.host('broker', { lans: [] }).network
  const dead = new MemoryBroker({ clock, random, isSilent: true, url: 'memory:dead' })
  const startedAt = stage.net.now
  const { findings, find } = await check(stage, 'port-restricted', {
    stun: [`stun:${STUN[0]}`, 'stun:198.51.100.99'],
    turn: [{ ...RELAY, server: 'turn:198.51.100.99' }],
    rendezvous: [dead.rendezvous({ clock, random })],
    timeoutMs: 1_000,
  })
  expect(stage.net.now - startedAt - 60_000).toBeLessThan(12_000)
  expect(find('relay')).toMatchObject({ verdict: 'problem', hint: expect.any(String) })
  expect(find('rendezvous')).toMatchObject({ verdict: 'problem', message: 'did not let us in within 1000 ms' })
  for (const each of findings.filter(({ verdict }) => verdict === 'problem')) expect(each.hint).toMatch(/\.$/)
})

test('without any server the router and IPv6 are looked at', async () => {
  await using stage = new IceStage()
  const { findings, behaviour, outlook } = await check(stage, 'port-restricted', { stun: [] })
  expect([behaviour, outlook]).toEqual([undefined, undefined])
  expect(findings.map(({ verdict, check: name }) => `${verdict} ${name}`).sort()).toEqual([
    'note ipv6',
    'note port-mapping',
    'note stun',
  ])
})

test('a server that does not answer leaves the NAT unknown', async () => {
  await using stage = new IceStage()
  const { outlook, find } = await check(stage, 'port-restricted', { timeoutMs: 500 })
  expect(find('stun')).toMatchObject({ verdict: 'problem' })
  expect(new Set(outlook?.rows.map(({ chance }) => chance))).toEqual(new Set(['unknown']))
})

test('a mapping that does not live as long as the pause between signs of life is a note', async () => {
  await using stage = new IceStage()
  await stage.serveStun()
  stage.net.nat('short-gw', { kind: 'port-restricted', udpMappingLifetimeMs: 8_000 })
  const { network } = stage.net.host('short', { lans: ['short-gw'] })
  const options = { stun: [`stun:${STUN[0]}`], network }
  const { findings } = await stage.net.until(checkInternet(options))
  const lifetime = findings.find(({ check: name }) => name === 'lifetime')
  expect(lifetime).toMatchObject({ verdict: 'note', details: { triedMs: 20_000 } })
  expect(lifetime?.message).toMatch(/^a UDP mapping is gone after \d/)
  const stable = await check(stage, 'symmetric', { lifetimeMs: 20_000 })
  expect(stable.find('lifetime')).toMatchObject({
    verdict: 'ok',
    message: 'a UDP mapping lives 20 s of silence or more',
  })
})

test('IPv6 with a public address is found', async () => {
  await using stage = new IceStage()
  const addresses = [STUN[0], '2001:db8:99::1']
  const lans = [{ lan: 'internet', addresses: [`${addresses[0]}/24`, `${addresses[1]}/64`] }]
  const host = stage.net.host('stun', { lans }).network
  for (const address of addresses) await StunServer.start(host, { addresses: [address] })
  stage.net.nat('six', { kind: 'symmetric', ipv6: 'firewall' })
  const { network } = stage.net.host('ada', { lans: ['six'] })
  const all = { stun: [`stun:${STUN[0]}`, 'stun:[2001:db8:99::1]'], network, lifetimeMs: 0 }
  const { findings } = await stage.net.until(checkInternet(all))
  const [ipv6] = findings.filter(({ check: name }) => name === 'ipv6')
  expect(ipv6).toMatchObject({ verdict: 'ok', message: expect.stringContaining('public address') })
  const servers = findings.filter(({ check: name }) => name === 'stun')
  expect(servers.map(({ subject, verdict }) => `${verdict} ${subject}`)).toEqual([
    `ok stun:${STUN[0]}:3478`,
    'ok stun:[2001:db8:99::1]:3478',
  ])
})

test('wrong arguments are refused, and it ends when it is aborted', async () => {
  await using stage = new IceStage()
  const ada = stage.behind('ada', 'symmetric')
  const { network } = ada
  const bad: readonly CheckInternetOptions[] = [
    { stun: ['turn:a.example'] },
    { turn: [{ server: 'stun:a', username: 'a', credential: 'b' }] },
    { rendezvous: ['http://a.example'] },
    { timeoutMs: 1 },
    { lifetimeMs: 5 },
  ]
  for (const options of bad) await expect(checkInternet({ ...options, network })).rejects.toThrow(/Error|is|must/)
  const controller = new AbortController()
  const all = { stun: [`stun:${STUN[0]}`], turn: [RELAY], network, signal: controller.signal }
  const outcome = checkInternet(all).catch(reason => reason)
  await stage.net.advance(200)
  controller.abort('enough')
  expect(await stage.net.until(outcome)).toBe('enough')
  await stage.net.advance(60_000)
  expect(ada.open()).toEqual([])
})
