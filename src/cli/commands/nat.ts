/** `earshot nat`: what the NAT between this machine and the Internet does. */

import type { Command } from 'commander'
import { EarshotError } from '../../errors.ts'
import {
  discoverBehaviour,
  type MappingLifetime,
  measureMappingLifetime,
  type NatBehaviour,
  type PortAllocation,
  type ServerReport,
  type SocketAddress,
} from '../../nat.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { formatDuration } from '../duration.ts'
import { UsageError } from '../exit-code.ts'
import { details } from '../help.ts'
import { printableText } from '../printable.ts'
import { layoutTable } from '../table.ts'

const EXAMPLES = `
Asks STUN servers how they see this machine. It has none of its own: a server learns your address, so you choose whom to ask.
Several are asked at once; one with two addresses (RFC 5780), such as coturn, can tell everything.

Examples:
  $ earshot nat --stun stun.example.org
  $ earshot nat --stun 192.0.2.1:3478 --stun stuns:stun.example.org --json
  $ EARSHOT_STUN=stun.example.org earshot nat --lifetime`

const BEHAVIOUR_COLUMNS = [
  { title: '', dropOrder: 0 },
  { title: 'UDP', dropOrder: 0 },
  { title: 'TCP', dropOrder: 1 },
] as const

const SERVER_COLUMNS = [
  { title: 'SERVER', dropOrder: 0 },
  { title: 'UDP', dropOrder: 0 },
  { title: 'TCP', dropOrder: 1 },
] as const

interface NatOptions {
  readonly ipv6?: boolean
  readonly lifetime?: boolean
}

export function addNat(program: Command, run: RunCommand): void {
  program
    .command('nat')
    .description('find out how the NAT of this network behaves')
    .option('-6, --ipv6', 'ask over IPv6')
    .option('--lifetime', 'measure as well how long a mapping lives without traffic: takes some minutes')
    .addHelpText('after', details(EXAMPLES))
    .action((options: NatOptions, command: Command) => run(command, context => nat(context, options)))
}

async function nat({ settings, output, interrupt }: CommandContext, options: NatOptions): Promise<void> {
  const { ipv6, lifetime } = options
  const servers = settings.internet.stun
  if (servers.length === 0) {
    throw new UsageError('name a STUN server with --stun or EARSHOT_STUN: none is asked unless you say so')
  }
  const { signal } = interrupt
  const common = { family: ipv6 ? 'ipv6' : 'ipv4', timeoutMs: settings.timeoutMs ?? 5_000, signal } as const
  const behaviour = await discoverBehaviour({ servers, ...common }).catch(asUsageError)
  output.event('nat', forJson(behaviour))
  for (const line of describe(behaviour, output.columns)) output.line(line)
  const answering = answeringServer(behaviour)
  if (answering === undefined) throw nobodyAnswered(servers)
  if (!lifetime) return
  const udp = behaviour.udp?.servers.find(({ mapped }) => mapped)?.server
  if (udp === undefined)
    throw new EarshotError('unreachable', 'no server answers over UDP, so no lifetime can be measured')
  output.note('Measuring how long a mapping lives. This takes some minutes; Ctrl-C ends it.')
  const measured = await measureMappingLifetime({ server: udp, ...common })
  output.event('lifetime', { ...measured, server: udp })
  output.line(`mapping lifetime: ${describeLifetime(measured)}`)
}

/** What the library says of arguments, the user has typed. */
function asUsageError(error: unknown): never {
  if (error instanceof RangeError) throw new UsageError(error.message)
  throw error
}

function answeringServer({ udp, tcp }: NatBehaviour): ServerReport | undefined {
  return [...(udp?.servers ?? []), ...(tcp?.servers ?? [])].find(({ mapped }) => mapped)
}

function nobodyAnswered(servers: readonly string[]): EarshotError {
  const names = servers.length === 1 ? servers[0]! : `any of ${servers.length} servers`
  return new EarshotError('unreachable', `no answer from ${names}`, {
    hint: 'Is this machine online, and is that a STUN server? A firewall may block UDP and TCP to it.',
  })
}

function describe({ udp, tcp, udpBlocked }: NatBehaviour, columns: number): string[] {
  const rows = [
    ['mapping', udp?.mapping, tcp?.mapping],
    ['filtering', udp?.filtering, ''],
    ['hairpinning', udp?.hairpinning, ''],
    ['port allocation', describePorts(udp?.portAllocation), describePorts(tcp?.portAllocation)],
    ['mapped address', describeAddress(udp?.mapped), describeAddress(tcp?.mapped)],
    ['local port', String(udp?.localPort ?? ''), String(tcp?.localPort ?? '')],
  ]
  const table = layoutTable(
    BEHAVIOUR_COLUMNS,
    rows.map(cells => cells.map(cell => cell ?? '')),
    columns,
  )
  const blocked = udpBlocked === 'yes' ? ['', 'UDP is blocked: servers answer over TCP only.'] : []
  return [...table, ...blocked, '', ...layoutTable(SERVER_COLUMNS, serverRows(udp?.servers, tcp?.servers), columns)]
}

function serverRows(udp: readonly ServerReport[] = [], tcp: readonly ServerReport[] = []): string[][] {
  const names = [...new Set([...udp, ...tcp].map(({ server }) => server))]
  return names.map(name => [
    name,
    ...[udp, tcp].map(reports => describeServer(reports.find(({ server }) => server === name))),
  ])
}

function describeServer(report: ServerReport | undefined): string {
  if (report === undefined) return ''
  if (report.error) return printableText(report.error.message)
  return report.rttMs === undefined ? 'not waited for' : formatDuration(report.rttMs)
}

function describePorts(ports: PortAllocation | undefined): string {
  if (ports?.kind === 'sequential') return `sequential (${signed(ports.delta)})`
  if (ports?.kind === 'preserving' && ports.offset !== 0) return `preserving (${signed(ports.offset)})`
  return ports?.kind ?? ''
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value)
}

function describeAddress(address: SocketAddress | undefined): string {
  if (address === undefined) return ''
  return address.address.includes(':') ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`
}

function describeLifetime({ atLeastMs, atMostMs, method }: MappingLifetime): string {
  if (method === 'unknown') return 'unknown; a server with RESPONSE-PORT (RFC 5780) could tell'
  if (atMostMs === undefined) return `${formatDuration(atLeastMs)} or more`
  return atLeastMs === 0
    ? `less than ${formatDuration(atMostMs)}`
    : `${formatDuration(atLeastMs)} to ${formatDuration(atMostMs)}`
}

/** Errors as objects; what is undefined is left out. */
function forJson({ family, udp, tcp, udpBlocked }: NatBehaviour): Readonly<Record<string, unknown>> {
  const reports = (servers: readonly ServerReport[]) =>
    servers.map(({ error, ...report }) => ({ ...report, error: error && { code: error.code, message: error.message } }))
  return {
    family,
    udpBlocked,
    udp: udp && { ...udp, servers: reports(udp.servers) },
    tcp: tcp && { ...tcp, servers: reports(tcp.servers) },
  }
}
