/** Every command in the documents is one that exists, with arguments that it takes. */

import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { codeBlocks, readDocument, readDocuments } from './markdown.ts'

const ROOT = new URL('../../', import.meta.url)
const { scripts } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'))

const commands = [...readDocuments(), readDocument('CONTRIBUTING.md')]
  .flatMap(codeBlocks)
  .filter(({ info }) => info === 'sh')
  .flatMap(({ document, code }) => commandsIn(code).map(command => [document, command] as const))

test('the quick start of the README is these two lines', () => {
  const [quickStart] = codeBlocks(readDocument('README.md')).filter(({ info }) => info === 'sh')
  expect(quickStart?.code).toBe('npm ci && npm run demo\nnpm ci && npm test\n')
})

test.each(commands)('%s: %s', async (_, command) => {
  expect(await complaint(command)).toBeUndefined()
})

test.each([
  ['npm run dance', 'there is no script dance'],
  ['node scripts/dance.js', 'there is no file scripts/dance.js'],
  ['npx dance', 'no installed package brings dance'],
  ['dance', 'unknown program dance'],
  ['npx earshot dance', 'there is no command dance'],
  ['earshot chat --loudly', "error: unknown option '--loudly'"],
])('a wrong command is found: %s', async (command, said) => {
  expect(await complaint(command)).toMatch(said)
})

/** `a && b   # why` has two commands. */
function commandsIn(code: string): string[] {
  return code
    .split('\n')
    .map(line => line.replace(/(^|\s)#.*$/, ''))
    .flatMap(line => line.split(/&&|\|/))
    .map(command => command.trim())
    .filter(command => command !== '')
}

/** What is wrong with a command, if anything is. */
async function complaint(command: string): Promise<string | undefined> {
  const [program = '', ...args] = words(command)
  const [first = '', second = ''] = args
  switch (program) {
    case 'npm':
      if (first === 'run') return second in scripts ? undefined : `there is no script ${second}`
      return ['ci', 'install', 'test', 'pack'].includes(first) ? undefined : `npm ${first} is not used here`
    case 'node':
      return existsSync(new URL(first, ROOT)) ? undefined : `there is no file ${first}`
    case 'npx':
      if (first === 'earshot') return earshotComplaint(args.slice(1))
      return existsSync(new URL(`node_modules/.bin/${first}`, ROOT))
        ? undefined
        : `no installed package brings ${first}`
    case 'earshot':
      return earshotComplaint(args)
    default:
      return ['git', 'cd', 'apt-get', '.ci/run'].includes(program) ? undefined : `unknown program ${program}`
  }
}

/** Has the command line read, and runs nothing. */
async function earshotComplaint(args: readonly string[]): Promise<string | undefined> {
  const program = createProgram('0', async () => {})
  for (const command of [program, ...program.commands]) command.configureOutput({ writeErr() {} })
  const [name] = args
  if (name && !name.startsWith('-') && !program.commands.some(command => command.name() === name))
    return `there is no command ${name}`
  try {
    await program.parseAsync(args, { from: 'user' })
    return undefined
  } catch (error) {
    return String((error as Error).message)
  }
}

function words(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare!,
  )
}
