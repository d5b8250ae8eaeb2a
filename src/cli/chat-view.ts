/** How a chat is shown: on a terminal, in a pipe, or as JSON. */

import type { GoneCode, Peer } from '../index.ts'
import { toText } from './json-value.ts'
import type { LineTerminal } from './line-terminal.ts'
import type { Output } from './output.ts'
import { PeerLabels } from './peer-label.ts'
import { MAX_TERMINAL_CHARACTERS, printableText } from './printable.ts'

export interface ChatView {
  joined(peer: Peer): void
  left(peer: Peer, code: GoneCode, reason: string): void
  message(from: Peer, data: unknown): void
  /** Something about the chat itself. */
  note(text: string): void
}

/** For pipes: stdout has nothing but `name: text` lines of others, news go to stderr. */
export function pipeView(output: Output): ChatView {
  const labels = new PeerLabels()
  const note = (text: string): void => output.note(printableText(text))
  return {
    joined: peer => note(`${labels.label(peer)} is here`),
    left: (peer, code, reason) => note(`${labels.label(peer)} left${why(code, reason)}`),
    message: (from, data) => output.line(`${labels.label(from)}: ${printableText(toText(data))}`),
    note,
  }
}

/** For terminals: everything appears above the line that is being typed. */
export function terminalView(output: Output, terminal: LineTerminal): ChatView {
  const labels = new PeerLabels()
  const { style } = output
  const note = (text: string): void => terminal.print(style.dim(printableText(text)))
  return {
    joined: peer => note(`${labels.label(peer)} is here`),
    left: (peer, code, reason) => note(`${labels.label(peer)} left${why(code, reason)}`),
    message: (from, data) => {
      const name = style.stable(labels.label(from), from.id)
      terminal.print(`${name}: ${printableText(toText(data), MAX_TERMINAL_CHARACTERS)}`)
    },
    note,
  }
}

/** For programs: one object for each event. Notes still go to stderr. */
export function jsonView(output: Output): ChatView {
  return {
    joined: ({ id, name, info, hello }) => output.event('peer', { id, name, info, hello }),
    left: ({ id, name }, code, reason) => output.event('gone', { id, name, code, reason: reason || undefined }),
    message: ({ id, name }, data) => output.event('message', { from: id, name, data }),
    note: text => output.note(printableText(text)),
  }
}

/** A peer that simply went away needs no reason. */
function why(code: GoneCode, reason: string): string {
  if (code === 'closed') return ''
  return reason ? ` (${code}: ${reason})` : ` (${code})`
}
