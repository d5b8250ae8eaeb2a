/** A source file as the rules see it: what it imports, and its code without comments and strings. */

import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Import {
  readonly specifier: string
  /** What a relative specifier leads to, from the root: `src/wire/varint.ts`. Otherwise undefined. */
  readonly target: string | undefined
  /** Nothing of it is left at run time. */
  readonly isTypeOnly: boolean
  readonly line: number
}

export interface SourceFile {
  /** From the root, with slashes: `src/wire/varint.ts`. */
  readonly path: string
  readonly imports: readonly Import[]
  /** Comments and the contents of strings blanked out; lines are where they were. */
  readonly code: string
  readonly lineCount: number
}

/** Every file under src/ that is published: tests may import what they like. */
export function readSources(): SourceFile[] {
  return readdirSync(`${ROOT}/src`, { recursive: true, encoding: 'utf8' })
    .map(name => posix.join('src', name.replaceAll('\\', '/')))
    .filter(path => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .sort()
    .map(path => sourceFile(path, readFileSync(`${ROOT}/${path}`, 'utf8')))
}

export function sourceFile(path: string, text: string): SourceFile {
  return {
    path,
    imports: importsOf(path, text),
    code: withoutCommentsAndStrings(text),
    lineCount: text.trimEnd().split('\n').length,
  }
}

/** `import … from 'x'` and `export … from 'x'`, `import 'x'`; `import('x')` as a call or as a type. */
const STATIC =
  /^(?:import|export)(?<type> type)?\b(?<names>[\w$\s,*]*(?:\{[^}]*\})?\s*)\bfrom '(?<from>[^']+)'|^import '(?<bare>[^']+)'/gm
const DYNAMIC = /(?<!^\s*(?:\*|\/\/).*)\bimport\('(?<dynamic>[^']+)'\)/gm

function importsOf(path: string, text: string): Import[] {
  return [...text.matchAll(STATIC), ...text.matchAll(DYNAMIC)].map(({ groups = {}, index }) => {
    const specifier = groups['from'] ?? groups['bare'] ?? groups['dynamic'] ?? ''
    return {
      specifier,
      target: specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined,
      isTypeOnly: groups['type'] !== undefined || namesOnlyTypes(groups['names']),
      line: text.slice(0, index).split('\n').length,
    }
  })
}

/** `{ type A, type B }` */
function namesOnlyTypes(names: string | undefined): boolean {
  const list = names?.match(/^\s*\{(?<list>[^}]*)\}\s*$/)?.groups?.['list']
  return list?.split(',').every(name => name.trim() === '' || name.trim().startsWith('type ')) ?? false
}

const COMMENT_OR_STRING = /\/\*[\s\S]*?\*\/|\/\/.*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g

function withoutCommentsAndStrings(text: string): string {
  return text.replace(COMMENT_OR_STRING, token => token.replace(/[^\n]/g, ' '))
}
