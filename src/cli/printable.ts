/**
 * Text from peers on its way to a terminal. It is untrusted: an escape sequence could repaint the screen or change the
 * clipboard, a line break could forge the line of somebody else, a bidirectional override could show a name backwards.
 * All of those become visible marks; everything else, emoji and combining marks included, stays as it is.
 */

/** A name is at most 63 bytes; a terminal needs no more of it to tell people apart. */
const MAX_NAME_CHARACTERS = 63

/** Longest text shown on a terminal at a time: a few screens. */
export const MAX_TERMINAL_CHARACTERS = 8_192

/** A text of a message. Tabs stay; `maxCharacters` cuts what is too long to be read. */
export function printableText(text: string, maxCharacters: number = Number.POSITIVE_INFINITY): string {
  if (text.length <= maxCharacters) return neutralise(text)
  const shown = text.slice(0, maxCharacters)
  return `${neutralise(shown)}… (${text.length - shown.length} more characters)`
}

/** A text of several lines, where nobody else's lines stand beside it that could be forged. */
export function printableLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map(line => neutralise(line))
    .join('\n')
}

/** A name of a peer, a host, an interface: without tabs, short, never empty. */
export function printableName(name: string): string {
  return neutralise(name.slice(0, MAX_NAME_CHARACTERS)).replaceAll('\t', '␉').trim() || '(no name)'
}

/**
 * Everything that a terminal may take for a command, or that hides or reorders text: control characters (C0, DEL, C1),
 * line and paragraph separators, bidirectional controls (Unicode annex 9), invisible fillers, tags, and halves of
 * surrogate pairs, which cannot be written as UTF-8.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this finds
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu

function neutralise(text: string): string {
  return text.replace(UNSAFE, character => picture(character.codePointAt(0)!))
}

/** C0 controls and DEL have pictures of their own (U+2400 and following): ESC is shown as ␛. */
function picture(codePoint: number): string {
  if (codePoint < 0x20) return String.fromCodePoint(0x2400 + codePoint)
  return codePoint === 0x7f ? '␡' : '\ufffd'
}
