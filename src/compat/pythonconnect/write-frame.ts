/** A frame on its way through the queue of a link, as a promise. */

import type { OutgoingFrame } from './frame-pacer.ts'
import type { Link } from './link.ts'

/**
 * Resolves when the frame was handed to the system. Rejects with `limit-reached`, with how the link ended, or with
 * `signal.reason`: then it has not left.
 */
export function writeFrame(link: Link, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => signal?.removeEventListener('abort', onAbort)
    const frame: OutgoingFrame = {
      bytes,
      onWritten: () => {
        done()
        resolve()
      },
      onDropped: error => {
        done()
        reject(error)
      },
    }
    const onAbort = () => {
      link.takeBack(frame)
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      link.send(frame)
    } catch (error) {
      frame.onDropped?.(error)
    }
  })
}
