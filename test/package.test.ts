/** What is published: packed as npm packs it, unpacked, and used by a program that knows nothing else of this repository. */

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { codeBlocks, readDocuments } from './docs/markdown.ts'
import { instructions } from './docs/program.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

/** Everything that the package exports, used as a TypeScript program would. */
const CONSUMER = `
import { discover, EarshotError, ERROR_CODES, Identity, join, type Peer, type Room } from 'earshot'
import { bridge } from 'earshot/compat/bridge'
import { type DataType, PeerpyPeer, Tuple } from 'earshot/compat/peerpy'
import { PythonConnectNode, type PythonConnectPeer } from 'earshot/compat/pythonconnect'
import { type Broker, startBroker } from 'earshot/broker'
import { checkInternet, checkLan, type Finding } from 'earshot/doctor'
import { browse, publish } from 'earshot/mdns'
import { allocate, allocateTcp, type Allocation, createAgent, discoverBehaviour, likelihood, measureMappingLifetime, requestBinding } from 'earshot/nat'
import { interfaces, watchInterfaces } from 'earshot/net'
import { simulate } from 'earshot/testing'
import { z } from 'zod'

const { network } = simulate({ seed: 1 }).host('ada')
const identity: Identity = Identity.generate()
const room: Room = await join('chat', { network, identity, info: { team: 'red' } })
room.on('peer', (peer: Peer) => void peer.send('hello', { receipt: true }))
room.on('peer-gone', ({ code }) => code satisfies 'closed' | 'kicked' | 'lost' | 'restarted')
const moves = room.channel('moves', { schema: z.object({ x: z.number() }) })
for await (const { data, from } of moves) from.name + data.x.toFixed()
for await (const { kind } of discover('chat')) kind satisfies 'found' | 'updated' | 'lost'
for await (const { txt } of browse('_ipp._tcp')) txt satisfies Readonly<Record<string, string>>
await using service = await publish({ name: 'Laser', type: '_ipp._tcp', port: 631 })
service.update({ txt: { color: 'T' } })
for await (const change of watchInterfaces()) change satisfies object
const { udp, udpBlocked } = await discoverBehaviour({ servers: ['stun:stun.example.org'] })
if (udp?.portAllocation.kind === 'sequential') udp.portAllocation.delta.toFixed()
udpBlocked satisfies 'yes' | 'no' | 'unknown'
;(await requestBinding('stun:stun.example.org')).mapped.port.toFixed()
;(await measureMappingLifetime({ server: 'stun:stun.example.org' })).atLeastMs.toFixed()
const turn = { server: 'turns:turn.example.org', username: 'ada', credential: 'secret', onDatagram: (bytes: Uint8Array) => void bytes }
await using relay: Allocation = await allocate(turn)
relay.send(new Uint8Array(1), relay.relayedAddress) satisfies boolean
const tcp = await allocateTcp({ ...turn, onConnection: ({ remote }) => void remote.port.toFixed() })
tcp.connect(relay.relayedAddress) satisfies Promise<object>
await using peer = await PeerpyPeer.listen({ network, port: 51_001, admit: ({ dataType }) => dataType === ('raw' satisfies DataType) })
for await (const address of peer.discover()) await (await peer.connect(address, { dataType: 'raw' })).send(Tuple.from([1, 'two']))
await using node = await PythonConnectNode.join({ network, name: 'desk' })
node.answer((question, { from }) => (from satisfies PythonConnectPeer).name + question)
for (const [name, answer] of await node.ask(['a'], 'q')) name satisfies string, answer satisfies string | null
await using hub = await bridge('chat', 'pythonconnect', { network, identity })
hub.on('device', ({ name, peerId }) => name + peerId)
peer.on('close', ({ connection, error }) => void [connection.id, error?.code])
const agent = createAgent({ localId: 'a', remoteId: 'b', send: message => void message.length, onPath: ({ kind }) => kind satisfies 'lan' | 'direct' | 'relay' })
agent.report.advice.join()
for (const { verdict } of await checkLan({ onFinding: ({ hint }: Finding) => void hint?.length })) verdict satisfies 'ok' | 'note' | 'problem'
;(await checkInternet({ stun: ['stun:stun.example.org'] })).outlook?.rows.map(({ chance }) => chance)
likelihood('none', 'symmetric').chance satisfies string
await using broker: Broker = await startBroker({ port: 0, user: { name: 'ada', password: 'tea' } })
broker.urls satisfies readonly string[]
interfaces()[0]?.name satisfies string | undefined
new EarshotError(ERROR_CODES[0], 'a message')

// @ts-expect-error: what the schema does not describe is refused by the compiler too
await moves.send({ x: 'three' })
// @ts-expect-error: the service is a text
await join(1)
`

const COMPILER_OPTIONS = {
  noEmit: true,
  strict: true,
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
  // What is published must make sense by itself.
  skipLibCheck: false,
}

const folder = mkdtempSync(join(tmpdir(), 'earshot-package-'))
const consumer = join(folder, 'consumer')
const published = join(consumer, 'node_modules/earshot')
let packed: readonly string[]

beforeAll(() => {
  const npm = { cwd: ROOT, encoding: 'utf8', shell: process.platform === 'win32' } as const
  // `npm test` has built it; the scripts would build it again.
  const report = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--silent'], npm)
  packed = JSON.parse(report)[0].files.map(({ path }: { path: string }) => path)
  for (const path of packed) cpSync(join(ROOT, path), join(published, path))
  mkdirSync(join(consumer, 'node_modules/@types'), { recursive: true })
  // `zod` stands for whatever a program validates with; the types of Node every program for Node has.
  for (const name of ['zod', '@types/node', 'undici-types', ...Object.keys(MANIFEST.dependencies)])
    symlinkSync(join(ROOT, 'node_modules', name), join(consumer, 'node_modules', name), 'junction')
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module", "private": true }\n')
})

afterAll(() => rmSync(folder, { recursive: true }))

/** What the compiler says of these files, each given as name and text. */
function compile(files: Readonly<Record<string, string>>, module: 'nodenext' | 'bundler'): string {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(consumer, name), text)
  const resolution = { module: module === 'bundler' ? 'esnext' : module, moduleResolution: module }
  const config = { compilerOptions: { ...COMPILER_OPTIONS, ...resolution }, files: Object.keys(files) }
  writeFileSync(join(consumer, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  return spawnSync(process.execPath, [tsc, '-p', consumer], { cwd: consumer, encoding: 'utf8' }).stdout
}

describe('the packed files', () => {
  test('have everything that the manifest names', () => {
    const named = [...Object.values(MANIFEST.exports), MANIFEST.bin].flatMap(leaves)
    expect(named.length).toBeGreaterThan(8)
    for (const path of named) expect(packed).toContain(path.replace('./', ''))
    for (const path of MANIFEST.files.filter((pattern: string) => /^\w+\.md$/.test(pattern)))
      expect(packed).toContain(path)
    expect(packed).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'docs/protocol.md']))
  })

  test('have no tests, no sources and nothing of the workshop', () => {
    const [bin, docs] = [/^dist\/.*(?<!\.test)\.(js|d\.ts)$/, /^(docs\/.*|[A-Z]+)\.md$/]
    const others = packed.filter(path => !bin.test(path) && !docs.test(path))
    expect(others.sort()).toEqual(['LICENSE', 'package.json'])
  })

  test('have a declaration beside every module', () => {
    for (const path of packed.filter(path => path.endsWith('.js')))
      expect(packed).toContain(path.replace(/js$/, 'd.ts'))
  })

  test('have what their documents link to', () => {
    const links = packed
      .filter(path => path.endsWith('.md'))
      .flatMap(path => {
        const text = readFileSync(join(published, path), 'utf8')
        return [...text.matchAll(/\]\((?!\w+:|#)([^)#]+)/g)].map(([, link = '']) => ({ path, link }))
      })
    expect(links.length).toBeGreaterThan(10)
    expect(links.filter(({ path, link }) => !existsSync(join(published, path, '..', link)))).toEqual([])
  })
})

test.each(['nodenext', 'bundler'] as const)(
  'a program that uses everything compiles with moduleResolution %s',
  module => {
    expect(compile({ 'main.ts': CONSUMER }, module)).toBe('')
  },
)

test('a wrong use does not compile, nor does an import of what is not exported', () => {
  const wrong = {
    'wrong.ts': "import { joint } from 'earshot'\n",
    'deep.ts': "import 'earshot/dist/session/session.js'\n",
  }
  const said = compile(wrong, 'nodenext')
  expect(said).toMatch(/^wrong\.ts.*'joint'/m)
  expect(said).toMatch(/^deep\.ts.*'earshot\/dist\/session\/session\.js'/m)
})

test('every block of TypeScript in the documents compiles', () => {
  const blocks = readDocuments()
    .flatMap(codeBlocks)
    .filter(block => instructions(block).language === 'ts')
  const files = blocks.map(({ document, line, code }) => [`${document.replaceAll('/', '_')}_${line}.ts`, code] as const)
  expect(files.length).toBeGreaterThan(0)
  expect(compile(Object.fromEntries(files), 'nodenext')).toBe('')
})

test('the published modules run', () => {
  const program = `
    import { join } from 'earshot'
    import 'earshot/compat/bridge'
    import 'earshot/compat/peerpy'
    import 'earshot/compat/pythonconnect'
    import { startBroker } from 'earshot/broker'
    import 'earshot/mdns'
    import 'earshot/nat'
    import 'earshot/net'
    import { simulate } from 'earshot/testing'
    const net = simulate({ seed: 1 })
    await net.run(async () => {
      const room = await join('chat', { network: net.host('ada').network })
      console.log(room.self.name)
      await room.close()
    })
    // The optional packages are not here.
    const refused = await startBroker({ host: '127.0.0.1', port: 0 }).catch(error => error)
    console.log(refused.code, refused.hint)
  `
  writeFileSync(join(consumer, 'run.mjs'), program)
  const { stdout, stderr } = spawnSync(process.execPath, ['run.mjs'], { cwd: consumer, encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(stdout).toBe('ada\nnot-installed Install it: npm install aedes\n')
})

/** All texts in a value of the manifest. */
function leaves(value: unknown): string[] {
  return typeof value === 'string' ? [value] : Object.values(value as object).flatMap(leaves)
}
