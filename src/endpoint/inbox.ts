/**
 * The inbox of a room: a folder into which peers may send files. Each transfer comes on a stream of its own; what goes
 * wrong in one of them ends it, and nothing else.
 */

import type { Disposer, Emitter } from '../emitter.ts'
import { asError, EarshotError } from '../errors.ts'
import { MAX_INCOMING_TRANSFERS, MAX_REMEMBERED_VERDICTS, PARTIAL_LIFETIME_MS } from '../limits.ts'
import { isPartialName, partialNameOf } from '../messaging/file-transfer/partial-name.ts'
import { confirmTransfer, receiveTransfer } from '../messaging/file-transfer/receive-transfer.ts'
import { safeTopName } from '../messaging/file-transfer/safe-name.ts'
import { Transfer } from '../messaging/file-transfer/transfer.ts'
import type { Offer } from '../messaging/file-transfer/transfer-frame.ts'
import { orAborted, TransferLink } from '../messaging/file-transfer/transfer-link.ts'
import { TransferRate } from '../messaging/file-transfer/transfer-rate.ts'
import type { ByteStream } from '../messaging/open-stream.ts'
import type { Clock } from '../platform/clock.ts'
import type { Files, Folder } from '../platform/files.ts'
import { fromHex, toHex } from './hex.ts'
import type { InboxOptions, ReceivedFile, ReceiveProgress } from './options.ts'
import type { Peer } from './peer.ts'
import { leftError } from './sender.ts'

/** Names looked at for old partial files. */
const MAX_LISTED = 100_000

/** A file or folder on its way into the inbox. */
export class IncomingTransfer extends Transfer<ReceiveProgress, ReceivedFile> {
  readonly from: Peer
  /** As the sender calls it, made safe; where it is when it is complete is told by `path`. */
  readonly name: string
  readonly kind: 'file' | 'folder'
  readonly sizeBytes: number

  /** @internal */
  constructor(
    { clock, from, offer }: { readonly clock: Clock; readonly from: Peer; readonly offer: Offer },
    run: (signal: AbortSignal) => Promise<ReceivedFile>,
    progress: () => ReceiveProgress,
  ) {
    super(clock, run, progress)
    this.from = from
    this.name = safeTopName(offer.name)
    this.kind = offer.kind
    this.sizeBytes = offer.sizeBytes
  }
}

export interface InboxEvents {
  /** Something that was accepted begins to arrive, or goes on. */
  transfer: IncomingTransfer
}

export interface InboxParts {
  readonly clock: Clock
  readonly files: Files
  readonly emitter: Emitter<InboxEvents>
  readonly warn: (error: EarshotError) => void
  /** No further streams come: the inbox is closed. */
  readonly onClose: () => void
}

/** One attempt of a transfer. */
interface Attempt {
  readonly peer: Peer
  readonly link: TransferLink
  readonly done: Promise<void>
}

export class Inbox implements AsyncDisposable {
  /** As it was given. */
  readonly dir: string
  /** Resolves when the folder is there; rejects with `permission-denied`, … where it cannot be used. */
  readonly ready: Promise<void>
  readonly #parts: InboxParts
  readonly #options: Required<InboxOptions>
  readonly #folder: Promise<Folder>
  /** What is under way, by the name of the partial file: one attempt at a time. */
  readonly #running = new Map<string, Attempt>()
  readonly #attempts = new Set<Attempt>()
  /** Accepted, and not complete; the oldest are forgotten first. */
  readonly #accepted = new Set<string>()
  /** What is complete, where the sender may not know it yet; the oldest are forgotten first. */
  readonly #unconfirmed = new Map<string, { readonly digest: Uint8Array; readonly peer: Peer }>()
  #isClosed = false

  /** @internal */
  constructor(dir: string, options: Required<InboxOptions>, parts: InboxParts) {
    this.dir = dir
    this.#options = options
    this.#parts = parts
    this.#folder = this.#openFolder()
    this.ready = this.#folder.then(() => {})
    this.ready.catch(error => parts.warn(error))
  }

  /** Calls `listener` for each transfer that was accepted. Without one, failures are told as warnings of the room. */
  on<K extends keyof InboxEvents>(type: K, listener: (event: InboxEvents[K]) => void): Disposer {
    if (type !== 'transfer') throw new RangeError(`an inbox has the event 'transfer', not '${String(type)}'`)
    return this.#parts.emitter.on(type, listener)
  }

  /** Takes nothing more, and stops what is under way: it goes on where it was when there is an inbox again. */
  async close(): Promise<void> {
    if (!this.#isClosed) this.#parts.onClose()
    this.#isClosed = true
    const attempts = [...this.#attempts]
    for (const { link } of attempts) link.stop(leftError())
    await Promise.all(attempts.map(({ done }) => done))
    this.#parts.emitter.close(leftError())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal A peer has opened a stream to send something. */
  onStream(stream: ByteStream, peer: Peer): void {
    const { clock } = this.#parts
    const link = new TransferLink(stream, { clock, subject: `a transfer of '${peer.name}'` })
    const isTooMany = [...this.#attempts].filter(other => other.peer === peer).length >= MAX_INCOMING_TRANSFERS
    const receiving = isTooMany ? Promise.reject(tooMany()) : this.#receive(link, peer)
    const done = receiving.catch(error => link.stop(error)).finally(() => this.#attempts.delete(attempt))
    const attempt: Attempt = { peer, link, done }
    this.#attempts.add(attempt)
  }

  async #receive(link: TransferLink, peer: Peer): Promise<void> {
    const { offer } = await link.expect('offer')
    const partialName = partialNameOf(offer, peer.id)
    const attempt = { peer, link, done: Promise.resolve() }
    let end!: () => void
    attempt.done = new Promise(resolve => {
      end = resolve
    })
    await this.#turn(partialName, attempt)
    try {
      const arrived = this.#unconfirmed.get(partialName)
      // In the same session it is sent again on purpose.
      if (arrived && arrived.peer !== peer) {
        this.#unconfirmed.delete(partialName)
        await confirmTransfer(link, offer, arrived.digest)
        await link.finish()
        return
      }
      const folder = await this.#folder
      await this.#decide(link, folder, { offer, peer, partialName })
      const transfer = this.#begin(link, folder, { offer, peer, partialName })
      this.#parts.emitter.emit('transfer', transfer)
      const { sha256 } = await transfer
      this.#accepted.delete(partialName)
      void this.#remember(partialName, { digest: fromHex(sha256), peer }, link)
    } finally {
      this.#running.delete(partialName)
      end()
    }
  }

  /** A sender whose session ended before it knew will ask again: until it has said that it knows, this is remembered. */
  async #remember(
    partialName: string,
    arrived: { readonly digest: Uint8Array; readonly peer: Peer },
    link: TransferLink,
  ): Promise<void> {
    this.#unconfirmed.set(partialName, arrived)
    if (this.#unconfirmed.size > MAX_REMEMBERED_VERDICTS) forgetOldest(this.#unconfirmed)
    const isKnown = await link.otherSideEnded
    if (isKnown && this.#unconfirmed.get(partialName) === arrived) this.#unconfirmed.delete(partialName)
  }

  /**
   * Waits until no other attempt of this transfer is under way. One of a session that came before will not go on: a peer
   * that was started anew may be back before its old session is known to be over.
   */
  async #turn(partialName: string, attempt: Attempt): Promise<void> {
    for (let other = this.#running.get(partialName); other; other = this.#running.get(partialName)) {
      if (other.peer !== attempt.peer) other.link.stop(replaced())
      await attempt.link.busyWith(orAborted(other.done, attempt.link.signal))
    }
    this.#running.set(partialName, attempt)
  }

  /** Rejects where the application does not want it. It is asked once, also where programs are started anew. */
  async #decide(link: TransferLink, folder: Folder, { offer, peer, partialName }: Arrival): Promise<void> {
    if (this.#accepted.has(partialName) || (await folder.stat(partialName))) return
    const { kind, sizeBytes, entryCount } = offer
    const name = safeTopName(offer.name)
    const decision = this.#ask({ from: peer, name, sizeBytes, kind, entryCount, signal: link.signal })
    if ((await link.busyWith(orAborted(decision, link.signal))) !== true) throw refused(name, peer)
    this.#accepted.add(partialName)
    if (this.#accepted.size > MAX_REMEMBERED_VERDICTS) forgetOldest(this.#accepted)
  }

  async #ask(offer: Parameters<Required<InboxOptions>['accept']>[0]): Promise<boolean> {
    try {
      return await this.#options.accept(offer)
    } catch (error) {
      if (offer.signal.aborted) return false
      const { message } = asError(error)
      this.#parts.warn(
        new EarshotError('refused', `'${offer.name}' is refused: accept failed: ${message}`, { cause: error }),
      )
      return false
    }
  }

  #begin(link: TransferLink, folder: Folder, { offer, peer, partialName }: Arrival): IncomingTransfer {
    const { clock, emitter, warn } = this.#parts
    const rate = new TransferRate()
    let receivedBytes = 0
    const onReceived = (bytes: number) => {
      receivedBytes = bytes
      rate.note(bytes, clock.now())
      transfer?.onProgress()
    }
    const run = async (signal: AbortSignal): Promise<ReceivedFile> => {
      signal.addEventListener('abort', () => link.stop(signal.reason), { once: true })
      try {
        const { overwrite } = this.#options
        const received = await receiveTransfer(link, offer, { folder, partialName, replace: overwrite, onReceived })
        await link.finish()
        const { digest, resumedBytes, name } = received
        const path = `${folder.path}/${name}`
        return { path, sha256: toHex(digest), resumedBytes, sizeBytes: offer.sizeBytes }
      } catch (error) {
        link.stop(error)
        throw link.signal.reason ?? error
      }
    }
    const progress = (): ReceiveProgress => ({
      receivedBytes,
      totalBytes: offer.sizeBytes,
      bytesPerSecond: rate.perSecond(receivedBytes, clock.now()),
    })
    let transfer: IncomingTransfer | undefined
    transfer = new IncomingTransfer({ clock, from: peer, offer }, run, progress)
    transfer.catch(error => {
      if (!emitter.has('transfer') && !this.#isClosed) warn(failed(transfer!, error))
    })
    return transfer
  }

  async #openFolder(): Promise<Folder> {
    const folder = await this.#parts.files.openFolder(this.dir, { create: true })
    const wallTime = this.#parts.clock.wallTime()
    for (const { name, stat } of await folder.list('', MAX_LISTED).catch(() => [])) {
      const isOld = wallTime - stat.modifiedMs > PARTIAL_LIFETIME_MS
      if (isPartialName(name) && isOld) await folder.remove(name).catch(() => {})
    }
    return folder
  }
}

interface Arrival {
  readonly offer: Offer
  readonly peer: Peer
  readonly partialName: string
}

function forgetOldest(known: Map<string, unknown> | Set<string>): void {
  known.delete(known.keys().next().value!)
}

function refused(name: string, { name: peer }: Peer): EarshotError {
  return new EarshotError('refused', `'${name}' of '${peer}' was not accepted`)
}

function replaced(): EarshotError {
  return new EarshotError('cancelled', 'the sender was started anew, and sends it again')
}

function tooMany(): EarshotError {
  return new EarshotError('limit-reached', `${MAX_INCOMING_TRANSFERS} transfers of this peer are under way`)
}

function failed({ name, from }: IncomingTransfer, error: unknown): EarshotError {
  const { message } = asError(error)
  const code = error instanceof EarshotError ? error.code : 'cancelled'
  return new EarshotError(code, `'${name}' of '${from.name}' did not arrive: ${message}`, { cause: error })
}
