/** `earshot interfaces`: every network interface of this machine, and which of them are used. */

import type { Command } from 'commander'
import { defaultInterfaces, interfaces, type NetworkInterface } from '../../net.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { details } from '../help.ts'
import { printableName } from '../printable.ts'
import { layoutTable } from '../table.ts'

const EXAMPLES = `
Interfaces are shown in the order in which they are preferred, with those that are down. 'yes' in the column USED means
that rooms use the interface: by the library's choice, or by --interface.

Examples:
  $ earshot interfaces
  $ earshot interfaces --interface 'wl*'
  $ earshot interfaces --json`

const COLUMNS = [
  { title: 'NAME', dropOrder: 0 },
  { title: 'KIND', dropOrder: 2 },
  { title: 'STATE', dropOrder: 1 },
  { title: 'USED', dropOrder: 0 },
  { title: 'ADDRESSES', dropOrder: 0 },
] as const

export function addInterfaces(program: Command, run: RunCommand): void {
  program
    .command('interfaces')
    .description('list the network interfaces of this machine')
    .addHelpText('after', details(EXAMPLES))
    .action((_options: unknown, command: Command) => run(command, listInterfaces))
}

async function listInterfaces({ settings, output }: CommandContext): Promise<void> {
  const all = interfaces()
  const used = new Set(defaultInterfaces(all, settings.interfaces.length > 0 ? { include: settings.interfaces } : {}))
  for (const item of all) output.event('interface', { ...item, isUsed: used.has(item) })
  const rows = all.map(item => row(item, used.has(item)))
  for (const line of layoutTable(COLUMNS, rows, output.columns)) output.line(line)
}

function row({ name, kind, isUp, addresses }: NetworkInterface, isUsed: boolean): string[] {
  const shown = addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`)
  return [printableName(name), kind, isUp ? 'up' : 'down', isUsed ? 'yes' : '', shown.join(' ')]
}
