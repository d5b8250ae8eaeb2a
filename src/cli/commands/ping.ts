/** `earshot ping NAME`: round trips to a peer, and the path they take. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Peer } from '../../index.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { formatDuration } from '../duration.ts'
import { findPeer } from '../find-peer.ts'
import { details } from '../help.ts'
import { describePath } from '../peer-path.ts'
import { printableName } from '../printable.ts'
import { countArgument, durationArgument, patienceMs } from '../settings.ts'
import { visitRoom } from '../visit-room.ts'
import { showWarnings } from '../warnings.ts'

const EXAMPLES = `
Examples:
  $ earshot ping Ada
  $ earshot ping Ada --count 100 --interval 20ms
  $ earshot ping Ada --json`

interface PingOptions {
  readonly count: number
  /** Pause between two round trips, in milliseconds. */
  readonly interval: number
}

export function addPing(program: Command, run: RunCommand): void {
  program
    .command('ping')
    .description('measure round trips to a peer')
    .argument('<name>', 'name, id or address of the peer')
    .option('-c, --count <number>', 'how many round trips', countArgument, 4)
    .option('--interval <duration>', 'pause between two (default: 1s)', durationArgument)
    .addHelpText('after', details(EXAMPLES))
    .action((name: string, options: Partial<PingOptions>, command: Command) =>
      run(command, context => ping(context, name, { count: 4, interval: 1_000, ...options })),
    )
}

async function ping(context: CommandContext, name: string, options: PingOptions): Promise<void> {
  const { signal } = context.interrupt
  const timeoutMs = patienceMs(context.settings)
  await visitRoom(context, { visible: false }, async room => {
    showWarnings(room, context.output)
    const peer = await findPeer(room, name, { timeoutMs, signal })
    const roundTripsMs: number[] = []
    for (let seq = 1; seq <= options.count; seq++) {
      if (seq > 1) await sleep(options.interval, undefined, { signal })
      roundTripsMs.push(await pingOnce(context, peer, seq))
    }
    summarise(context, peer, roundTripsMs)
  })
}

async function pingOnce({ output, interrupt }: CommandContext, peer: Peer, seq: number): Promise<number> {
  const rttMs = await peer.ping({ signal: interrupt.signal })
  output.event('pong', { id: peer.id, name: peer.name, seq, rttMs, path: peer.path })
  output.line(`${printableName(peer.name)}: ${formatDuration(rttMs)}, ${describePath(peer.path)}`)
  return rttMs
}

function summarise({ output }: CommandContext, peer: Peer, roundTripsMs: readonly number[]): void {
  const sorted = roundTripsMs.toSorted((a, b) => a - b)
  const minMs = sorted[0]!
  const medianMs = (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
  const maxMs = sorted.at(-1)!
  output.event('summary', { id: peer.id, count: sorted.length, minMs, medianMs, maxMs })
  const [min, median, max] = [minMs, medianMs, maxMs].map(formatDuration)
  output.line(`${sorted.length} round trips: at least ${min}, median ${median}, at most ${max}`)
}
