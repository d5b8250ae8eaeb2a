/** The options that every command takes, defined once on the program. */

import { type Command, InvalidArgumentError, Option } from 'commander'
import { parseDuration } from './duration.ts'
import { addInternetFlags, type InternetSettings, internetOptions, readInternetFlags } from './internet-flags.ts'

export interface Settings {
  /** Undefined: the host name. */
  readonly name: string | undefined
  /** Undefined where it was not given: `lobby`, or every room for the command that looks around. */
  readonly room: string | undefined
  readonly json: boolean
  /** Undefined where it was not given: each command has its own default. */
  readonly timeoutMs: number | undefined
  /** Names or patterns; empty: the ranked choice of the library. */
  readonly interfaces: readonly string[]
  readonly secret: string | undefined
  /** Addresses where peers may be, beside those that are found; with a rendezvous also their ids. */
  readonly peers: readonly string[]
  readonly internet: InternetSettings
}

export const DEFAULT_ROOM = 'lobby'
const DEFAULT_TIMEOUT_MS = 5_000
/** Through NATs: a direct path, or the knowledge that there is none, takes as long. */
const DEFAULT_FAR_TIMEOUT_MS = 25_000

export function addSettings(program: Command): void {
  program
    .addOption(new Option('-n, --name <name>', 'what others call you').default(undefined, 'the host name'))
    .addOption(new Option('-r, --room <room>', 'the room to use').default(undefined, `${DEFAULT_ROOM}; of 'who', all`))
    .addOption(new Option('--secret <text>', 'closes the room to those with the same secret').env('EARSHOT_SECRET'))
    .addOption(
      new Option('-i, --interface <name>', 'use only this interface, or those like wl*; may be repeated').argParser(
        repeatable,
      ),
    )
    .addOption(
      new Option(
        '--peer <address>',
        'a peer of the room beside those that are found: its address, as 192.168.0.2:4112, or with a rendezvous its id; may be repeated',
      ).argParser(repeatable),
    )
    .addOption(
      new Option('-t, --timeout <duration>', 'how long to wait for others, like 500ms, 5s, 2m')
        .default(undefined, 'mostly 5s, over the Internet 25s')
        .argParser(durationArgument),
    )
  addInternetFlags(program)
  program.addOption(new Option('--json', 'one JSON object a line on stdout, nothing else there').default(false))
}

function repeatable(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value]
}

export function readSettings(command: Command): Settings {
  const options = command.optsWithGlobals()
  return {
    name: options['name'],
    room: options['room'],
    json: options['json'],
    timeoutMs: options['timeout'],
    interfaces: options['interface'] ?? [],
    secret: options['secret'],
    peers: options['peer'] ?? [],
    internet: readInternetFlags(options),
  }
}

/** How long a command waits for one peer that it needs, and then for what it asked it. */
export function patienceMs({ timeoutMs, internet }: Settings): number {
  return timeoutMs ?? (internetOptions(internet) ? DEFAULT_FAR_TIMEOUT_MS : DEFAULT_TIMEOUT_MS)
}

/** For options that take a duration. */
export function durationArgument(text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    throw new InvalidArgumentError((error as RangeError).message)
  }
}

/** For options that take a count from 1 on. */
export function countArgument(text: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError(`'${text}' is not a number from 1 on`)
  return count
}
