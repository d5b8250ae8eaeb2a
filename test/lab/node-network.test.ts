import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Lab, Program } from './lab.ts'

const PROLOGUE = `
import { nodePlatform } from 'DIST/platform/node/node-platform.js'
const { network } = nodePlatform()
const tell = value => console.log(JSON.stringify(value))
const text = bytes => new TextDecoder().decode(bytes)
const bytes = text => new TextEncoder().encode(text)
const handlers = {
  onDatagram: () => {},
  onError: error => tell({ error: error.code }),
}
`

/** Opens the socket of mDNS on one interface, and says something there every 100 ms. */
function multicastProgram(name: string, interfaceName: string, wildcard: string, group: string): string {
  return `${PROLOGUE}
    const socket = await network.openUdp(
      { address: '${wildcard}', port: 5353, sharePort: true, multicastInterface: '${interfaceName}', multicastTtl: 255 },
      { ...handlers, onDatagram: (bytes, remote) => tell({ by: '${name}', heard: text(bytes), from: remote.address }) },
    )
    socket.joinGroup('${group}')
    setInterval(() => socket.send(bytes('${name}'), { address: '${group}', port: 5353 }), 100)`
}

interface Heard {
  readonly by: string
  readonly heard: string
  readonly from: string
}

describe('a machine with only loopback', () => {
  test('two programs on it hear each other by multicast', async () => {
    const prefix = ['unshare', '-n', '-p', '-f', '--kill-child', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh']
    // Both in one namespace: the first starts the second.
    const program = new Program(
      prefix,
      `${multicastProgram('first', 'lo', '0.0.0.0', '224.0.0.251')}
       const { spawn } = await import('node:child_process')
       spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(
         multicastProgram('second', 'lo', '0.0.0.0', '224.0.0.251'),
       )}], { stdio: ['ignore', 'inherit', 'inherit'] })`,
    )
    try {
      const first = await program.until<Heard>(({ by, heard }) => by === 'first' && heard === 'second')
      const second = await program.until<Heard>(({ by, heard }) => by === 'second' && heard === 'first')
      expect([first.from, second.from]).toEqual(['127.0.0.1', '127.0.0.1'])
    } finally {
      program.stop()
    }
  })
})

describe('hosts of one LAN', () => {
  let lab: Lab

  beforeAll(() => {
    lab = new Lab('site home port-restricted hosts=ada,bob,eve; site other none hosts=dave')
  })
  afterAll(() => lab.close())

  test.each([
    ['IPv4', '0.0.0.0', '224.0.0.251', /^192\.168\.1\./],
    ['IPv6', '::', 'ff02::fb', /^fe80::.*%eth0$/],
  ])('hear each other by multicast over %s, with the address to answer to', async (_, wildcard, group, address) => {
    const ada = lab.start('ada', multicastProgram('ada', 'eth0', wildcard, group))
    const bob = lab.start('bob', multicastProgram('bob', 'eth0', wildcard, group))

    const heardByAda = await ada.until<Heard>(({ heard }) => heard === 'bob')
    const heardByBob = await bob.until<Heard>(({ heard }) => heard === 'ada')

    expect(heardByAda.from).toMatch(address)
    expect(heardByBob.from).toMatch(address)
    ada.stop()
    bob.stop()
  })

  test('connect by link-local address and zone', async () => {
    const listener = lab.start(
      'bob',
      `${PROLOGUE}
       const listener = await network.listenTcp({ host: '::', port: 4112 }, connection => {
         tell({ remote: connection.remote.address })
         connection.start({ onData: chunk => connection.write(chunk), onDrain() {}, onEnd: () => connection.end(), onClose() {} })
       })
       tell({ addresses: network.interfaces().find(({ name }) => name === 'eth0').addresses })`,
    )
    const { addresses } = await listener.until<{ addresses: { address: string; scope: string }[] }>(
      line => line.addresses !== undefined,
    )
    const linkLocal = addresses.find(({ address, scope }) => scope === 'link-local' && address.includes(':'))!
    const dialler = lab.start(
      'ada',
      `${PROLOGUE}
       const connection = await network.connectTcp({ address: '${linkLocal.address}%eth0', port: 4112 }, { timeoutMs: 5000 })
       connection.start({ onData: chunk => tell({ echo: text(chunk) }), onDrain() {}, onEnd() {}, onClose() {} })
       connection.write(bytes('hello'))
       tell({ remote: connection.remote, local: connection.local.address })`,
    )

    await dialler.until<{ echo?: string }>(({ echo }) => echo === 'hello')
    const far = await dialler.until<{ remote: unknown; local: string }>(line => line.remote !== undefined)
    const near = await listener.until<{ remote?: string }>(({ remote }) => remote !== undefined)

    expect(far.remote).toEqual({ address: `${linkLocal.address}%eth0`, port: 4112 })
    expect(near.remote).toBe(far.local)
    expect(far.local).toMatch(/^fe80::.*%eth0$/)
    listener.stop()
    dialler.stop()
  })

  test('connect says how it failed', async () => {
    const attempts = [
      ['192.168.1.11', 'unreachable'], // bob, who does not listen
      ['192.168.1.99', 'unreachable'], // nobody: ARP finds no one
      ['192.168.77.1', 'unreachable'], // no route
      ['240.0.0.1', 'timeout'], // a router swallows it
      ['fe80::99%gone0', 'unreachable'], // no such zone
      ['fe80::99', 'unreachable'], // no zone at all
    ]
    lab.run('ada', 'ip', 'route', 'add', 'unreachable', '192.168.77.0/24')
    const program = lab.start(
      'ada',
      `${PROLOGUE}
       await Promise.all(${JSON.stringify(attempts)}.map(([address]) =>
         network.connectTcp({ address, port: 9 }, { timeoutMs: 4500 }).catch(({ code, hint }) => tell({ address, code, hint }))))
       tell({ isDone: true })`,
    )

    await program.until<{ isDone?: boolean }>(({ isDone }) => isDone === true)

    for (const [address, code] of attempts) {
      expect(program.lines).toContainEqual({ address, code, hint: expect.stringMatching(/^[A-Z].*[.?]$/) })
    }
  })
})

describe('the interfaces of a host', () => {
  let lab: Lab

  beforeAll(() => {
    lab = new Lab('site home none hosts=ada')
  })
  afterAll(() => lab.close())
  test('are classified: the cable of a namespace is wired; bridges, tunnels and spare cables are not', async () => {
    lab.run('ada', 'ip', 'link', 'add', 'docker0', 'type', 'bridge')
    lab.run('ada', 'ip', 'link', 'add', 'veth1a', 'type', 'veth', 'peer', 'name', 'veth1b')
    lab.run('ada', 'ip', 'tuntap', 'add', 'tun7', 'mode', 'tun')
    const program = lab.start('ada', `${PROLOGUE} tell(network.interfaces().map(i => [i.name, i.kind, i.isUp]))`)

    await program.until(() => true)

    expect(program.lines[0]).toEqual([
      ['eth0', 'wired', true],
      ['lo', 'loopback', true],
      ['docker0', 'virtual', false],
      ['veth1b', 'virtual', false],
      ['veth1a', 'virtual', false],
      ['tun7', 'tunnel', false],
    ])
  })

  test('are followed while they come, change and go, and sockets on them survive', async () => {
    const program = lab.start(
      'ada',
      `${PROLOGUE}
       let socket
       const find = () => network.interfaces().find(({ name }) => name === 'eth5')
       const look = async () => {
         const eth5 = find()
         tell({ isThere: eth5 !== undefined, isUp: eth5?.isUp, addresses: eth5?.addresses.filter(a => a.family === 'ipv4').map(a => a.address) })
         if (eth5?.addresses.some(a => a.family === 'ipv4') && !socket) {
           socket = await network.openUdp({ address: '0.0.0.0', port: 5353, sharePort: true, multicastInterface: 'eth5' }, handlers)
           socket.joinGroup('224.0.0.251')
           tell({ isOpen: true })
         }
         if (!eth5 && socket) {
           try { socket.joinGroup('239.255.77.1') } catch ({ code }) { tell({ joining: code }) }
           socket.send(bytes('into the void'), { address: '224.0.0.251', port: 5353 })
         }
       }
       network.watchInterfaces(look)
       setInterval(() => {}, 1000)
       tell({ isReady: true })`,
    )
    interface Look {
      readonly isReady?: boolean
      readonly isOpen?: boolean
      readonly isThere?: boolean
      readonly isUp?: boolean
      readonly addresses?: readonly string[]
      readonly error?: string
    }
    const within = async (what: string, fits: (look: Look) => boolean) => {
      const begin = performance.now()
      await program.until<Look>(fits)
      expect(performance.now() - begin, what).toBeLessThan(5_000)
    }
    await program.until<Look>(({ isReady }) => isReady === true)

    lab.run('ada', 'ip', 'link', 'add', 'eth5', 'type', 'veth', 'peer', 'name', 'veth5b')
    await within('appears, down', ({ isThere, isUp }) => isThere === true && isUp === false)
    lab.run('ada', 'ip', 'link', 'set', 'veth5b', 'up')
    lab.run('ada', 'ip', 'link', 'set', 'eth5', 'up')
    lab.run('ada', 'ip', 'addr', 'add', '10.5.0.1/24', 'dev', 'eth5')
    await within('is up', ({ isUp, addresses }) => isUp === true && addresses?.[0] === '10.5.0.1')
    await within('can be used', ({ isOpen }) => isOpen === true)
    lab.run('ada', 'ip', 'addr', 'add', '10.6.0.1/24', 'dev', 'eth5')
    lab.run('ada', 'ip', 'addr', 'del', '10.5.0.1/24', 'dev', 'eth5')
    await within('changes its address', ({ addresses }) => addresses?.[0] === '10.6.0.1')
    lab.run('ada', 'ip', 'link', 'del', 'eth5')
    const gone = () => program.lines.slice(program.lines.findLastIndex(line => (line as Look).isThere)).length > 1
    await within('disappears', gone)
    await within('a send is an error, not a crash', ({ error }) => error !== undefined)

    expect(program.lines).toContainEqual({ joining: 'no-network' })
    expect(program.lines.at(-1)).toEqual({ error: expect.stringMatching(/^(unreachable|no-network)$/) })
    program.stop()
  })
})

test('the lab is behind a namespace of its own', () => {
  expect(execFileSync('ip', ['-brief', 'link'], { encoding: 'utf8' }).trim().split('\n')).toHaveLength(1)
})
