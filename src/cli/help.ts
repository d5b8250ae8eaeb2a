/** How the commands say what they do, and what was wrong with a command line: on every terminal as wide as it is. */

import { type AddHelpTextContext, type Command, Help, type Option } from 'commander'
import { reportError } from './error-report.ts'
import { UsageError } from './exit-code.ts'
import { styleFor } from './style.ts'
import { textWidth } from './text-width.ts'

/** Of what is no terminal, and the most that prose takes: longer lines are hard to read. */
const DEFAULT_COLUMNS = 80
const MAX_PROSE_COLUMNS = 100

const plain = new Help()

/** For `configureHelp`. */
export const HELP_LAYOUT: Partial<Help> = {
  showGlobalOptions: true,
  optionDescription: option => plain.optionDescription(asDescribed(option)),
  subcommandTerm: command => `${command.name()} ${shortUsage(command)}`.trim(),
}

/** Text below the options, for `addHelpText('after', …)`: paragraphs are wrapped, lines that begin with blanks stay. */
export function details(text: string): (context: AddHelpTextContext) => string {
  return ({ error }) => {
    const { columns = DEFAULT_COLUMNS } = error ? process.stderr : process.stdout
    return wrapProse(text, Math.min(columns, MAX_PROSE_COLUMNS))
  }
}

export function wrapProse(text: string, columns: number): string {
  const lines: string[] = []
  let paragraph: string[] = []
  const endParagraph = (): void => {
    if (paragraph.length > 0) lines.push(...wrapWords(paragraph.join(' ').split(' '), columns))
    paragraph = []
  }
  for (const line of text.split('\n')) {
    if (/^\S/.test(line)) {
      paragraph.push(line)
      continue
    }
    endParagraph()
    lines.push(line)
  }
  endParagraph()
  return lines.join('\n')
}

/** What was wrong with a command line, as all other errors look. `text` is Commander's. */
export function reportUsage(text: string): string {
  const error = new UsageError(
    text
      .trimEnd()
      .replace(/^error: /, '')
      .replaceAll(/\n\(?/g, ' ('),
  )
  const lines = reportError(
    error,
    styleFor(process.stderr, process.env),
    process.stderr.columns ?? Number.POSITIVE_INFINITY,
  )
  return `${lines.join('\n')}\n`
}

function wrapWords(words: readonly string[], columns: number): string[] {
  const lines: string[] = []
  for (const word of words) {
    const longer = `${lines.at(-1)} ${word}`
    if (lines.length > 0 && textWidth(longer) <= columns) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}

/** A default that only has words is shown as well; that what is not asked for is off goes without saying. */
function asDescribed(option: Option): Option {
  const { defaultValue, defaultValueDescription } = option
  const shown = defaultValue === false ? undefined : (defaultValueDescription ?? defaultValue)
  return Object.create(option, { defaultValue: { value: shown } })
}

/** The first way of using it, without what every command has. */
function shortUsage(command: Command): string {
  return command
    .usage()
    .split('\n', 1)[0]!
    .replace('[options] ', '')
    .replace(/ ?\[options\]/, '')
}
