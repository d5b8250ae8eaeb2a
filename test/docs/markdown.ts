/** Documents as tests read them. */

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Document {
  /** From the root: `docs/errors.md`. */
  readonly path: string
  readonly text: string
}

export interface CodeBlock {
  readonly document: string
  /** Of the line with the backquotes. */
  readonly line: number
  /** What follows the backquotes: `ts`, `sh`, `ts no-run: needs a screen`. */
  readonly info: string
  readonly code: string
}

export interface Section {
  /** Without the #s. */
  readonly heading: string
  readonly body: string
}

export function readDocument(path: string): Document {
  return { path, text: readFileSync(`${ROOT}/${path}`, 'utf8') }
}

/** README.md and every page under docs/. */
export function readDocuments(): Document[] {
  const pages = readdirSync(`${ROOT}/docs`, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name.replaceAll('\\', '/')}`)
  return ['README.md', ...pages.sort()].map(readDocument)
}

export function codeBlocks({ path, text }: Document): CodeBlock[] {
  return [...text.matchAll(/^```(?<info>[^\n`]*)\n(?<code>.*?)^```$/gms)].map(({ groups, index }) => ({
    document: path,
    line: text.slice(0, index).split('\n').length,
    info: groups!['info']!.trim(),
    code: groups!['code']!,
  }))
}

/** The parts under headings of this level. */
export function sections({ text }: Document, level: number): Section[] {
  const [, ...parts] = text.split(new RegExp(`^${'#'.repeat(level)} `, 'm'))
  return parts.map(part => {
    const [heading = '', ...body] = part.split('\n')
    return { heading, body: body.join('\n').trim() }
  })
}

/** The rows of all tables, without heads: a text for each cell. */
export function tableRows({ text }: Document): string[][] {
  return [...text.matchAll(/^\|(?<row>.*)\|$/gm)]
    .map(({ groups }) => groups!['row']!.split('|').map(cell => cell.trim()))
    .filter((_, index, rows) => !isRule(rows[index]) && !isRule(rows[index + 1]))
}

function isRule(cells: readonly string[] | undefined): boolean {
  return cells?.every(cell => /^:?-+:?$/.test(cell)) ?? false
}
