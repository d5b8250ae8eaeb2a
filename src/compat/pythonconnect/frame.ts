/**
 * Frames of pythonConnect on TCP: UTF-8 text that `/EOL` ends, its parts separated by `:,:`.
 *
 *     NAME/EOL                          at once, from both sides
 *     MeSsAgE:,:TEXT/EOL
 *     QuEsTiOn:,:ID:,:TEXT/EOL          ID: decimal, chosen by the asker
 *     AnSwEr:,:ID:,:TEXT/EOL
 *     quitQUITquit/EOL                  and then FIN
 *     PiNg/EOL                          "I do not hear your adverts"
 */

import { protocolViolation } from '../../errors.ts'
import { MAX_PYTHONCONNECT_FRAME_BYTES } from '../../limits.ts'

export const TERMINATOR = '/EOL'
export const SEPARATOR = ':,:'
/** The real program takes them from 1 to 9999. */
export const MAX_QUESTION_ID = 9_999

export type Frame =
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'question'; readonly id: number; readonly text: string }
  | { readonly kind: 'answer'; readonly id: number; readonly text: string }
  | { readonly kind: 'quit' }
  | { readonly kind: 'ping' }

const MESSAGE = 'MeSsAgE'
const QUESTION = 'QuEsTiOn'
const ANSWER = 'AnSwEr'
const QUIT = 'quitQUITquit'
const PING = 'PiNg'
/** As many digits as Python's `int` and a JavaScript number surely agree on. */
const ID = /^\d{1,9}$/

const encoder = new TextEncoder()

/** The first frame of a connection. */
export function encodeName(name: string): Uint8Array {
  return encoder.encode(name + TERMINATOR)
}

/** Names and texts must be such as `checkNodeName` and `encodeText` let pass: others would mean something else there. */
export function encodeFrame(frame: Frame): Uint8Array {
  return encoder.encode(wordsOf(frame).join(SEPARATOR) + TERMINATOR)
}

function wordsOf(frame: Frame): readonly (string | number)[] {
  switch (frame.kind) {
    case 'message':
      return [MESSAGE, frame.text]
    case 'question':
      return [QUESTION, frame.id, frame.text]
    case 'answer':
      return [ANSWER, frame.id, frame.text]
    case 'quit':
      return [QUIT]
    case 'ping':
      return [PING]
  }
}

/**
 * The frame of a text without its terminator. The real program cuts what it is told at a further `:,:`; here it is part of
 * the text. Throws `protocol-violation`.
 */
export function decodeFrame(line: string): Frame {
  const [tag, rest] = cut(line)
  switch (tag) {
    case MESSAGE:
      return { kind: 'message', text: present(tag, rest) }
    case QUESTION:
    case ANSWER: {
      const [id, text] = cut(present(tag, rest))
      if (!ID.test(id)) throw protocolViolation(`pythonConnect: the id of a ${tag} is a number of 1 to 9 digits`)
      return { kind: tag === QUESTION ? 'question' : 'answer', id: Number(id), text: present(tag, text) }
    }
    case QUIT:
      return alone({ kind: 'quit' }, tag, rest)
    case PING:
      return alone({ kind: 'ping' }, tag, rest)
    default:
      throw protocolViolation('pythonConnect: a frame has an unknown tag')
  }
}

function cut(text: string): readonly [string, string | undefined] {
  const at = text.indexOf(SEPARATOR)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + SEPARATOR.length)]
}

function present(tag: string, part: string | undefined): string {
  if (part === undefined) throw protocolViolation(`pythonConnect: a ${tag} ends before its text`)
  return part
}

function alone<T>(frame: T, tag: string, rest: string | undefined): T {
  if (rest !== undefined) throw protocolViolation(`pythonConnect: ${tag} stands alone, something follows it`)
  return frame
}

/** The real program reads a frame in pieces of this length, four at most, and decodes what it has after each. */
const READ_BYTES = 128

/**
 * What the real program would make of a frame that we are about to send, where that is not what we mean by it:
 * `'too-long'` ends the connection, `'split-character'` stops its reader for ever.
 */
export function frameProblem(frame: Uint8Array): 'too-long' | 'split-character' | undefined {
  if (frame.length > MAX_PYTHONCONNECT_FRAME_BYTES) return 'too-long'
  for (let at = READ_BYTES; at < frame.length; at += READ_BYTES) {
    // 10xxxxxx continues a character (RFC 3629 section 3).
    if ((frame[at]! & 0xc0) === 0x80) return 'split-character'
  }
  return undefined
}

/** Half a character, for which UTF-8 has no bytes. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text)
}
