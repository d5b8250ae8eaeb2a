/** What a command gets to work with, and how it is run: interrupts, errors and exit codes are settled here for all. */

import type { Command } from 'commander'
import { errorEvent, reportError } from './error-report.ts'
import { EXIT_CODES, type ExitCode, exitCodeOf, InterruptedError, OutputClosedError } from './exit-code.ts'
import { Interrupt } from './interrupt.ts'
import { Output } from './output.ts'
import { readSettings, type Settings } from './settings.ts'

export interface CommandContext {
  readonly settings: Settings
  readonly output: Output
  /** Aborts when the user wants to leave. */
  readonly interrupt: Interrupt
}

/** What a command does. It leaves politely when the interrupt's signal aborts, and then may return or reject. */
export type CommandBody = (context: CommandContext) => Promise<void>

/** How the definition of a command hands over what it does. */
export type RunCommand = (command: Command, body: CommandBody) => Promise<void>

/** Runs `body` and returns the exit code. Never rejects. */
export async function runCommand(command: Command, body: CommandBody): Promise<ExitCode> {
  const settings = readSettings(command)
  const { stdout, stderr, env } = process
  const output = new Output({ stdout, stderr, json: settings.json, env })
  const interrupt = new Interrupt(code => process.exit(code))
  const onOutputError = (): void => interrupt.trigger(new OutputClosedError('nobody reads the output'))
  stdout.on('error', onOutputError)
  interrupt.start()
  try {
    await body({ settings, output, interrupt })
    return interrupt.signal.aborted ? exitCodeOf(interrupt.signal.reason) : EXIT_CODES.done
  } catch (error) {
    return fail(error, output)
  } finally {
    interrupt.stop()
  }
}

function fail(error: unknown, output: Output): ExitCode {
  const isLeaving = error instanceof InterruptedError || error instanceof OutputClosedError
  if (!isLeaving) {
    output.event('error', errorEvent(error))
    for (const line of reportError(error, output.noteStyle, output.noteColumns)) output.note(line)
    if (process.env['EARSHOT_DEBUG'] && error instanceof Error) output.note(error.stack ?? '')
  }
  return exitCodeOf(error)
}
