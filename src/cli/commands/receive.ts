/** `earshot receive DIR`: takes files and folders that peers send. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import type { FileOffer, Inbox, IncomingTransfer, Peer, ReceivedFile, Room } from '../../index.ts'
import { formatBytes } from '../byte-count.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { formatDuration } from '../duration.ts'
import { errorEvent } from '../error-report.ts'
import { NobodyFoundError, UsageError } from '../exit-code.ts'
import { details } from '../help.ts'
import { PeerLabels, shortId } from '../peer-label.ts'
import { printableName, printableText } from '../printable.ts'
import { stderrTerminal } from '../stderr-terminal.ts'
import { TransferBoard } from '../transfer-board.ts'
import { untilAborted } from '../until-aborted.ts'
import { visitRoom } from '../visit-room.ts'
import { showWarnings } from '../warnings.ts'
import { askYesOrNo } from '../yes-or-no.ts'

const EXAMPLES = `
Takes files until Ctrl-C, or ends with 3 where nobody offers anything for as long as --timeout says. Nothing is overwritten, nothing leaves the folder, and a file stands there under its name only
when it is complete and checked. What was broken off is there as .NAME.….earshot-part, and goes on when it is sent again.

Examples:
  $ earshot receive ~/Downloads
  $ earshot receive . --from Ada --accept all
  $ earshot receive . --once --timeout 1m`

type AcceptMode = 'all' | 'ask'

interface ReceiveCommandOptions {
  readonly from?: string
  readonly accept?: AcceptMode
  readonly once: boolean
  readonly overwrite: boolean
}

export function addReceive(program: Command, run: RunCommand): void {
  program
    .command('receive')
    .description('take files and folders that peers send')
    .argument('<dir>', 'the folder to put them into')
    .option('--from <name>', 'take only what the peer of this name or id sends')
    .addOption(
      new Option('--accept <mode>', 'take everything, or ask on the terminal')
        .choices(['all', 'ask'])
        .default(undefined, 'ask on a terminal, all elsewhere'),
    )
    .option('--once', 'end when something has arrived', false)
    .option('--overwrite', 'replace files of the same name', false)
    .addHelpText('after', details(EXAMPLES))
    .action((dir: string, options: ReceiveCommandOptions, command: Command) =>
      run(command, context => receive(context, dir, options)),
    )
}

async function receive(context: CommandContext, dir: string, options: ReceiveCommandOptions): Promise<void> {
  const mode = options.accept ?? (process.stdin.isTTY ? 'ask' : 'all')
  if (mode === 'ask' && !process.stdin.isTTY) throw new UsageError('--accept ask needs a terminal to ask on')
  const { output } = context
  await visitRoom(context, { visible: true }, async room => {
    const board = new TransferBoard(output, stderrTerminal())
    const reception = new FileReception(context, board, { ...options, accept: mode })
    const inbox = room.inbox(dir, { accept: offer => reception.decide(offer), overwrite: options.overwrite })
    await inbox.ready
    // Not before: that the folder cannot be used would be told twice.
    showWarnings(room, output, text => board.note(text))
    inbox.on('transfer', transfer => reception.follow(transfer))
    sayReady(context, room, inbox)
    await reception.untilDone()
  })
}

function sayReady({ output }: CommandContext, { self, addresses }: Room, { dir }: Inbox): void {
  output.event('ready', { id: self.id, name: self.name, addresses, dir })
  const where = printableText(dir)
  output.note(`receiving into ${where} as ${printableName(self.name)} (${shortId(self.id)}); Ctrl-C ends`)
}

/** What is taken, what is shown of it, and when it is enough. */
class FileReception {
  readonly #context: CommandContext
  readonly #board: TransferBoard
  readonly #options: ReceiveCommandOptions
  readonly #labels: PeerLabels = new PeerLabels()
  readonly #arrived = new AbortController()
  readonly #offered = new AbortController()
  /** One question at a time. */
  #asking: Promise<unknown> = Promise.resolve()

  constructor(context: CommandContext, board: TransferBoard, options: ReceiveCommandOptions) {
    this.#context = context
    this.#board = board
    this.#options = options
  }

  async decide(offer: FileOffer): Promise<boolean> {
    const { output } = this.#context
    const { from, name, sizeBytes, kind, entryCount } = offer
    this.#offered.abort()
    output.event('offer', { from: from.id, name: from.name, file: name, kind, sizeBytes, entryCount })
    const what = `${this.#labels.label(from)} wants to send ${describe(offer)}`
    if (!isFrom(from, this.#options.from)) {
      this.#board.note(`${what}: refused`)
      return false
    }
    if (this.#options.accept === 'all') return true
    const answer = this.#asking.then(() => this.#ask(`${what}: take it?`, offer.signal))
    this.#asking = answer
    return answer
  }

  async follow(transfer: IncomingTransfer): Promise<void> {
    const { output } = this.#context
    const { from, name } = transfer
    const startedAt = performance.now()
    const label = `${printableText(name)} from ${this.#labels.label(from)}`
    const fields = { from: from.id, name: from.name, file: name }
    const following = this.#board.follow(transfer, {
      label,
      fields,
      progress: ({ receivedBytes, ...rest }) => ({ doneBytes: receivedBytes, ...rest }),
    })
    try {
      const received = await transfer
      await following
      const durationMs = performance.now() - startedAt
      output.event('received', { ...fields, ...received, durationMs })
      this.#board.above(() => output.line(summary(received, this.#labels.label(from), durationMs)))
      this.#arrived.abort()
    } catch (error) {
      await following
      const failure = errorEvent(error)
      output.event('failed', { ...fields, ...failure })
      this.#board.note(`${label}: ${printableText(String(failure['message']))}`)
    }
  }

  async untilDone(): Promise<void> {
    const { settings, interrupt } = this.#context
    const { timeoutMs } = settings
    const leave = this.#options.once ? AbortSignal.any([interrupt.signal, this.#arrived.signal]) : interrupt.signal
    if (timeoutMs !== undefined) await this.#untilOffered(timeoutMs, leave)
    await untilAborted(leave)
  }

  async #untilOffered(timeoutMs: number, leave: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([leave, this.#offered.signal])
    const isLate = await sleep(timeoutMs, true, { signal }).catch(() => false)
    if (isLate) throw new NobodyFoundError(`nobody sent anything within ${formatDuration(timeoutMs)}`)
  }

  async #ask(question: string, signal: AbortSignal): Promise<boolean> {
    const until = AbortSignal.any([signal, this.#context.interrupt.signal])
    if (until.aborted) return false
    const answer = await this.#board.without(() => askYesOrNo(question, until))
    if (answer === undefined && signal.aborted) this.#board.note('the sender has called it off')
    return answer === true
  }
}

function isFrom({ id, name }: Peer, wanted: string | undefined): boolean {
  return wanted === undefined || wanted === name || wanted === id || wanted === shortId(id)
}

function describe({ name, kind, sizeBytes, entryCount }: FileOffer): string {
  const size = formatBytes(sizeBytes)
  const what = kind === 'file' ? size : `folder with ${entryCount} entries, ${size}`
  return `${printableText(name)} (${what})`
}

function summary({ path, sizeBytes, resumedBytes }: ReceivedFile, from: string, durationMs: number): string {
  const resumed = resumedBytes > 0 ? `, ${formatBytes(resumedBytes)} of it were here` : ''
  return `${printableText(path)} from ${from}: ${formatBytes(sizeBytes)} in ${formatDuration(durationMs)}${resumed}`
}
