/** Texts on their way out: what the format cannot carry, or the real program would not survive, is refused here. */

import { EarshotError } from '../../errors.ts'
import { MAX_PYTHONCONNECT_FRAME_BYTES } from '../../limits.ts'
import { encodeFrame, type Frame, frameProblem, hasLoneSurrogate, SEPARATOR, TERMINATOR } from './frame.ts'

type TextFrame = Extract<Frame, { readonly text: string }>

/**
 * The bytes of a frame that arrives as it is meant. Throws a TypeError where the text is none, `too-large` where the frame
 * is too long, `invalid-data` where it cannot be carried.
 */
export function encodeText(frame: TextFrame): Uint8Array {
  checkText(frame)
  const bytes = encodeFrame(frame)
  const problem = frameProblem(bytes)
  if (problem === 'too-long') throw tooLarge(frame, bytes.length)
  if (problem === 'split-character') throw splitCharacter(frame)
  return bytes
}

/**
 * The same for a question, whose id is ours to choose: the first of `ids` with which it can be carried. Another number of
 * digits moves the characters away from a border, or makes the frame shorter.
 */
export function encodeQuestion(
  text: string,
  ids: Iterable<number>,
): { readonly id: number; readonly bytes: Uint8Array } {
  const refusals = new Map<number, TextFrame>()
  for (const id of ids) {
    const digits = String(id).length
    if (refusals.has(digits)) continue
    const question: TextFrame = { kind: 'question', id, text }
    checkText(question)
    const bytes = encodeFrame(question)
    if (frameProblem(bytes) === undefined) return { id, bytes }
    refusals.set(digits, question)
  }
  const shortest = refusals.get(Math.min(...refusals.keys()))
  if (shortest === undefined) throw new EarshotError('limit-reached', 'every id of a question is in use')
  // It throws, and says why.
  return { id: shortest.kind === 'message' ? 0 : shortest.id, bytes: encodeText(shortest) }
}

function checkText({ kind, text }: TextFrame): void {
  if (typeof text !== 'string') throw new TypeError(`a ${kind} of pythonConnect is a string, not ${typeof text}`)
  for (const forbidden of [SEPARATOR, TERMINATOR]) {
    if (!text.includes(forbidden)) continue
    throw new EarshotError('invalid-data', `the text of a ${kind} contains '${forbidden}'`, {
      hint: `pythonConnect would cut the text there; replace '${forbidden}' before sending it.`,
    })
  }
  if (hasLoneSurrogate(text)) {
    throw new EarshotError('invalid-data', `the text of a ${kind} is not well-formed Unicode`, {
      hint: 'It holds half of a character; cut texts between characters.',
    })
  }
}

function tooLarge({ kind }: TextFrame, length: number): EarshotError {
  return new EarshotError(
    'too-large',
    `the ${kind} needs ${length} bytes; a frame of pythonConnect has at most ${MAX_PYTHONCONNECT_FRAME_BYTES}`,
    { hint: 'Nothing was sent. The other side would end the connection; send it in several.' },
  )
}

function splitCharacter({ kind }: TextFrame): EarshotError {
  return new EarshotError('invalid-data', `a character of the ${kind} lies across a border of 128 bytes`, {
    hint: 'Nothing was sent: pythonConnect stops reading at such a text. Shorten or lengthen it before that character.',
  })
}
