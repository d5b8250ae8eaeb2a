/**
 * Sends files of a room: one stream for each attempt, and further attempts where the session of the peer ended in the
 * middle and it comes back.
 */

import { EarshotError } from '../errors.ts'
import { type SentTransfer, sendTransfer } from '../messaging/file-transfer/send-transfer.ts'
import { Transfer } from '../messaging/file-transfer/transfer.ts'
import { TransferLink } from '../messaging/file-transfer/transfer-link.ts'
import { TransferRate } from '../messaging/file-transfer/transfer-rate.ts'
import { openBlob, openPath, type TransferSource } from '../messaging/file-transfer/transfer-source.ts'
import type { ByteStream } from '../messaging/open-stream.ts'
import type { Clock } from '../platform/clock.ts'
import type { Files } from '../platform/files.ts'
import { toHex } from './hex.ts'
import type { SendFileOptions, SendProgress, SentFile } from './options.ts'
import { checkSendFile } from './options-check.ts'
import type { Peer } from './peer.ts'
import { leftError } from './sender.ts'

/** The name of the streams on which transfers travel (docs/protocol.md, "Transfers"). */
export const TRANSFER_STREAM = 'earshot:transfer'
/** A program that was started anew may need a moment until it takes files again. */
const INBOX_RETRY_MS = 1_000
/** Paths named in the warning about what is not sent. */
const MAX_SKIPPED_SHOWN = 5

export type SendingTransfer = Transfer<SendProgress, SentFile>

export interface FileSenderRoom {
  openStream(peer: Peer, name: string): ByteStream
  /** The peer of this id, as soon as it is connected. Rejects with `timeout`, or `signal.reason`. */
  peerAgain(id: string, timeoutMs: number, signal: AbortSignal): Promise<Peer>
  warn(error: EarshotError): void
}

export class FileSender {
  readonly #clock: Clock
  readonly #files: Files
  readonly #room: FileSenderRoom
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<unknown>>()

  constructor(clock: Clock, files: Files, room: FileSenderRoom) {
    this.#clock = clock
    this.#files = files
    this.#room = room
  }

  /** See `Peer.sendFile`. */
  send(peer: Peer, what: string | Blob, options: SendFileOptions): SendingTransfer {
    const progress = new SendingProgress(this.#clock)
    const run = (cancelled: AbortSignal) => {
      const signals = [
        cancelled,
        this.#closing.signal,
        ...(options?.signal instanceof AbortSignal ? [options.signal] : []),
      ]
      const signal = AbortSignal.any(signals)
      const sending = this.#send(peer, { what, options, signal, progress })
      this.#running.add(sending)
      return sending.finally(() => this.#running.delete(sending))
    }
    const transfer: SendingTransfer = new Transfer(this.#clock, run, () => progress.now())
    progress.onNews = () => transfer.onProgress()
    return transfer
  }

  /** The room is left: the other sides are told. */
  async close(): Promise<void> {
    this.#closing.abort(leftError())
    await Promise.allSettled(this.#running)
  }

  async #send(peer: Peer, { what, options, signal, progress }: Sending): Promise<SentFile> {
    const { name, waitMs } = checkSendFile(what, options)
    signal.throwIfAborted()
    const source = typeof what === 'string' ? await openPath(this.#files, what, name) : openBlob(what, name!)
    signal.throwIfAborted()
    if (source.skipped.length > 0) this.#room.warn(notSent(source))
    progress.totalBytes = source.offer.sizeBytes
    const { digest, resumedBytes } = await this.#sendUntilThere(peer, source, { waitMs, signal, progress })
    return { sha256: toHex(digest), resumedBytes, sizeBytes: source.offer.sizeBytes }
  }

  async #sendUntilThere(peer: Peer, source: TransferSource, options: AttemptOptions): Promise<SentTransfer> {
    const { waitMs, signal, progress } = options
    let current = peer
    let brokeAt: number | undefined
    for (;;) {
      try {
        return await this.#attempt(current, source, { signal, onSent: bytes => progress.set(bytes) })
      } catch (error) {
        signal.throwIfAborted()
        const isBack = brokeAt !== undefined && isNoAnswer(error) && current.state !== 'gone'
        // Who calls it off and leaves is not waited for.
        if ((current.state !== 'gone' || wasToldWhy(error)) && !isBack) throw error
        if (!isBack) brokeAt = this.#clock.now()
        const leftMs = brokeAt! + waitMs - this.#clock.now()
        if (leftMs <= 0) throw error
        current = await this.#again(current, { isBack, leftMs, signal, error })
      }
    }
  }

  /** The peer, when it is worth while to try again. Rejects with what went wrong where that is not within the time. */
  async #again(peer: Peer, { isBack, leftMs, signal, error }: AgainOptions): Promise<Peer> {
    if (isBack) await this.#pause(Math.min(INBOX_RETRY_MS, leftMs), signal)
    try {
      return await this.#room.peerAgain(peer.id, leftMs, signal)
    } catch {
      signal.throwIfAborted()
      throw error
    }
  }

  async #attempt(peer: Peer, source: TransferSource, { signal, onSent }: OneAttempt): Promise<SentTransfer> {
    const { name } = source.offer
    const stream = this.#room.openStream(peer, TRANSFER_STREAM)
    const link = new TransferLink(stream, { clock: this.#clock, subject: `the transfer of '${name}'` })
    const onAbort = () => link.stop(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const sent = await sendTransfer(link, source, onSent)
      await link.finish()
      return sent
    } catch (error) {
      link.stop(error)
      // What failed first is the reason, and not what it led to.
      throw asNoInbox(link.signal.reason ?? error, peer)
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        timer.cancel()
        reject(signal.reason)
      }
      const timer = this.#clock.setTimer(ms, () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}

interface Sending {
  readonly what: string | Blob
  readonly options: SendFileOptions
  readonly signal: AbortSignal
  readonly progress: SendingProgress
}

interface AttemptOptions {
  readonly waitMs: number
  readonly signal: AbortSignal
  readonly progress: SendingProgress
}

interface AgainOptions {
  /** The peer is back, and its program does not take files yet. */
  readonly isBack: boolean
  readonly leftMs: number
  readonly signal: AbortSignal
  readonly error: unknown
}

interface OneAttempt {
  readonly signal: AbortSignal
  readonly onSent: (bytes: number) => void
}

/** How far one transfer is; it outlives the attempts. */
class SendingProgress {
  totalBytes = 0
  onNews: (() => void) | undefined
  readonly #clock: Clock
  readonly #rate = new TransferRate()
  #sentBytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(bytes: number): void {
    this.#sentBytes = bytes
    this.#rate.note(bytes, this.#clock.now())
    this.onNews?.()
  }

  now(): SendProgress {
    const bytesPerSecond = this.#rate.perSecond(this.#sentBytes, this.#clock.now())
    return { sentBytes: this.#sentBytes, totalBytes: this.totalBytes, bytesPerSecond }
  }
}

function isNoAnswer(error: unknown): boolean {
  return error instanceof EarshotError && error.code === 'no-answer'
}

/** What the stream says of it, in words of files. */
function asNoInbox(error: unknown, peer: Peer): unknown {
  if (!isNoAnswer(error)) return error
  return new EarshotError('no-answer', `'${peer.name}' takes no files`, {
    hint: 'The peer must call room.inbox(…), or run `earshot receive`.',
    cause: error,
  })
}

function notSent({ offer, skipped }: TransferSource): EarshotError {
  const shown = skipped.slice(0, MAX_SKIPPED_SHOWN).join(', ')
  const more = skipped.length - MAX_SKIPPED_SHOWN
  return new EarshotError(
    'invalid-data',
    `of '${offer.name}' are not sent, being links or no files: ${shown}${more > 0 ? ` and ${more} more` : ''}`,
    { hint: 'Send what a link leads to by its own path.' },
  )
}

/** True where the transfer was ended by the other side, and not by the end of the session. */
function wasToldWhy(error: unknown): boolean {
  return error instanceof EarshotError && error.code !== 'closed' && error.code !== 'lost'
}
