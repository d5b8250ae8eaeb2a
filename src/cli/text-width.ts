/** How many columns of a terminal a text takes. Approximates what terminals do; they do not agree on every emoji. */

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** East Asian Wide and Fullwidth (Unicode annex 11), by block. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u

const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]+$/u

export function textWidth(text: string): number {
  // Printable ASCII, the common case, needs no segmentation.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += graphemeWidth(segment)
  return width
}

/** `text` in at most `width` columns; what was cut off is replaced by '…'. */
export function cutToWidth(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  let cut = ''
  let used = 0
  for (const { segment } of graphemes.segment(text)) {
    used += graphemeWidth(segment)
    if (used > width - 1) break
    cut += segment
  }
  return width < 1 ? '' : `${cut}…`
}

/** `text`, followed by blanks up to `width` columns. */
export function padToWidth(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)))
}

function graphemeWidth(grapheme: string): number {
  if (WIDE.test(grapheme)) return 2
  return ZERO_WIDTH.test(grapheme) ? 0 : 1
}
