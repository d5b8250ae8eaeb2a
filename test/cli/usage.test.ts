import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { earshot } from './earshot-process.ts'

test.each([
  [['cht'], /unknown command 'cht'; did you mean 'chat'\?/],
  [['teleport'], /unknown command 'teleport'$/m],
  [['chat', '--tiemout', '5s'], /unknown option '--tiemout'[\s\S]*--timeout/],
  [['chat', '--timeout', '5'], /'5' is not a duration; write it like 500ms, 5s, 2m or 1h/],
  [['--for', 'soon'], /'soon' is not a duration/],
  [['chat', 'a', 'b'], /too many arguments/],
  [['chat', 'No Such Room!'], /No Such Room!/],
  [['chat', '--name', 'x'.repeat(64)], /63 bytes/],
  [['chat', '--name', ''], /1 to 63 bytes/],
  [['connect'], /say either --offer or --answer/],
  [['connect', '--offer', '--answer', 'x'], /say either --offer or --answer/],
  [['connect', '--answer', 'what?'], /there is no 'earshot:…' in the text/],
  [['connect', '--answer', 'earshot:EQClWsf7'], /the text is cut off: 16 of 228 characters are there/],
  [['connect', '--answer'], /there is no offer in the input/],
  [['ask'], /who is asked, and the question, are missing/],
  [['ask', 'Ada'], /the question is missing/],
  [['ask', 'Ada', 'weather', '{'], /'\{' is not JSON/],
  [['ask', 'Ada', 'weather', '1', '2'], /too many words/],
  [['answer', 'weather'], /missing required argument 'command'/],
  [['ping'], /missing required argument 'name'/],
  [['nat'], /name a STUN server with --stun or EARSHOT_STUN/],
  [['nat', '--stun', 'http://example.org'], /no URI of a STUN or TURN server/],
  [['nat', '--stun', 'turn:example.org'], /TURN server; .* begins with 'stun:'/],
  [['nat', '--stun', 'stun.example.org:0'], /from 1 to 65535/],
  [['ping', 'Ada', '--count', '0'], /'0' is not a number from 1 on/],
  [['ping', '192.168.0.2:99999'], /'192.168.0.2:99999': the port must be 1 to 65535/],
  [['chat', '--peer', '192.168.0.2'], /'192.168.0.2': the port is missing/],
  [['broker', '--port', '65536'], /'65536' is not a port/],
  [['broker', '--user', 'ada'], /written as name:password/],
  [['chat', '--rendezvous', 'http://example.org'], /'http:\/\/example.org' is no URL of a broker/],
  [['ping', 'Ada', '--turn', 'turn:example.org'], /the user of the TURN server 'turn:example.org' is missing/],
  [['ask', 'Ada', 'time', '--direct', 'always'], /Allowed choices are prefer, only, never/],
  [['--relay-budget', 'much'], /'much' is not a size/],
  [['--peer', '192.168.0.2:4112'], /--peer needs --room/],
] as const)('%j is bad usage', async (args, message) => {
  const process = earshot(args)
  process.endInput()
  expect(await process.exitCode).toBe(2)
  expect(process.stdout.text).toBe('')
  expect(process.stderr.text).toMatch(message)
  expect(process.stderr.text).toMatch(/^earshot: .*\n {2}hint: 'earshot --help'/m)
  expect(process.stderr.text).not.toMatch(/^ +at /m)
})

test('bad usage is an event too, with --json', async () => {
  const process = earshot(['chat', 'No Such Room!', '--json'])
  expect(await process.exitCode).toBe(2)
  expect(process.stdout.events).toMatchObject([{ event: 'error', code: 'usage' }])
})

test.each([
  'who',
  'chat',
  'connect',
  'ask',
  'answer',
  'ping',
  'pipe',
  'interfaces',
  'nat',
  'doctor',
  'broker',
  'relay',
])('the help of %s has examples', async command => {
  const process = earshot([command, '--help'])
  expect(await process.exitCode).toBe(0)
  expect(process.stdout.text).toMatch(/^Usage: earshot /)
  expect(process.stdout.text).toMatch(/^Examples:\n {2}\$ earshot/m)
  expect(process.stdout.text).toMatch(/--json/)
  expect(process.stderr.text).toBe('')
})

test('the help names every command, and the exit codes', async () => {
  const process = earshot(['--help'])
  expect(await process.exitCode).toBe(0)
  for (const command of [
    'who',
    'chat',
    'connect',
    'ask',
    'answer',
    'ping',
    'pipe',
    'interfaces',
    'nat',
    'doctor',
    'broker',
    'relay',
  ])
    expect(process.stdout.text).toMatch(new RegExp(`^  ${command}`, 'm'))
  for (const line of process.stdout.text.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  expect(process.stdout.text).toMatch(/0 done, 1 failed, 2 bad usage, 3 nobody found, 4 refused, 130\s+interrupted/)
})

test('the version is that of the package', async () => {
  const process = earshot(['--version'])
  expect(await process.exitCode).toBe(0)
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  expect(process.stdout.text).toBe(`${version}\n`)
})

test('EARSHOT_DEBUG adds the stack trace', async () => {
  const process = earshot(['chat', 'No Such Room!'], { EARSHOT_DEBUG: '1' })
  expect(await process.exitCode).toBe(2)
  expect(process.stderr.text).toMatch(/^ +at /m)
})

test('interfaces lists the loopback interface', async () => {
  const [people, program] = [earshot(['interfaces']), earshot(['interfaces', '--json'])]
  expect(await people.exitCode).toBe(0)
  expect(people.stdout.text).toMatch(/^lo\S* +loopback +up +yes +.*127\.0\.0\.1\/8/m)
  expect(await program.exitCode).toBe(0)
  expect(program.stdout.events).toContainEqual(
    expect.objectContaining({ event: 'interface', kind: 'loopback', isUp: true, isUsed: true }),
  )
})
