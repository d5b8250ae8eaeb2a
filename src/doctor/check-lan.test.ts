/** The checks of the LAN in virtual time: hosts that are well, and each thing that can be wrong. */

import { expect, test } from 'vitest'
import { MDNS_PORT } from '../discovery/mdns/link-responder.ts'
import { checkLan, type Finding } from '../doctor.ts'
import { EarshotError } from '../errors.ts'
import { join } from '../index.ts'
import { MAX_HEARD_DEVICES } from '../limits.ts'
import { type SimulatedHost, type SimulatedNetwork, simulate } from '../testing/index.ts'
import { checkLanOn } from './check-lan.ts'
import { aboutFirewalls } from './check-listener.ts'
import { checkPackages } from './check-packages.ts'
import { addUpTo } from './heard.ts'
import { UNKNOWN_SYSTEM } from './local-system.ts'

async function check(net: SimulatedNetwork, { network }: SimulatedHost): Promise<readonly Finding[]> {
  return net.until(checkLan({ network }))
}

function linesOf(findings: readonly Finding[]): string[] {
  return findings.map(({ check, subject, verdict }) => [verdict, check, ...(subject ? [subject] : [])].join(' '))
}

function problemsOf(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ verdict }) => verdict === 'problem')
}

test('a host that is well has no problem, hears others, and leaves nothing open', async () => {
  const net = simulate({ seed: 1 })
  const ada = net.host('ada')
  const room = await net.until(join('chat', { network: net.host('bob').network }))
  const told: Finding[] = []
  const findings = await net.until(checkLan({ network: ada.network, onFinding: each => told.push(each) }))
  expect(told).toEqual(findings)
  expect(linesOf(findings)).toEqual([
    'ok package udx-native',
    'ok interface eth0',
    'ok interface lo',
    'ok ipv6',
    'ok multicast eth0 IPv4',
    'ok multicast eth0 IPv6',
    'ok beacon eth0 192.168.1.2',
    'ok beacon eth0 IPv6',
    'ok listener',
    'ok firewall',
  ])
  expect(findings.find(({ check }) => check === 'multicast')?.details).toEqual({ heardFrom: ['192.168.1.3'] })
  expect(findings.find(({ check }) => check === 'beacon')?.details).toEqual({ peersAt: ['192.168.1.3'] })
  expect(findings.at(-1)?.message).toContain('packets of others arrive')
  expect(ada.open()).toEqual([])
  await net.until(room.close())
})

test('nothing leaves the link, and on it only the questions that rooms ask', async () => {
  const net = simulate({ seed: 1 })
  net.nat('gw')
  const ada = net.host('ada', { lans: ['gw'] })
  const sent = new Set<string>()
  net.trace(({ host, to, protocol, interface: through }) => {
    if (host === 'ada' && through !== 'lo') sent.add(`${protocol} ${to}`)
  })
  await check(net, ada)
  const beacon = (address: string) => `udp ${address}:24327`
  expect([...sent].sort()).toEqual(
    [
      'udp 224.0.0.251:5353',
      'udp [ff02::fb]:5353',
      ...['239.255.252.95', '[ff12::ea75:5f07]', '192.168.1.255', '255.255.255.255'].map(beacon),
    ].sort(),
  )
})

test('a program that has port 5353 to itself is a problem, and it is said which, where the system tells', async () => {
  const net = simulate({ seed: 1 })
  const ada = net.host('ada')
  const other = { address: '0.0.0.0', port: MDNS_PORT, sharePort: false }
  await ada.launch().network.openUdp(other, { onDatagram() {}, onError() {} })
  const system = { udpPortUsers: () => ['responder (pid 7)'], firewalls: () => ['ufw'], packages: [] }
  const parts = { platform: ada.network, system, interfaces: {}, signal: undefined, onFinding() {} }
  const findings = await net.until(checkLanOn(parts))
  const [taken] = problemsOf(findings)
  expect(linesOf(problemsOf(findings))).toEqual(['problem multicast eth0 IPv4'])
  expect(taken?.message).toBe('port 5353 belongs to a program that does not share it: responder (pid 7)')
  expect(taken?.hint).toMatch(/End that program/)
  expect(findings.at(-1)).toMatchObject({ verdict: 'note', details: { firewalls: ['ufw'] } })
})

test('where the system tells nothing of firewalls, that is said, unless others are heard', () => {
  const silent = { ...UNKNOWN_SYSTEM, firewalls: () => undefined }
  expect(aboutFirewalls(silent, 0)).toMatchObject({
    verdict: 'note',
    hint: expect.stringContaining('allow connections'),
  })
  expect(aboutFirewalls(silent, 2)).toMatchObject({ verdict: 'ok', message: expect.stringContaining('2 heard') })
})

test('a host without a network is in no network', async () => {
  const net = simulate({ seed: 1 })
  const alone = net.host('alone', { lans: [] })
  const problems = problemsOf(await check(net, alone))
  expect(problems.map(({ message }) => message)).toEqual([
    'no interface leads to other devices: only programs on this machine can be found',
  ])
  const chosen = await net.until(checkLan({ network: alone.network, interfaces: { include: ['lo'] } }))
  expect(problemsOf(chosen)).toEqual([])
  const none = await net.until(checkLan({ network: alone.network, interfaces: { include: ['eth9'] } }))
  expect(problemsOf(none).map(({ hint }) => hint)).toEqual([
    'Name one that is up with --interface; `earshot interfaces` lists them.',
  ])
})

test('a package that is missing, or broken, is a note that says what for, and how to add it', async () => {
  const net = simulate({ seed: 1 })
  const { clock, random, network, files, hostName } = net.host('ada').network
  const missing = Object.assign(new Error("Cannot find package 'udx-native' imported from …"), {
    code: 'ERR_MODULE_NOT_FOUND',
  })
  const reason = new EarshotError('no-network', 'reliable UDP is missing', { cause: missing })
  const broken = new EarshotError('not-installed', 'mqtt', { cause: new Error('wrong ELF class\n  at …') })
  // A package of the package is missing.
  const incomplete = new EarshotError('not-installed', 'aedes', { cause: missing })
  const platform = {
    ...{ clock, random, network, files, hostName },
    reliableUdp: async () => ({ kind: 'missing', reason }) as const,
  }
  const packages = [
    { name: 'mqtt', without: 'nothing is found', load: () => Promise.reject(broken) },
    { name: 'aedes', without: 'no broker starts', load: () => Promise.reject(incomplete) },
    { name: 'ws', without: 'it is silent', load: async () => {} },
  ]
  const findings = await checkPackages(platform, { ...UNKNOWN_SYSTEM, packages })
  expect(findings).toMatchObject([
    {
      verdict: 'note',
      message: 'is not installed. Without it paths between NATs are TCP or relays.',
      hint: 'npm install udx-native',
      details: { isMissing: true },
    },
    { verdict: 'note', message: 'does not load: wrong ELF class. Without it nothing is found.' },
    { verdict: 'note', message: expect.stringMatching(/^does not load: Cannot find package/) },
    { verdict: 'ok', message: 'loads', hint: undefined },
  ])
  expect(findings[1]?.hint).toMatch(/^Install it again, .*npm install mqtt\./)
})

test('who forges addresses is not counted without end', () => {
  const heard = new Set<string>()
  for (let i = 0; i < 2 * MAX_HEARD_DEVICES; i++) addUpTo(heard, `10.0.${i >> 8}.${i & 255}`)
  expect(heard.size).toBe(MAX_HEARD_DEVICES)
})

test('it ends when it is aborted, and leaves nothing open', async () => {
  const net = simulate({ seed: 1 })
  const ada = net.host('ada')
  const controller = new AbortController()
  const checking = checkLan({ network: ada.network, signal: controller.signal })
  const outcome = checking.catch(reason => reason)
  await net.advance(300)
  controller.abort('enough')
  expect(await net.until(outcome)).toBe('enough')
  await net.advance(2_000)
  expect(ada.open()).toEqual([])
})
