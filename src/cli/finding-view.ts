/** Findings as lines for people: verdict, what it is about, what was found, and under it how to mend it. */

import type { CheckName, Verdict } from '../doctor.ts'
import { printableText } from './printable.ts'
import type { Style } from './style.ts'
import { padToWidth, textWidth } from './text-width.ts'

/** A finding of the library, or one that only the command can make. */
export interface ShownFinding {
  readonly check: CheckName | 'node' | 'identity'
  readonly subject: string | undefined
  readonly verdict: Verdict
  readonly message: string
  readonly hint: string | undefined
}

const TITLES: Readonly<Record<ShownFinding['check'], string>> = {
  node: 'Node',
  identity: 'identity',
  package: 'package',
  interface: 'interface',
  multicast: 'mDNS',
  beacon: 'beacon',
  ipv6: 'IPv6',
  listener: 'listener',
  firewall: 'firewall',
  stun: 'STUN',
  udp: 'UDP',
  tcp: 'TCP',
  nat: 'NAT',
  lifetime: 'lifetime',
  'port-mapping': 'port mapping',
  relay: 'relay',
  rendezvous: 'broker',
}

const VERDICT_WIDTH = 'problem'.length
/** Findings are shown as they are made, so the widest is not known; longer ones push what follows. */
const ABOUT_WIDTH = 24
const GAP = '  '
const INDENT = VERDICT_WIDTH + ABOUT_WIDTH + 2 * GAP.length
/** Narrower than this nothing is wrapped: the terminal does it. */
const MIN_TEXT_WIDTH = 24

export function findingLines(
  { check, subject, verdict, message, hint }: ShownFinding,
  style: Style,
  columns: number,
): string[] {
  const about = printableText([TITLES[check], ...(subject === undefined ? [] : [subject])].join(' '))
  const colour = { ok: style.green, note: style.yellow, problem: style.red }[verdict]
  const head = colour(padToWidth(verdict, VERDICT_WIDTH)) + GAP + padToWidth(about, ABOUT_WIDTH) + GAP
  const fits = textWidth(about) <= ABOUT_WIDTH
  const lines = wrap(printableText(message), columns - INDENT)
  const [first = '', ...rest] = fits ? lines : ['', ...lines]
  const mended = hint === undefined ? [] : wrap(`→ ${printableText(hint)}`, columns - INDENT)
  return [`${head}${first}`.trimEnd(), ...rest.map(indented), ...mended.map(line => style.dim(indented(line)))]
}

function indented(line: string): string {
  return ' '.repeat(INDENT) + line
}

function wrap(text: string, width: number): string[] {
  if (width < MIN_TEXT_WIDTH) return [text]
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`
    if (lines.length > 0 && textWidth(longer) <= width) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}
