/** Asking many at once: every peer asked gives one result, in the order in which they come. */

import { asError } from '../errors.ts'
import { ItemQueue } from '../messaging/item-queue.ts'
import type { AskOptions } from './options.ts'
import type { Peer } from './peer.ts'

export type AskAllAnswer =
  | { readonly peer: Peer; readonly ok: true; readonly value: unknown; readonly error?: undefined }
  | {
      readonly peer: Peer
      readonly ok: false
      readonly value?: undefined
      /** Mostly an EarshotError. */
      readonly error: Error & { readonly code?: string }
    }

/** Leaving the loop early gives up on those who have not answered. */
export function askEach(
  peers: readonly Peer[],
  name: string,
  question: unknown,
  { timeoutMs, signal }: AskOptions,
): AsyncIterableIterator<AskAllAnswer> {
  const giveUp = new AbortController()
  const answers = new ItemQueue<AskAllAnswer>({ onReturn: () => giveUp.abort() })
  const options: AskOptions = {
    ...(timeoutMs !== undefined && { timeoutMs }),
    signal: signal ? AbortSignal.any([signal, giveUp.signal]) : giveUp.signal,
  }
  let open = peers.length
  const settle = (answer: AskAllAnswer) => {
    answers.push(answer)
    if (--open === 0) answers.end()
  }
  if (open === 0) answers.end()
  for (const peer of peers) {
    peer.ask(name, question, options).then(
      value => settle({ peer, ok: true, value }),
      error => settle({ peer, ok: false, error: asError(error) }),
    )
  }
  return answers
}
