/** The rules of the house, checked on src/, and the rules themselves, checked on files that break them. */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import * as rules from './architecture/rules.ts'
import { readSources, type SourceFile, sourceFile } from './architecture/source-file.ts'

describe('in src/', () => {
  const sources = readSources()

  test.each(Object.entries(rules.RULES))('%s', (_, rule) => {
    expect(sources.length).toBeGreaterThan(100)
    expect(rule(sources)).toEqual([])
  })

  test('the dependencies of the package are those that have a place', () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    const names = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })
    expect(names.sort()).toEqual(Object.keys(rules.DEPENDENCIES).sort())
  })
})

describe('a rule says which file breaks it', () => {
  /** Files by path, each a text. */
  function project(texts: Readonly<Record<string, string>>): SourceFile[] {
    return Object.entries(texts).map(([path, text]) => sourceFile(path, text))
  }

  test('that imports from a later layer', () => {
    const files = project({
      'src/wire/reader.ts':
        "import { a } from './a.ts'\nimport { b } from '../limits.ts'\nimport type { Room } from '../endpoint/room.ts'\n",
      'src/discovery/mdns/link.ts': "export { x } from '../dns-sd/browse.ts'\n",
      'src/discovery/dns-sd/browse.ts':
        "import { link } from '../mdns/link.ts'\nimport type { D } from '../discovery.ts'\n",
    })
    expect(rules.importsOnlyFromLayersBefore(files)).toEqual([
      'src/wire/reader.ts:3 imports ../endpoint/room.ts: src/wire/ comes before src/endpoint/, and imports only from itself and what comes before it',
      'src/discovery/mdns/link.ts:1 imports ../dns-sd/browse.ts: src/discovery/mdns/ comes before src/discovery/dns-sd/, and imports only from itself and what comes before it',
    ])
  })

  test('that stands in a folder without a place', () => {
    expect(rules.everyFileHasALayer(project({ 'src/utils/text.ts': '', 'src/index.ts': '' }))).toEqual([
      'src/utils/text.ts: is in no layer; give its folder a place in LAYERS, in the order of imports',
    ])
    expect(rules.everyLayerHasFiles(project({ 'src/index.ts': '' }))).toContain(
      'src/wire/: is a layer without files; take it out of LAYERS',
    )
  })

  test('that reaches past the public entries from the command', () => {
    const text = "import { join } from '../index.ts'\nimport { Session } from '../session/session.ts'\n"
    expect(rules.commandIsAThinShell(project({ 'src/cli/main.ts': text }))).toEqual([
      'src/cli/main.ts:2 imports ../session/session.ts: the command uses what every program can use: the public entries',
    ])
  })

  test('that imports what is not there, or a test', () => {
    const files = project({
      'src/wire/a.ts': "import './a.test.ts'\nconst b = await import('./b.ts')\n",
      'src/wire/b.ts': '',
    })
    expect(rules.relativeImportsLeadToFiles(files)).toEqual([
      'src/wire/a.ts:1 imports ./a.test.ts: leads to src/wire/a.test.ts, which is not published',
    ])
  })

  test('that is part of a circle, but not of a circle of types', () => {
    const circle = project({
      'src/wire/a.ts': "import { b } from './b.ts'\n",
      'src/wire/b.ts': "import {\n  type B,\n  c,\n} from './c.ts'\n",
      'src/wire/c.ts': "export { a } from './a.ts'\n",
    })
    expect(rules.noCycles(circle)).toEqual([
      'src/wire/a.ts → src/wire/b.ts → src/wire/c.ts → src/wire/a.ts: files import each other in a circle',
    ])
    const types = project({
      'src/wire/a.ts': "import type { B } from './b.ts'\n",
      'src/wire/b.ts': "import { a } from './a.ts'\nexport { type C, type D } from './a.ts'\n",
    })
    expect(rules.noCycles(types)).toEqual([])
  })

  test('that knows on which platform it runs', () => {
    const files = project({
      'src/endpoint/room.ts': "import { nodePlatform } from '../platform/node/node-platform.ts'\n",
      'src/index.ts': "import { nodePlatform } from './platform/node/node-platform.ts'\n",
      'src/testing/system-error.ts': "import { nodeError } from '../platform/node/node-error.ts'\n",
    })
    expect(rules.onlyEntriesKnowNode(files)).toEqual([
      'src/endpoint/room.ts:1 imports ../platform/node/node-platform.ts: only the entries know which platform they run on; use the port',
    ])
  })

  test('that opens sockets or files, or does cryptography, where it should not', () => {
    const files = project({
      'src/platform/node/tcp.ts': "import net from 'node:net'\n",
      'src/session/a.ts': "import { Socket } from 'node:net'\nimport { createHash } from 'node:crypto'\n",
      'src/cli/a.ts': "import 'node:cluster'\n",
    })
    expect(rules.systemOnlyBehindThePort(files)).toEqual([
      'src/session/a.ts:1 imports node:net: only src/platform/node/ may',
      'src/session/a.ts:2 imports node:crypto: only src/crypto/, src/platform/node/node-random.ts, src/platform/node/file-store.ts, src/cli/process-lock.ts may',
      'src/cli/a.ts:1 imports node:cluster: is in no list; give it a place in BUILTINS with who may import it',
    ])
  })

  test('that imports a package which is none of ours, or ours elsewhere', () => {
    const files = project({
      'src/messaging/cbor.ts': "import { decode } from 'cborg'\nimport * as taglib from 'cborg/taglib'\n",
      'src/session/a.ts': "import { decode } from 'cborg'\nimport { z } from 'zod'\nimport net from 'net'\n",
    })
    expect(rules.dependenciesInTheirPlace(files)).toEqual([
      'src/session/a.ts:1 imports cborg: only src/messaging/cbor.ts may',
      'src/session/a.ts:2 imports zod: is no dependency; CONTRIBUTING.md says how to add one',
      'src/session/a.ts:3 imports net: is no dependency; CONTRIBUTING.md says how to add one',
    ])
  })

  test('that brings time or chance from outside, in code, not in comments', () => {
    const text = `/** Never setTimeout. */
const at = Date.now() // not performance.now()
clock.setTimeout(() => Math.random(), 'setInterval')
AbortSignal.timeout(5)
process.nextTick(send)
const date = new Date(value)
const { setTimeout } = globalThis
`
    const files = project({ 'src/session/a.ts': text, 'src/testing/a.ts': text })
    expect(
      rules.timeIsAnArgument(files).map(said => said.replace(': time is an argument: use the Clock port', '')),
    ).toEqual([
      'src/session/a.ts:2 has Date.now',
      'src/session/a.ts:4 has AbortSignal.timeout',
      'src/session/a.ts:5 has process',
      'src/session/a.ts:7 has setTimeout',
      'src/session/a.ts:7 has globalThis',
    ])
    expect(rules.chanceIsAnArgument(files)).toEqual([
      'src/session/a.ts:3 has Math.random: randomness is an argument: use the Random port',
      'src/testing/a.ts:3 has Math.random: randomness is an argument: use the Random port',
    ])
  })

  test('that has randomness of its own', () => {
    const files = project({
      'src/identity/a.ts': 'export class Dice implements Random {\n}\nconst dice: Random = {\n}\n',
      'src/testing/a.ts': 'export class Dice implements Random {\n}\n',
    })
    expect(rules.onlyTestingWeakensRandomness(files)).toHaveLength(2)
  })

  test('that is long without a reason, or has a reason without being long', () => {
    const files = project({
      'src/wire/a.ts': `${'\n'.repeat(rules.MAX_LINES)}//`,
      'src/wire/b.ts': '//\n'.repeat(rules.MAX_LINES),
      'src/endpoint/room.ts': '',
    })
    expect(rules.filesStaySmall(files)).toEqual([
      'src/wire/a.ts: has 451 lines; over 450 it needs a reason in LONG_FILES',
      'src/endpoint/room.ts: is no longer long; take it out of LONG_FILES',
    ])
  })
})
