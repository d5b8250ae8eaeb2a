/** `earshot`: who is around, in a table that stays up to date. */

import type { Command } from 'commander'
import { discover, type Peer, type Room } from '../../index.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { formatDuration } from '../duration.ts'
import { NobodyFoundError, UsageError } from '../exit-code.ts'
import { details } from '../help.ts'
import { LiveView } from '../live-view.ts'
import { warnOfMissingInterfaces } from '../missing-interfaces.ts'
import { nearest } from '../nearest.ts'
import type { Output } from '../output.ts'
import { Presence, type PresentPeer, presenceEvent } from '../presence.ts'
import { durationArgument } from '../settings.ts'
import { untilAborted } from '../until-aborted.ts'
import { visitRoom } from '../visit-room.ts'
import { showWarnings } from '../warnings.ts'

/** How often round trips are measured in a room. */
const MEASURE_MS = 2_000
/** The terminal may have got another size. */
const REDRAW_MS = 1_000
/** A table that goes into a file or a pipe is printed once, when everybody had the time to answer. */
const DEFAULT_LOOK_MS = 3_000

const EXAMPLES = `
Without --room this only looks: nobody notices, and path and round trip are not known. With --room it joins that room
without being announced, and measures.

Examples:
  $ earshot
  $ earshot --room kitchen
  $ earshot --for 3s
  $ earshot --json | jq -r 'select(.event == "found").name'`

export function addWho(program: Command, run: RunCommand): void {
  program
    .command('who', { isDefault: true })
    .description('show who is around (the default command)')
    .option(
      '--for <duration>',
      'end after this long (default: Ctrl-C ends; 3s where stdout is no terminal)',
      durationArgument,
    )
    .addHelpText('after', details(EXAMPLES))
    .allowExcessArguments()
    .action(({ for: lookMs }: { for?: number }, command: Command) =>
      run(command, async context => {
        refuseUnknownCommand(command)
        await who(context, lookMs)
      }),
    )
}

/** As the default command this gets every word that is no command. */
function refuseUnknownCommand({ args, parent }: Command): void {
  const [word] = args
  if (word === undefined) return
  const names = parent?.commands.map(command => command.name()) ?? []
  const suggestion = nearest(word, names)
  throw new UsageError(`unknown command '${word}'${suggestion ? `; did you mean '${suggestion}'?` : ''}`)
}

async function who(context: CommandContext, lookMs: number | undefined): Promise<void> {
  const { output, interrupt, settings } = context
  if (settings.room === undefined && settings.peers.length > 0) {
    throw new UsageError('--peer needs --room: who is at an address shows only to those who join the room')
  }
  const isLive = process.stdout.isTTY && !output.json
  const endsAfterMs = lookMs ?? (isLive || output.json ? undefined : DEFAULT_LOOK_MS)
  const { signal, end } = limitTime(interrupt.signal, endsAfterMs)
  const board = new Board(output, isLive ? new LiveView(process.stdout) : undefined)
  try {
    if (settings.room === undefined) await lookAround(context, board, signal)
    else await visitRoom(context, { visible: false }, room => watchRoom(context, room, board, signal))
  } finally {
    end()
    board.end()
  }
  if (board.isEmpty && !interrupt.signal.aborted) throw nobodyFound(endsAfterMs!)
}

function nobodyFound(waitedMs: number): NobodyFoundError {
  return new NobodyFoundError(
    `nobody was found within ${formatDuration(waitedMs)}`,
    "'earshot interfaces' shows which networks are used; a firewall may block multicast (UDP port 5353).",
  )
}

/** A signal that also aborts after `ms`. */
function limitTime(signal: AbortSignal, ms: number | undefined): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController()
  const timer = ms === undefined ? undefined : setTimeout(() => controller.abort(), ms)
  return { signal: AbortSignal.any([signal, controller.signal]), end: () => clearTimeout(timer) }
}

/** Every room: just what peers announce. */
async function lookAround(context: CommandContext, board: Board, signal: AbortSignal): Promise<void> {
  const { settings } = context
  warnOfMissingInterfaces(context)
  const interfaces = settings.interfaces.length > 0 ? { interfaces: { include: settings.interfaces } } : {}
  for await (const { kind, service, ...sighting } of discover(undefined, { signal, ...interfaces })) {
    const peer = { room: service, ...sighting, path: () => undefined }
    if (kind === 'lost') board.remove(peer)
    else board.set(peer)
  }
}

/** One room: those who are connected, and those who were only seen. */
async function watchRoom(
  { settings, output }: CommandContext,
  room: Room,
  board: Board,
  signal: AbortSignal,
): Promise<void> {
  const name = settings.room!
  showWarnings(room, output)
  const measure = (peer: Peer): void => {
    const show = (): void => {
      if (peer.state !== 'gone') board.set(connectedPeer(name, peer))
    }
    // Who leaves meanwhile, or does not answer, is told by other events.
    peer.ping({ signal }).then(show, () => {})
  }
  const timer = setInterval(() => room.peers.forEach(measure), MEASURE_MS)
  const listeners = [
    room.on('found', seen => board.set({ room: name, ...seen, path: () => undefined })),
    room.on('lost', ({ id }) => board.remove({ room: name, id })),
    room.on('peer', peer => {
      board.set(connectedPeer(name, peer))
      measure(peer)
    }),
    room.on('peer-gone', ({ peer: { id } }) => board.remove({ room: name, id })),
  ]
  await untilAborted(signal)
  clearInterval(timer)
  // When we leave, it is not the others who go.
  for (const stop of listeners) stop()
}

function connectedPeer(room: string, peer: Peer): PresentPeer {
  const { id, name, info, path } = peer
  return { room, id, name, info, addresses: [path.remote], via: undefined, path: () => peer.path }
}

/** Shows every change: at once as an event, soon in the live table, or in the end as a table. */
class Board {
  readonly #presence: Presence = new Presence()
  readonly #output: Output
  readonly #view: LiveView | undefined
  readonly #timer: NodeJS.Timeout | undefined

  constructor(output: Output, view: LiveView | undefined) {
    this.#output = output
    this.#view = view
    this.#draw()
    this.#timer = view && setInterval(() => this.#draw(), REDRAW_MS)
  }

  get isEmpty(): boolean {
    return this.#presence.isEmpty
  }

  set(peer: PresentPeer): void {
    this.#output.event(this.#presence.set(peer), presenceEvent(peer))
    this.#draw()
  }

  remove(place: Pick<PresentPeer, 'room' | 'id'>): void {
    const peer = this.#presence.remove(place)
    if (peer === undefined) return
    this.#output.event('lost', { room: peer.room, id: peer.id, name: peer.name })
    this.#draw()
  }

  end(): void {
    clearInterval(this.#timer)
    this.#view?.end()
    if (!this.#view && !this.isEmpty)
      for (const line of this.#presence.table(this.#output.columns)) this.#output.line(line)
  }

  #draw(): void {
    this.#view?.draw(this.#presence.table(this.#output.columns))
  }
}
