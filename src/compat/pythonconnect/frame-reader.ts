/**
 * Cuts the bytes of a connection into texts. Segments may be split and joined anywhere, also inside a character, and each
 * text is found exactly once: the real program would lose what follows the first terminator.
 */

import { protocolViolation } from '../../errors.ts'
import { MAX_PYTHONCONNECT_FRAME_BYTES } from '../../limits.ts'
import { TERMINATOR } from './frame.ts'

const END = new TextEncoder().encode(TERMINATOR)
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export class FrameReader {
  /** A frame that has no end yet: always shorter than the longest. */
  readonly #held = new Uint8Array(MAX_PYTHONCONNECT_FRAME_BYTES)
  #length = 0

  /**
   * Calls `onText` for each text that `bytes` completes, its terminator removed. Throws `protocol-violation` at a frame
   * that is too long or not UTF-8; nothing may be read afterwards.
   */
  read(bytes: Uint8Array, onText: (text: string) => void): void {
    for (const byte of bytes) {
      if (this.#length === MAX_PYTHONCONNECT_FRAME_BYTES) throw tooLong()
      this.#held[this.#length++] = byte
      if (!this.#endsHere(byte)) continue
      const text = decode(this.#held.subarray(0, this.#length - END.length))
      this.#length = 0
      onText(text)
    }
  }

  #endsHere(byte: number): boolean {
    if (byte !== END[3] || this.#length < END.length) return false
    const at = this.#length - END.length
    return this.#held[at] === END[0] && this.#held[at + 1] === END[1] && this.#held[at + 2] === END[2]
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw protocolViolation('pythonConnect: a frame is not UTF-8', cause)
  }
}

function tooLong(): Error {
  return protocolViolation(`pythonConnect: a frame is longer than ${MAX_PYTHONCONNECT_FRAME_BYTES} bytes`)
}
