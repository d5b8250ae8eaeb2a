import { Command, Option } from 'commander'
import { expect, test } from 'vitest'
import { HELP_LAYOUT, reportUsage, wrapProse } from './help.ts'

test('paragraphs are wrapped, and lines that begin with blanks stay as they are', () => {
  const text = '\nOne two three\nfour five.\n\nExamples:\n  $ earshot a long line that stays\nThe end.'
  expect(wrapProse(text, 14)).toBe(
    '\nOne two three\nfour five.\n\nExamples:\n  $ earshot a long line that stays\nThe end.',
  )
  expect(wrapProse(text, 40)).toBe(
    '\nOne two three four five.\n\nExamples:\n  $ earshot a long line that stays\nThe end.',
  )
  expect(wrapProse('a-word-longer-than-that b', 5)).toBe('a-word-longer-than-that\nb')
})

test('defaults that only have words are shown, and that a flag is off is not', () => {
  const help = new Command('x')
    .configureHelp(HELP_LAYOUT)
    .addOption(new Option('--name <name>', 'what others call you').default(undefined, 'the host name'))
    .option('--count <n>', 'how many', Number, 4)
    .option('--all', 'everybody', false)
    .helpInformation()
  expect(help).toMatch(/what others call you \(default: the host name\)/)
  expect(help).toMatch(/how many \(default: 4\)/)
  expect(help).toMatch(/everybody$/m)
})

test('the list of commands has the way of using each', () => {
  const program = new Command('x').configureHelp(HELP_LAYOUT)
  program.command('ask').usage('[options] <name> <question>\n       x ask --all <question>')
  program.command('chat').argument('[room]')
  expect(program.helpInformation()).toMatch(/^ {2}ask <name> <question> *\n {2}chat \[room\] *$/m)
})

test('bad usage looks like every other error', () => {
  expect(reportUsage("error: unknown option '--tiemout'\n(Did you mean --timeout?)\n")).toBe(
    "earshot: unknown option '--tiemout' (Did you mean --timeout?)\n" +
      "  hint: 'earshot --help' and 'earshot <command> --help' show how it is used.\n",
  )
})
