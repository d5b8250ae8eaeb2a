/**
 * Names of strangers, made safe for any file system: what arrives stays in its folder, has a name that people can see and
 * type, and one that Windows, macOS and Linux all take.
 */

import { MAX_INBOX_NAME_BYTES } from '../../limits.ts'
import { boundText } from '../../wire/bound-text.ts'

/**
 * Separators, what Windows refuses, and everything that a terminal or a file manager may not show as it is. Joiners stay:
 * emoji and several scripts are written with them.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this finds
  /[\u0000-\u001f"*/:<>?\\|\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff\u{e0000}-\u{e0fff}]|\p{Surrogate}/gu

/** Names of devices on Windows, with any extension: `con`, `COM1.txt`, `Lpt².log`. */
const RESERVED = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\.|$)/i

const FALLBACK = 'unnamed'
/** Beyond it an extension is none, and is cut like the rest. */
const MAX_EXTENSION_BYTES = 20

/** One name of a path: never empty, never '.' or '..', without a separator, at most 180 bytes. Idempotent. */
export function safeName(name: string): string {
  const cleaned = trimmed(name.normalize('NFC').replace(UNSAFE, '_'))
  const bounded = trimmed(cut(cleaned, MAX_INBOX_NAME_BYTES))
  const named = bounded === '' ? FALLBACK : bounded
  return RESERVED.test(named) ? trimmed(cut(`_${named}`, MAX_INBOX_NAME_BYTES)) : named
}

/** The same for what stands in the inbox itself: it does not hide behind a dot in front. */
export function safeTopName(name: string): string {
  return safeName(safeName(name).replace(/^\.+/, '_'))
}

/** `photo.jpg` and 2 is `photo (2).jpg`. */
export function numbered(name: string, number: number): string {
  const { stem, extension } = split(name)
  return `${stem} (${number})${extension}`
}

/** Two names that some file system takes for the same have the same fold: case and Unicode form do not count. */
export function foldName(name: string): string {
  return name.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC')
}

/** Windows drops dots and blanks at the end; blanks at the beginning are seen by nobody. */
function trimmed(text: string): string {
  return text.replace(/^\s+|[\s.]+$/gu, '')
}

/** Cuts the stem, so that the extension stays. */
function cut(name: string, maxBytes: number): string {
  const encoder = new TextEncoder()
  if (encoder.encode(name).length <= maxBytes) return name
  const { stem, extension } = split(name)
  return boundText(stem, maxBytes - encoder.encode(extension).length) + extension
}

function split(name: string): { stem: string; extension: string } {
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 ? name.slice(dot) : ''
  const isOne = new TextEncoder().encode(extension).length <= MAX_EXTENSION_BYTES
  return isOne ? { stem: name.slice(0, name.length - extension.length), extension } : { stem: name, extension: '' }
}
