/** `earshot doctor`: what is wrong here, and how to mend it. */

import { type Command, Option } from 'commander'
import {
  type CheckInternetOptions,
  checkInternet,
  checkInternetArguments,
  checkLan,
  type OutlookRow,
} from '../../doctor.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { configFolder } from '../config-folder.ts'
import { UsageError } from '../exit-code.ts'
import { findingLines, type ShownFinding } from '../finding-view.ts'
import { details } from '../help.ts'
import { withServers } from '../internet-flags.ts'
import { checkIdentity, checkNode } from '../own-checks.ts'
import { durationArgument, type Settings } from '../settings.ts'
import { layoutTable } from '../table.ts'

const EXAMPLES = `
Checks what finding and reaching peers in the LAN needs: nothing goes to the Internet, and on the LAN two questions are asked
that rooms ask. With --internet also the servers that you name, the NAT, and the router, on which a port is mapped and given
back. It has no servers of its own: a server learns your address, so you choose whom to ask.

Examples:
  $ earshot doctor
  $ earshot doctor --interface wlan0 --json
  $ earshot doctor --internet --stun stun.example.org
  $ EARSHOT_TURN_PASSWORD=tea earshot doctor --internet --turn turn:ada@turn.example.org
  $ earshot doctor --internet --stun stun.example.org --rendezvous mqtts://broker.example.org --lifetime 2m`

const OUTLOOK_COLUMNS = [
  { title: 'THE OTHER SIDE HAS', dropOrder: 0 },
  { title: 'A DIRECT PATH IS', dropOrder: 0 },
  { title: 'BY', dropOrder: 1 },
] as const

const CHANCES: Readonly<Record<OutlookRow['chance'], string>> = {
  certain: 'certain',
  likely: 'likely',
  luck: 'a matter of luck',
  unknown: 'not known',
  'relay-only': 'impossible: relay only',
}

interface DoctorOptions {
  readonly internet?: boolean
  /** False: `--no-lifetime`. */
  readonly lifetime?: number | false
}

export function addDoctor(program: Command, run: RunCommand): void {
  program
    .command('doctor')
    .description('find out what is wrong, and how to mend it')
    .option('--internet', 'check as well what paths across the Internet need')
    .addOption(
      new Option('--lifetime <duration>', 'the longest silence after which a mapping of the NAT is looked at')
        .default(undefined, '20s')
        .argParser(durationArgument),
    )
    .option('--no-lifetime', 'do not wait for that')
    .addHelpText('after', details(EXAMPLES))
    .action((options: DoctorOptions, command: Command) =>
      run(command, async context => {
        if (!options.internet) refuseIdleServers(command)
        await diagnose(context, options)
      }),
    )
}

async function diagnose(context: CommandContext, options: DoctorOptions): Promise<void> {
  const { settings, output, interrupt } = context
  const { signal } = interrupt
  const internet = internetOptions(options, settings)
  const counts = { ok: 0, note: 0, problem: 0 }
  const onFinding = (finding: ShownFinding): void => {
    counts[finding.verdict]++
    output.event('finding', { ...finding })
    for (const line of findingLines(finding, output.style, output.columns)) output.line(line)
  }
  onFinding(checkNode(process.version))
  onFinding(await checkIdentity(configFolder()))
  const interfaces = settings.interfaces.length > 0 ? { include: settings.interfaces } : {}
  await checkLan({ interfaces, signal, onFinding })
  if (internet) await lookOutside(context, { ...internet, signal, onFinding })
  output.event('summary', { problems: counts.problem, notes: counts.note })
  output.line('')
  output.line(output.style.bold(summary(counts)))
  if (counts.problem > 0)
    throw new Error(counts.problem === 1 ? 'there is a problem' : `there are ${counts.problem} problems`)
}

async function lookOutside({ output }: CommandContext, options: CheckInternetOptions): Promise<void> {
  if (options.lifetimeMs !== 0)
    output.note('Looking across the Internet. This takes up to half a minute, longer with a longer --lifetime.')
  const { outlook } = await checkInternet(options)
  if (!outlook) return
  for (const row of outlook.rows) output.event('likelihood', { ...row })
  output.event('advice', { advice: outlook.advice })
  output.line('')
  const rows = outlook.rows.map(({ remote, chance, transport, by }) => [
    remote === 'none' ? 'no NAT' : remote,
    CHANCES[chance],
    transport && chance !== 'unknown'
      ? [transport.toUpperCase(), ...(by && by !== 'plain' ? [by] : [])].join(', ')
      : '',
  ])
  for (const line of layoutTable(OUTLOOK_COLUMNS, rows, output.columns)) output.line(line)
  if (outlook.advice.length > 0) output.line('')
  for (const sentence of outlook.advice) output.line(`→ ${sentence}`)
}

/** A server in an argument is meant to be asked; one in a variable may be there for other commands. */
function refuseIdleServers(command: Command): void {
  const isGiven = (name: string) => command.getOptionValueSourceWithGlobals(name) === 'cli'
  const idle = ['stun', 'turn', 'rendezvous', 'lifetime'].find(isGiven)
  if (idle !== undefined) throw new UsageError(`--${idle} is of use with --internet only`)
}

/** Undefined: not asked for. */
function internetOptions({ internet, lifetime }: DoctorOptions, settings: Settings): CheckInternetOptions | undefined {
  if (!internet) return undefined
  const { rendezvous = [], stun = [], turn = [] } = withServers(settings.internet)
  const { timeoutMs } = settings
  return checked({
    stun,
    turn: turn.flatMap(({ urls, username, credential }) =>
      [urls].flat().map(server => ({ server, username, credential })),
    ),
    rendezvous: rendezvous.filter(broker => typeof broker === 'string'),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(lifetime !== undefined && { lifetimeMs: lifetime === false ? 0 : lifetime }),
  })
}

function summary({ problem, note }: { readonly problem: number; readonly note: number }): string {
  const count = (n: number, word: string): string => (n === 0 ? `no ${word}s` : n === 1 ? `1 ${word}` : `${n} ${word}s`)
  return `${count(problem, 'problem')}, ${count(note, 'note')}`
}

/** What the library says of arguments, the user has typed. */
function checked(options: CheckInternetOptions): CheckInternetOptions {
  try {
    checkInternetArguments(options)
    return options
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
