/** The command on a real terminal: that of tmux, which knows what stands on its screen. Loopback only. */

import { execFileSync } from 'node:child_process'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { earshot, freshFolder, freshRoom, LOOPBACK, MAIN } from '../cli/earshot-process.ts'

const PATIENCE_MS = 10_000
const LOOK_AGAIN_MS = 50

let terminal: Terminal | undefined

afterEach(() => terminal?.close())

/** A terminal with the command on it; when that ends, its exit code and the mode of the terminal are shown. (Ctrl-C
 * reaches the shell around it too, which goes on.) */
class Terminal {
  readonly #server = `earshot-${process.pid}`

  constructor(columns: number, rows: number, args: readonly string[]) {
    const command = [process.execPath, MAIN, '--interface', LOOPBACK, ...args].map(word => `'${word}'`).join(' ')
    const script = `trap : INT; XDG_CONFIG_HOME=${freshFolder()} ${command}; echo "exit $?"; stty -a | grep -ow -e -icanon -e icanon; cat`
    this.#tmux('-f', '/dev/null', 'new-session', '-d', '-x', String(columns), '-y', String(rows), 'sh', '-c', script)
  }

  type(text: string): void {
    this.#tmux('send-keys', '-l', text)
  }

  /** A key by its name: Enter, C-c, Left. */
  press(...keys: readonly string[]): void {
    this.#tmux('send-keys', ...keys)
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows))
  }

  /** Resolves with the lines on the screen, without empty ones at the end, once they match. */
  async shows(pattern: RegExp): Promise<string[]> {
    for (const until = Date.now() + PATIENCE_MS; ; await sleep(LOOK_AGAIN_MS)) {
      const text = this.#tmux('capture-pane', '-p').trimEnd()
      if (pattern.test(text)) return text.split('\n')
      if (Date.now() > until) throw new Error(`no ${pattern} on the screen:\n${text}`)
    }
  }

  close(): void {
    this.#tmux('kill-server')
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync('tmux', ['-L', this.#server, ...args], { encoding: 'utf8' })
  }
}

test('while somebody types, arriving lines appear above, and nothing is mixed', async () => {
  const room = freshRoom()
  const bob = earshot(['chat', room, '--name', 'Bob'])
  terminal = new Terminal(40, 12, ['chat', room, '--name', 'Ada'])
  await terminal.shows(/^Bob is here$/m)
  terminal.type('half a lin')
  bob.type('hello\n')
  await terminal.shows(/^Bob: hello$/m)
  terminal.type('e')
  expect((await terminal.shows(/half a line$/)).slice(1)).toEqual(['Bob is here', 'Bob: hello', '> half a line'])

  terminal.press('Home')
  bob.type('another\n')
  await terminal.shows(/^Bob: another$/m)
  terminal.type('not ')
  terminal.press('Enter')
  await bob.stdout.line(/^Ada: not half a line$/)
  expect((await terminal.shows(/^>$/m)).slice(2)).toEqual(['Bob: hello', 'Bob: another', '> not half a line', '>'])
})

test('a pasted line of several rows stays whole, also on a terminal that becomes narrower', async () => {
  const room = freshRoom()
  const bob = earshot(['chat', room, '--name', 'Bob'])
  terminal = new Terminal(40, 12, ['chat', room, '--name', 'Ada'])
  await terminal.shows(/^Bob is here$/m)
  const line = 'abcdefghij'.repeat(9)
  terminal.type(line)
  bob.type('one\n')
  await terminal.shows(/^Bob: one\n> a/m)
  terminal.resize(30, 12)
  bob.type('two\n')
  await terminal.shows(/^Bob: two\n> a/m)
  bob.type('three\n')
  const lines = await terminal.shows(/^Bob: three\n> a/m)
  expect(lines.slice(lines.indexOf('Bob: three') + 1).join('')).toBe(`> ${line}`)
  expect(lines.filter(shown => shown.startsWith('>'))).toHaveLength(1)
  terminal.press('Enter')
  await bob.stdout.line(new RegExp(`^Ada: ${line}$`))
})

test.each([
  ['C-d', 0],
  ['C-c', 130],
])('%s ends the chat with %d, says goodbye, and gives the terminal back', async (key, code) => {
  const room = freshRoom()
  const bob = earshot(['chat', room, '--name', 'Bob'])
  terminal = new Terminal(60, 12, ['chat', room, '--name', 'Ada'])
  await terminal.shows(/^Bob is here$/m)
  terminal.press(key)
  await terminal.shows(new RegExp(`^exit ${code}\\nicanon$`, 'm'))
  await bob.stderr.line(/^Ada left$/)
})

test('the table of those who are around is redrawn in place', async () => {
  const room = freshRoom()
  const bob = earshot(['chat', room, '--name', 'Bob'])
  terminal = new Terminal(80, 12, ['--room', room])
  await terminal.shows(/Bob .* ms\n1 peer in 1 room$/)
  const eve = earshot(['chat', room, '--name', 'Eve'])
  const both = await terminal.shows(/\n2 peers in 1 room$/)
  expect(both).toHaveLength(4)
  bob.endInput()
  eve.endInput()
  expect(await terminal.shows(/^nobody is around yet$/)).toEqual(['nobody is around yet'])
  terminal.press('C-c')
  await terminal.shows(/exit 130$/m)
})

test('a file on its way has a bar, and its receiver is asked on the terminal', async () => {
  const room = freshRoom()
  const inbox = join(freshFolder(), 'inbox')
  const film = join(freshFolder(), 'film.mkv')
  writeFileSync(film, '')
  truncateSync(film, 3_000_000_000)
  terminal = new Terminal(80, 12, ['receive', inbox, '--room', room, '--name', 'Bob'])
  await terminal.shows(/^receiving into /m)
  const ada = earshot(['send', film, '--to', 'Bob', '--room', room, '--name', 'Ada'])
  await terminal.shows(/^Ada wants to send film\.mkv \(3\.0 GB\): take it\? \[y\/N\]$/m)
  terminal.type('y')
  terminal.press('Enter')
  await terminal.shows(/^film\.mkv from Ada \[=*>? *\] +\d+ % +\d+ MB\/s +\d:\d\d left$/m)
  terminal.resize(50, 12)
  const lines = await terminal.shows(/^film\.mkv from Ada +\d+ % +\d+ MB\/s +\d:\d\d left$/m)
  expect(lines.filter(line => line.includes('left'))).toHaveLength(1)
  terminal.press('C-c')
  await terminal.shows(/exit 130\nicanon$/m)
  expect(await ada.exitCode).toBe(1)
  expect(ada.stderr.text).toMatch(/the other side called it off/)
})

test('who does not want it says no, or nothing', async () => {
  const room = freshRoom()
  const inbox = join(freshFolder(), 'inbox')
  const file = join(freshFolder(), 'worm')
  writeFileSync(file, 'x')
  terminal = new Terminal(80, 12, ['receive', inbox, '--room', room, '--name', 'Bob'])
  await terminal.shows(/^receiving into /m)
  const refused = earshot(['send', file, '--to', 'Bob', '--room', room, '--name', 'Ada'])
  await terminal.shows(/take it\? \[y\/N\]$/m)
  terminal.press('Enter')
  expect(await refused.exitCode).toBe(4)
  const withdrawn = earshot(['send', file, '--to', 'Bob', '--room', room, '--name', 'Ada'])
  await terminal.shows(/(take it\? \[y\/N\](.|\n)*){2}$/)
  withdrawn.signal('SIGINT')
  await terminal.shows(/^the sender has called it off$/m)
  terminal.press('C-c')
  await terminal.shows(/exit 130\nicanon$/m)
})
