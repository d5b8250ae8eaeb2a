/** `earshot/nat` behind real NATs, with coturn as the server. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { selfSignedCertificate } from '../../bench/certificate.js'
import type { NatBehaviour } from '../../src/nat.ts'
import { Lab, type Program } from './lab.ts'

/** Start there: coturn names the other address even to those who ask at it. */
const SERVER = '203.0.113.10'
const MAIN = new URL('../../dist/cli/main.js', import.meta.url).pathname

const PROLOGUE = `
import { allocate, discoverBehaviour, measureMappingLifetime, requestBinding } from 'DIST/nat.js'
const tell = value => console.log(JSON.stringify(value))
const fail = ({ code, message, reason, hint }) => tell({ failed: code, message, reason, hint })
`

describe('behaviour discovery', () => {
  let lab: Lab

  beforeAll(() => {
    lab = new Lab(
      `site cone full-cone; site res restricted; site port port-restricted hairpin ports=preserve; site sym symmetric
       site seq symmetric-seq delta=2; site blocked firewall-udp-blocked; site six none ipv6; host public
       site short port-restricted udp-timeout=2`,
    )
    lab.natlab('service', 'coturn')
  })
  afterAll(() => lab.close())

  async function discover(host: string, options = `servers: ['stun:${SERVER}']`): Promise<NatBehaviour> {
    const program = lab.start(host, `${PROLOGUE} tell(await discoverBehaviour({ ${options} }))`)
    return program.until<NatBehaviour>(() => true)
  }

  const kinds = [
    ['public', 'none', 'endpoint-independent', 'yes', { kind: 'preserving', offset: 0 }],
    ['cone1', 'endpoint-independent', 'endpoint-independent', 'no', { kind: 'random' }],
    ['res1', 'endpoint-independent', 'address-dependent', 'no', { kind: 'random' }],
    ['port1', 'endpoint-independent', 'address-and-port-dependent', 'yes', { kind: 'preserving', offset: 0 }],
    ['sym1', 'address-and-port-dependent', 'address-and-port-dependent', 'no', { kind: 'random' }],
    ['seq1', 'address-and-port-dependent', 'address-and-port-dependent', 'no', { kind: 'sequential', delta: 2 }],
  ] as const

  test.each(kinds)(
    '%s: mapping %s, filtering %s, hairpinning %s, ports %j',
    async (host, mapping, filtering, hairpinning, portAllocation) => {
      const { udp, tcp, udpBlocked } = await discover(host)
      expect(udp).toMatchObject({ mapping, filtering, hairpinning, portAllocation })
      expect(tcp).toMatchObject({ mapping, portAllocation })
      expect(udpBlocked).toBe('no')
    },
  )

  test('a firewall that drops UDP is told by TCP', async () => {
    const { udp, tcp, udpBlocked } = await discover('blocked1', `servers: ['stun:${SERVER}'], timeoutMs: 1_000`)
    expect(udpBlocked).toBe('yes')
    expect(udp!.mapping).toBe('unknown')
    expect(tcp).toMatchObject({ mapping: 'endpoint-independent', portAllocation: { kind: 'random' } })
  })

  test('dead servers beside a living one cost nothing', async () => {
    const servers = `['stun:203.0.113.99', 'stun:192.0.2.1', 'stun:${SERVER}']`
    const { udp } = await discover('sym1', `servers: ${servers}, timeoutMs: 60_000`)
    expect(udp).toMatchObject({ mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent' })
  })

  test('IPv6 without NAT has no mapping', async () => {
    const { udp, tcp } = await discover('six1', `servers: ['stun:[2001:db8:0:1::10]'], family: 'ipv6'`)
    expect(udp!.mapping).toBe('none')
    expect(tcp!.mapping).toBe('none')
  })

  test('the lifetime of a mapping is found', async () => {
    const program = lab.start(
      'short1',
      `${PROLOGUE} tell(await measureMappingLifetime({ server: 'stun:${SERVER}', minMs: 500, maxMs: 6_000, precision: 1.4 }))`,
    )
    const { atLeastMs, atMostMs, method } = await program.until<{
      atLeastMs: number
      atMostMs: number
      method: string
    }>(() => true)
    expect(method).toBe('response-port')
    expect(atLeastMs).toBeLessThan(2_500)
    expect(atMostMs).toBeGreaterThan(1_500)
    expect(atMostMs / atLeastMs).toBeLessThanOrEqual(1.4)
  })

  test('the command shows it', () => {
    const shown = lab.run('seq1', process.execPath, MAIN, 'nat', '--stun', SERVER)
    expect(shown).toMatch(/^mapping +address-and-port-dependent +address-and-port-dependent$/m)
    expect(shown).toMatch(/^port allocation +sequential \(\+2\) +sequential \(\+2\)$/m)
  })
})

describe('TURN', () => {
  let lab: Lab
  const folder = mkdtempSync(join(tmpdir(), 'earshot-turn-'))
  const certificate = selfSignedCertificate('turn.example')

  beforeAll(async () => {
    lab = new Lab('site a symmetric; site b symmetric; host strict')
    lab.natlab('service', 'coturn')
    writeFileSync(join(folder, 'cert.pem'), certificate.cert)
    writeFileSync(join(folder, 'key.pem'), certificate.key)
    // One more on another port, with TLS, and one allocation a user.
    const options = [
      '--no-cli',
      '--lt-cred-mech',
      '--user=one:one',
      '--realm=strict',
      '--user-quota=1',
      '--log-file=stdout',
    ]
    await lab.daemon(
      'strict',
      /TLS\/TCP listener opened on .*:5349/,
      'turnserver',
      '-n',
      ...options,
      '--verbose',
      `--listening-ip=${lab.address('strict')}`,
      '--simple-log',
      `--cert=${join(folder, 'cert.pem')}`,
      `--pkey=${join(folder, 'key.pem')}`,
      `--userdb=${join(folder, 'db')}`,
      `--pidfile=${join(folder, 'pid')}`,
    )
  })
  afterAll(() => {
    lab.close()
    rmSync(folder, { recursive: true })
  })

  /**
   * Allocates, and tells the addresses; `onHeard` is what it does with a datagram (`heard`, `from`), `more` what it does first.
   * `say` sends a text.
   */
  function relay(host: string, options: string, { more = '', onHeard = '' } = {}): Program {
    return lab.start(
      host,
      `${PROLOGUE}
       const say = (text, to) => allocation.send(new TextEncoder().encode(text), to)
       const allocation = await allocate({
         ${options},
         onDatagram: async (bytes, from) => {
           const heard = new TextDecoder().decode(bytes)
           tell({ heard })
           ${onHeard}
         },
         onWarning: fail,
       }).catch(fail)
       if (allocation) {
         tell({ relayed: allocation.relayedAddress, mapped: allocation.mappedAddress })
         allocation.closed.then(error => error ? fail(error) : tell({ closed: true }))
         ${more}
       }`,
    )
  }

  interface Told {
    readonly relayed?: { readonly address: string; readonly port: number }
    readonly heard?: string
    readonly failed?: string
    readonly reason?: string
    readonly message?: string
    readonly closed?: boolean
  }

  const LAB = "username: 'lab', credential: 'lab'"

  test.each([
    ['UDP', `server: 'turn:${SERVER}', ${LAB}`],
    ['TCP', `server: 'turn:${SERVER}?transport=tcp', ${LAB}`],
  ])('relays between two hosts behind symmetric NATs, over %s', async (_, options) => {
    // The server relays from either of its addresses.
    const permits = `await Promise.all(['203.0.113.10', '198.51.100.10'].map(address => allocation.permit(address)))`
    const bob = relay('b1', options, {
      more: `${permits}; tell({ isReady: true })`,
      onHeard: "say('echo of ' + heard, from)",
    })
    await bob.until<{ isReady?: boolean }>(({ isReady }) => isReady === true)
    const { relayed } = await bob.until<Told>(told => told.relayed !== undefined)
    const ada = relay('a1', options, {
      more: `say('hello 1', ${JSON.stringify(relayed)})`,
      onHeard: `const count = Number(heard.split(' ').at(-1))
                count < 10 ? say('hello ' + (count + 1), from) : await allocation.close()`,
    })
    await ada.until<Told>(({ closed }) => closed === true)
    const hellos = Array.from({ length: 10 }, (_, i) => `hello ${i + 1}`)
    const heardBy = (program: Program) => (program.lines as Told[]).flatMap(({ heard }) => heard ?? [])
    expect(heardBy(bob)).toEqual(hellos)
    expect(heardBy(ada)).toEqual(hellos.map(hello => `echo of ${hello}`))
    bob.stop()
  })

  test('relays TCP: a peer behind a NAT connects with plain TCP, and one is connected to', async () => {
    const echo = lab.start(
      'strict',
      `import { createServer } from 'node:net'
       createServer(socket => socket.on('error', () => {}).pipe(socket)).listen(7000, () => console.log('1'))`,
    )
    await echo.until(() => true)
    const a = lab.start(
      'a1',
      `${PROLOGUE}
       import { allocateTcp } from 'DIST/nat.js'
       const text = bytes => new TextDecoder().decode(bytes)
       const allocation = await allocateTcp({
         server: 'turn:${SERVER}?transport=tcp', ${LAB}, onWarning: fail,
         onConnection: connection => connection.start({
           onData: bytes => { tell({ heard: text(bytes) }); connection.write(bytes) }, onDrain() {}, onEnd() {}, onClose() {},
         }),
       })
       await allocation.permit('${lab.external('b')}')
       tell({ relayed: allocation.relayedAddress })
       const connection = await allocation.connect({ address: '${lab.address('strict')}', port: 7000 })
       let bytes = 0
       connection.start({ onData: chunk => (bytes += chunk.length) === 1_000_000 && tell({ echoed: bytes }), onDrain() {}, onEnd() {}, onClose() {} })
       connection.write(new Uint8Array(1_000_000))
       await allocation.connect({ address: '${lab.address('strict')}', port: 7001 }).catch(fail)`,
    )
    const { relayed } = await a.until<Told>(told => told.relayed !== undefined)
    const b = lab.start(
      'b1',
      `import { connect } from 'node:net'
       const socket = connect(${relayed!.port}, '${relayed!.address}', () => socket.write('plain'))
       socket.on('data', data => console.log(JSON.stringify({ answer: String(data) })))`,
    )
    await a.until<Told>(({ heard }) => heard === 'plain')
    await b.until<{ answer?: string }>(({ answer }) => answer === 'plain')
    await a.until<{ echoed?: number }>(({ echoed }) => echoed === 1_000_000)
    const refused = await a.until<Told>(({ failed }) => failed !== undefined)
    expect(refused).toMatchObject({ failed: 'unreachable', reason: expect.stringMatching(/^447/) })
    for (const program of [a, b, echo]) program.stop()
  })

  test('over TLS, with a certificate that is checked', async () => {
    const address = lab.address('strict')
    lab.run('a1', 'sh', '-c', `echo '${address} turn.example' >> /etc/hosts`)
    const trusted = `trustedCertificates: [${JSON.stringify(certificate.cert)}]`
    const credential = "username: 'one', credential: 'one'"
    const ada = relay('a1', `server: 'turns:turn.example', ${credential}, ${trusted}`, {
      more: 'await allocation.close()',
    })
    const { relayed } = await ada.until<Told>(told => told.relayed !== undefined)
    expect(relayed!.address).toBe(address)
    await ada.until<Told>(({ closed }) => closed === true)
    const wary = relay('a1', `server: 'turns:turn.example', ${credential}`)
    expect(await wary.until<Told>(({ failed }) => failed !== undefined)).toMatchObject({ failed: 'untrusted-peer' })
    const wrongName = relay('a1', `server: 'turns:${address}', ${credential}, ${trusted}`)
    expect(await wrongName.until<Told>(({ failed }) => failed !== undefined)).toMatchObject({
      failed: 'untrusted-peer',
    })
  })

  test('what the server refuses has a code: a wrong password, a quota that is used up', async () => {
    const wrong = relay('a1', `server: 'turn:${SERVER}', username: 'lab', credential: 'wrong'`)
    expect(await wrong.until<Told>(({ failed }) => failed !== undefined)).toMatchObject({
      failed: 'refused',
      reason: expect.stringMatching(/^401/),
    })
    const strict = `server: 'turn:${lab.address('strict')}', username: 'one', credential: 'one'`
    const first = relay('a1', strict)
    await first.until<Told>(({ relayed }) => relayed !== undefined)
    const second = relay('b1', strict)
    expect(await second.until<Told>(({ failed }) => failed !== undefined)).toMatchObject({
      failed: 'limit-reached',
      reason: expect.stringMatching(/^486/),
    })
    first.stop()
  })

  test('a server that is killed is lost: over TCP at once, over UDP by its silence', async () => {
    const tcp = relay('a1', `server: 'turn:${SERVER}?transport=tcp', ${LAB}`)
    const udp = relay('b1', `server: 'turn:${SERVER}', ${LAB}, keepAliveMs: 5_000`)
    await Promise.all([tcp, udp].map(program => program.until<Told>(({ relayed }) => relayed !== undefined)))
    lab.natlab('service', 'coturn', '--stop')
    for (const program of [tcp, udp]) {
      expect(await program.until<Told>(({ failed }) => failed !== undefined)).toMatchObject({
        failed: 'lost',
        message: expect.stringContaining(`${SERVER}:3478`),
      })
    }
  })
})
