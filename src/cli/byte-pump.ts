/** Moves bytes between the pipes of the process and a stream of a peer, each way at the pace of whoever is slower. */

import { once } from 'node:events'
import type { ByteStream } from '../index.ts'

export interface PumpOptions {
  readonly input: NodeJS.ReadStream
  /** Where bytes of the peer go; a promise is waited for. */
  readonly onBytes: (bytes: Uint8Array) => void | Promise<void>
  readonly signal: AbortSignal
}

/**
 * Resolves when both directions have ended. An end of either passes on; an input that nobody can end but by hand, a
 * terminal, is taken to end with the peer's. Rejects with what broke the stream, or with `signal.reason`, which
 * the peer learns, too.
 */
export async function pumpBytes(
  { readable, writable }: ByteStream,
  { input, onBytes, signal }: PumpOptions,
): Promise<void> {
  const writer = writable.getWriter()
  const reader = readable.getReader()
  const source = new StoppableInput(input)
  const giveUp = (reason: unknown): void => {
    source.stop()
    void writer.abort(reason).catch(() => {})
    void reader.cancel(reason).catch(() => {})
  }
  const onAbort = (): void => giveUp(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  // Where the other side does not want any more, nothing need be read for it.
  writer.closed.catch(() => source.stop())
  try {
    signal.throwIfAborted()
    await Promise.all([source.sendTo(writer), receive(reader, onBytes).then(() => input.isTTY && source.stop())])
    signal.throwIfAborted()
  } catch (error) {
    giveUp(error)
    throw signal.aborted ? signal.reason : error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** An input whose reading can be ended from this side, too: then it has no more bytes, and no error. */
class StoppableInput {
  readonly #input: NodeJS.ReadStream
  #isStopped = false

  constructor(input: NodeJS.ReadStream) {
    this.#input = input
  }

  stop(): void {
    this.#isStopped = true
    this.#input.destroy()
  }

  async sendTo(writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of this.#input) await writer.write(chunk as Uint8Array)
    } catch (error) {
      if (!this.#isStopped) throw error
    }
    try {
      await writer.close()
    } catch (error) {
      // A stream that broke can only say that it is closed; why is what `closed` rejects with.
      await writer.closed
      throw error
    }
  }
}

async function receive(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  onBytes: (bytes: Uint8Array) => void | Promise<void>,
): Promise<void> {
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    await onBytes(value!)
  }
}

/** Waits where the reader of `output` is slow. */
export async function drained(output: NodeJS.WriteStream, signal: AbortSignal): Promise<void> {
  if (output.writableNeedDrain) await once(output, 'drain', { signal })
}
