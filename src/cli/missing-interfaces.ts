/** A name that `--interface` gives may be mistyped, or belong to something that is plugged in later: it is said which. */

import { defaultInterfaces, interfaces } from '../net.ts'
import type { CommandContext } from './command-context.ts'
import { printableName, printableText } from './printable.ts'

/** Warns of every name or pattern that no usable interface fits at present, and names those there are. */
export function warnOfMissingInterfaces({ settings, output }: Pick<CommandContext, 'settings' | 'output'>): void {
  const all = interfaces()
  const usable = defaultInterfaces(all, { include: ['*'] }).map(({ name }) => printableName(name))
  for (const pattern of settings.interfaces) {
    if (defaultInterfaces(all, { include: [pattern] }).length > 0) continue
    const there = usable.length > 0 ? `there are ${usable.join(', ')}` : 'there is none at all'
    const message = `no interface '${pattern}' can be used now; ${there}`
    output.event('warning', { code: 'no-network', message })
    output.note(printableText(`warning: ${message}`))
  }
}
