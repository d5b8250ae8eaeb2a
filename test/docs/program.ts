/**
 * The code blocks of documents as programs. A block is a module; here it becomes the body of an async function, whose
 * imports come from whoever runs it: `import { join } from 'earshot'` is `const { join } = await load('earshot')`. So one
 * block can run on several simulated hosts at a time, each with an `earshot` that knows its host.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CodeBlock } from './markdown.ts'

export interface ProgramEnvironment {
  load(specifier: string): Promise<unknown>
  readonly console: { log(...values: readonly unknown[]): void }
}

export type Program = (environment: ProgramEnvironment) => Promise<void>

/** The language of a block, and the reason for which it is not run, where its info says `no-run: reason`. */
export function instructions({ info }: CodeBlock): { readonly language: string; readonly notRun: string | undefined } {
  const [, language = '', notRun] = /^(\w*)(?:\s+no-run:?\s*(.*))?$/.exec(info) ?? [undefined, info]
  return { language, notRun }
}

export async function loadProgram(block: CodeBlock): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-docs-'))
  const file = join(folder, `block.${instructions(block).language}`)
  try {
    writeFileSync(file, asFunction(block.code))
    const { default: program }: { default: Program } = await import(file)
    return program
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** `import a, { b as c, type D } from 'e'`, `import * as f from 'g'`, `import 'h'`. */
const IMPORT =
  /^import (?<type>type )?(?:(?<star>\* as \w+)|(?<name>\w+)?(?:, )?(?<names>\{[^}]*\})?)(?: from )?'(?<from>[^']+)'$/gm

export function asFunction(code: string): string {
  const body = code.replace(IMPORT, (...args) => {
    const { type, star, name, names, from } = args.at(-1)
    if (type) return ''
    const module = `await load('${from}')`
    if (star) return `const ${star.slice('* as '.length)} = ${module}`
    const bindings = [...(name ? [`default: ${name}`] : []), ...valueNames(names)]
    return bindings.length === 0 ? module : `const { ${bindings.join(', ')} } = ${module}`
  })
  return `export default async function program({ load, console }) {\n${body}\n}\n`
}

/** `{ a, type B, c as d }` binds a, and c as d. */
function valueNames(names: string | undefined): string[] {
  if (names === undefined) return []
  const list = names.slice(1, -1).split(',')
  return list
    .map(name => name.trim())
    .filter(name => name !== '' && !name.startsWith('type '))
    .map(name => name.replace(' as ', ': '))
}
