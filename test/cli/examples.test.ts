import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { publish } from '../../src/mdns.ts'
import { EarshotProcess, freshFolder } from './earshot-process.ts'

const FOLDER = fileURLToPath(new URL('../../examples', import.meta.url))

function example(name: string, ...args: readonly string[]): EarshotProcess {
  return new EarshotProcess([process.execPath, join(FOLDER, `${name}.js`), ...args], {})
}

test('every example says on top how to run it, and is run here', () => {
  const tests = readFileSync(fileURLToPath(import.meta.url), 'utf8')
  for (const file of readdirSync(FOLDER)) {
    const name = file.replace(/\.js$/, '')
    expect(readFileSync(join(FOLDER, file), 'utf8')).toMatch(new RegExp(`^/\\*\\*[\\s\\S]*node examples/${file}`))
    expect(tests).toContain(`example('${name}'`)
  }
})

test('simulated-network', async () => {
  const program = example('simulated-network')
  expect(await program.exitCode).toBe(0)
  expect(program.stdout.text).toMatch(/^they met after \d+ virtual milliseconds\n21 doubled is 42\nBob is gone/)
})

/** Examples use the network as they find it, so they run where there is nothing but loopback. */
describe.runIf(process.env['EARSHOT_NETNS'] === '1')('in a network namespace', () => {
  test('chat', async () => {
    const [ada, bob] = [example('chat', 'Ada'), example('chat', 'Bob')]
    await Promise.all([ada.stdout.line(/Bob is here/), bob.stdout.line(/Ada is here/)])
    ada.endInput('hello\n')
    await bob.stdout.line(/^Ada: hello$/)
    await bob.stdout.line(/^\* Ada left$/)
    bob.endInput()
    expect(await Promise.all([ada.exitCode, bob.exitCode])).toEqual([0, 0])
  })

  test('thermometer and ask-all', async () => {
    const [balcony, cellar] = [example('thermometer', 'Balcony'), example('thermometer', 'Cellar')]
    await Promise.all([balcony, cellar].map(({ stdout }) => stdout.line(/ready/)))
    const reader = example('ask-all')
    expect(await reader.exitCode).toBe(0)
    expect(reader.stdout.text).toMatch(/^(Balcony|Cellar): \d+(\.\d)? °C$/m)
    for (const process of [balcony, cellar]) process.signal('SIGINT')
    expect(await Promise.all([balcony.exitCode, cellar.exitCode])).toEqual([0, 0])
  })

  test('stream-echo', async () => {
    const [ada, bob] = [example('stream-echo', 'Ada'), example('stream-echo', 'Bob')]
    await Promise.all([ada.stdout.line(/^echo: HELLO BOB$/), bob.stdout.line(/^echo: HELLO ADA$/)])
    expect(await Promise.all([ada.exitCode, bob.exitCode])).toEqual([0, 0])
    expect(ada.stdout.lines).toContain('a stream in English')
  })

  test('file-drop', async () => {
    const [inbox, film] = [join(freshFolder(), 'inbox'), join(freshFolder(), 'film.mkv')]
    writeFileSync(film, 'a film')
    const ada = example('file-drop', 'Ada', inbox)
    await ada.stdout.line(/takes files/)
    const bob = example('file-drop', 'Bob', join(freshFolder(), 'other'), film)
    expect(await bob.exitCode).toBe(0)
    expect(bob.stdout.lines.at(-1)).toMatch(/^Ada has it: [0-9a-f]{64}$/)
    await ada.stdout.line(/film\.mkv is here, from Bob$/)
    expect(readFileSync(join(inbox, 'film.mkv'), 'utf8')).toBe('a film')
    ada.signal('SIGINT')
    expect(await ada.exitCode).toBe(0)
  })

  test('who', async () => {
    const who = example('who')
    const ada = example('chat', 'Ada')
    await who.stdout.line(/^found: Ada in 'example-chat' at \S+:\d+$/)
    ada.endInput()
    await who.stdout.line(/^lost: Ada/)
    who.signal('SIGINT')
    expect(await who.exitCode).toBe(0)
  })

  test('closed-group', async () => {
    const [ada, bob] = [example('closed-group', 'Ada', 'red'), example('closed-group', 'Bob', 'red')]
    const [eve, mallory] = [example('closed-group', 'Eve', 'blue'), example('closed-group', 'Mallory', 'red', 'wrong')]
    await Promise.all([ada.stdout.line(/Bob is one of us/), bob.stdout.line(/Ada is one of us/)])
    for (const process of [eve, mallory]) await process.stdout.line(/waits/)
    for (const process of [ada, bob, eve, mallory]) process.signal('SIGINT')
    expect(await Promise.all([ada, bob, eve, mallory].map(({ exitCode }) => exitCode))).toEqual([0, 0, 0, 0])
    expect(ada.stdout.lines).toHaveLength(2)
    expect(eve.stdout.lines).toHaveLength(1)
  })

  test('typed-channel', async () => {
    const [black, white] = [example('typed-channel', 'black'), example('typed-channel', 'white')]
    await Promise.all([black.stdout.line(/^white plays 3\/4$/), white.stdout.line(/^black plays 3\/4$/)])
    await Promise.all([black, white].map(({ stdout }) => stdout.line(/^refused: invalid-data$/)))
    for (const process of [black, white]) process.signal('SIGINT')
    expect(await Promise.all([black.exitCode, white.exitCode])).toEqual([0, 0])
  })

  test('same-peer', async () => {
    const file = join(freshFolder(), 'identity')
    const first = example('same-peer', file)
    expect(await first.exitCode).toBe(0)
    const second = example('same-peer', file)
    expect(await second.exitCode).toBe(0)
    expect(first.stdout.text).toMatch(/^I am [a-z2-7]{52}\n$/)
    expect(second.stdout.text).toBe(first.stdout.text)
  })

  test('printers', async () => {
    const printer = await publish({ name: 'Laser', type: '_ipp._tcp', port: 631, txt: { ty: 'Ideal 3000' } })
    try {
      const printers = example('printers')
      await printers.stdout.line(/^found: Laser on \S+:631 Ideal 3000$/)
      printers.signal('SIGINT')
      expect(await printers.exitCode).toBe(0)
    } finally {
      await printer.close()
    }
  })
})
