#!/usr/bin/env node
/** The command `earshot`. */

import { readFileSync } from 'node:fs'
import { CommanderError } from 'commander'
import { runCommand } from './command-context.ts'
import { EXIT_CODES, type ExitCode } from './exit-code.ts'
import { createProgram } from './program.ts'

async function main(): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT_CODES.done
  const program = createProgram(version(), async (command, body) => {
    exitCode = await runCommand(command, body)
  })
  try {
    await program.parseAsync()
    return exitCode
  } catch (error) {
    // Help and version are such errors too, with the exit code 0. Commander has told the user what was wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.done : EXIT_CODES.usage
    throw error
  }
}

function version(): string {
  const description: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  return description.version
}

// A reader that has gone away is noticed by the command itself; that nobody reads the notes is nobody's business.
process.stderr.on('error', () => {})
process.stdout.on('error', () => {})
process.exitCode = await main()
