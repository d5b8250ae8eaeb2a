/** Servers that commands are told to use: by an option, once for each, or by a variable, which may name several. */

import { InvalidArgumentError } from 'commander'
import { parseStunUri } from '../nat.ts'

/** How an option collects its values. */
export type CollectServers = (text: string, previous?: readonly string[]) => readonly string[]

/** STUN servers: a host alone will do. */
export function stunServers(variable: string): CollectServers {
  return collector(variable, server => checkedUri(/^(stun|turn)s?:/i.test(server) ? server : `stun:${server}`, 'stun'))
}

/** TURN servers: a host alone will do. */
export function turnServers(variable: string): CollectServers {
  return collector(variable, server => checkedUri(/^(stun|turn)s?:/i.test(server) ? server : `turn:${server}`, 'turn'))
}

/** Texts that are taken as they are, for what is checked elsewhere. `check` throws what is wrong with one. */
export function collector(variable: string, check: (text: string) => string): CollectServers {
  return (text, previous = []) => {
    // The parser of the command line hands over both alike. Only the variable is split: in an argument a blank is a mistake.
    const isFromVariable = text === process.env[variable]
    const all = isFromVariable ? text.split(/\s+/).filter(each => each !== '') : [text]
    return [...previous, ...all.map(each => argument(() => check(each)))]
  }
}

function checkedUri(server: string, kind: 'stun' | 'turn'): string {
  const { scheme } = parseStunUri(server)
  if (!scheme.startsWith(kind)) throw new RangeError(`'${server}' is no ${kind.toUpperCase()} server`)
  return server
}

function argument<Value>(check: () => Value): Value {
  try {
    return check()
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}
