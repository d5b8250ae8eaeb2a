/** Every block of code in the documents does what it seems to do, on the simulated network. */

import { describe, expect, test } from 'vitest'
import { type CodeBlock, codeBlocks, readDocument, readDocuments } from './markdown.ts'
import { play, rehearse } from './playhouse.ts'
import { asFunction, instructions, loadProgram } from './program.ts'

const HOSTS = ['ada', 'bob']

const blocks = readDocuments()
  .flatMap(codeBlocks)
  .filter(block => ['ts', 'js'].includes(instructions(block).language))
  .map(block => [`${block.document}:${block.line}`, block] as const)

test.each(blocks.filter(([, block]) => hasSimulation(block)))(
  '%s runs, on the network that it makes',
  async (_, block) => {
    await rehearse(await loadProgram(block))
  },
)

test.each(blocks.filter(([, block]) => isToRun(block)))('%s runs on two hosts of a LAN', async (_, block) => {
  const { warnings, open } = await play(await loadProgram(block), HOSTS)
  expect(warnings).toEqual([])
  expect(open).toEqual([])
})

test.each(blocks.filter(([, block]) => instructions(block).notRun !== undefined))(
  '%s says why it is not run',
  (_, block) => {
    expect(instructions(block).notRun).not.toBe('')
  },
)

function isToRun(block: CodeBlock): boolean {
  return instructions(block).notRun === undefined && !hasSimulation(block)
}

function hasSimulation(block: CodeBlock): boolean {
  return instructions(block).notRun === undefined && block.code.includes("from 'earshot/testing'")
}

test('the first block of the README, on two hosts, greets both ways', async () => {
  const [first] = codeBlocks(readDocument('README.md'))
  const { output } = await play(await loadProgram(first!), HOSTS)
  expect(output).toEqual({ ada: ['bob: Hello ada, I am bob'], bob: ['ada: Hello bob, I am ada'] })
})

describe('a block as a program', () => {
  test('gets its imports from whoever runs it', () => {
    const code = [
      "import assert from 'node:assert/strict'",
      "import type { Room } from 'earshot'",
      "import { join, type Peer, discover as look } from 'earshot'",
      "import * as mdns from 'earshot/mdns'",
      "import 'earshot/net'",
      "import {\n  simulate,\n} from 'earshot/testing'",
    ].join('\n')
    expect(asFunction(code).split('\n')).toEqual([
      'export default async function program({ load, console }) {',
      "const { default: assert } = await load('node:assert/strict')",
      '',
      "const { join, discover: look } = await load('earshot')",
      "const mdns = await load('earshot/mdns')",
      "await load('earshot/net')",
      "const { simulate } = await load('earshot/testing')",
      '}',
      '',
    ])
  })

  test('fails where it throws, also after a while', async () => {
    const wrong = await loadProgram(tsBlock("import { join } from 'earshot'\nawait join('UPPER')\n"))
    await expect(play(wrong, ['ada'])).rejects.toThrow(/service name/)
    const lonely =
      "import { join } from 'earshot'\nconst room = await join('chat')\nawait room.once('peer', { timeoutMs: 5_000 })\n"
    await expect(play(await loadProgram(tsBlock(lonely)), ['ada'])).rejects.toMatchObject({ code: 'timeout' })
  })

  test('says why it is not run, or is run', () => {
    expect(instructions(tsBlock('', 'ts'))).toEqual({ language: 'ts', notRun: undefined })
    expect(instructions(tsBlock('', 'ts no-run: needs a person'))).toEqual({ language: 'ts', notRun: 'needs a person' })
    expect(instructions(tsBlock('', 'js no-run'))).toEqual({ language: 'js', notRun: '' })
  })
})

function tsBlock(code: string, info = 'ts'): CodeBlock {
  return { document: 'made-up.md', line: 1, info, code }
}
