/** `earshot compat …`: talk to programs that exist, by a bridge of JSON lines. */

import type { Command } from 'commander'
import type { RunCommand } from '../command-context.ts'
import { details } from '../help.ts'
import { addBridge } from './bridge.ts'
import { addPeerpy } from './peerpy.ts'
import { addPythonConnect } from './pythonconnect.ts'

const DETAILS = `
Commands come on stdin, one JSON object a line; what happens is told on stdout, with --json one JSON object a line. The end
of stdin, {"op":"close"} and Ctrl-C leave. Nothing is encrypted, and nobody proves who they are: these programs have
neither.`

const PROGRAMS: readonly ((group: Command, run: RunCommand) => void)[] = [addPeerpy, addPythonConnect, addBridge]

/** The group; each program that is spoken to adds itself to it. */
export function addCompat(program: Command, run: RunCommand): void {
  const group = program
    .command('compat')
    .description('talk to peerpy and pythonConnect on their own protocols, from any language')
    .addHelpText('after', details(DETAILS))
  for (const add of PROGRAMS) add(group, run)
}
