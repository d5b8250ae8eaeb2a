/** `earshot chat` on three hosts of one LAN, without any option about the network. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { EarshotProcess, freshFolder, MAIN } from '../cli/earshot-process.ts'
import { Lab } from './lab.ts'

/** Owed: the median of what a newcomer needs from joining until its first line has arrived at both others. */
const OWED_MS = 500
const ROUNDS = 5

let lab: Lab
let namespaces: Readonly<Record<string, { readonly ns: string }>>
/** One user, with one home, on all hosts. */
let config: string

beforeAll(() => {
  lab = new Lab('site home port-restricted hosts=alice,bob,carol')
  namespaces = JSON.parse(lab.natlab('status', '--json')).nodes
})

afterAll(() => lab.close())

function chat(host: string, name: string): EarshotProcess {
  const command = [process.execPath, MAIN, 'chat', 'lan', '--name', name]
  return new EarshotProcess(['ip', 'netns', 'exec', namespaces[host]!.ns, ...command], { XDG_CONFIG_HOME: config })
}

test('every line reaches the others, and a newcomer is heard by both at once', async () => {
  config = freshFolder()
  const [alice, bob] = [chat('alice', 'Alice'), chat('bob', 'Bob')]
  await Promise.all([alice.stderr.line(/^Bob is here/), bob.stderr.line(/^Alice is here/)])
  const delaysMs: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const carol = chat('carol', `Carol${round}`)
    carol.type('hello\n')
    await carol.stderr.line(/^in the room/)
    const joinedAt = performance.now()
    const hello = new RegExp(`^Carol${round}: hello$`)
    await Promise.all([alice.stdout.line(hello), bob.stdout.line(hello)])
    delaysMs.push(performance.now() - joinedAt)
    alice.type(`welcome ${round}\n`)
    await carol.stdout.line(new RegExp(`^Alice: welcome ${round}$`))
    carol.endInput()
    expect(await carol.exitCode).toBe(0)
  }
  expect(delaysMs.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)]).toBeLessThan(OWED_MS)
  alice.endInput()
  expect(await alice.exitCode).toBe(0)
  expect(bob.stdout.lines.filter(line => line.startsWith('Alice: '))).toHaveLength(ROUNDS)
})
