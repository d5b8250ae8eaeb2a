/** Colours on terminals, and plain text everywhere else. Honours NO_COLOR (no-color.org). */

export interface Style {
  dim(text: string): string
  bold(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  /** A colour that stays the same for the same `key`, for example the id of a peer. */
  stable(text: string, key: string): string
}

export interface ColourTarget {
  readonly isTTY?: boolean | undefined
}

export function styleFor(target: ColourTarget, env: Readonly<Record<string, string | undefined>>): Style {
  return target.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb' ? COLOURED : PLAIN
}

/** Foreground colours that can be read on light and on dark: red is left to errors, black and white to the terminal. */
const PALETTE = [32, 33, 34, 35, 36, 92, 94, 95, 96] as const

const COLOURED: Style = {
  dim: text => sgr(2, text),
  bold: text => sgr(1, text),
  red: text => sgr(31, text),
  green: text => sgr(32, text),
  yellow: text => sgr(33, text),
  stable: (text, key) => sgr(PALETTE[hash(key) % PALETTE.length]!, text),
}

const PLAIN: Style = { dim: same, bold: same, red: same, green: same, yellow: same, stable: same }

function same(text: string): string {
  return text
}

/** Select graphic rendition (ECMA-48 section 8.3.117). */
function sgr(parameter: number, text: string): string {
  return `\u001b[${parameter}m${text}\u001b[0m`
}

function hash(key: string): number {
  let sum = 0
  for (let index = 0; index < key.length; index++) sum = (sum * 31 + key.charCodeAt(index)) >>> 0
  return sum
}
