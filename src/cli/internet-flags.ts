/** The options that lead beyond the local networks: which servers may be used, and for what. Without them nothing is sent there. */

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { InternetOptions, TurnServer } from '../index.ts'
import { parseStunUri } from '../nat.ts'
import { parseBytes } from './byte-count.ts'
import { UsageError } from './exit-code.ts'

export interface InternetSettings {
  readonly rendezvous: readonly string[]
  readonly stun: readonly string[]
  readonly turn: readonly WrittenTurn[]
  readonly direct: InternetOptions['direct']
  readonly relayBudgetBytes: number | undefined
}

/** A TURN server as it was written: what is not said there may be in the environment. */
export interface WrittenTurn {
  readonly url: string
  readonly username: string | undefined
  readonly credential: string | undefined
}

const BROKER_PROTOCOLS: readonly string[] = ['mqtt:', 'mqtts:', 'ws:', 'wss:']
const POLICIES = ['prefer', 'only', 'never'] as const

/** Arguments are visible to others of the machine: what has a password may come from the environment. */
export function addInternetFlags(program: Command): void {
  program
    .addOption(
      new Option('--rendezvous <url>', 'a broker where peers of different networks meet, mqtts://HOST; may be repeated')
        .env('EARSHOT_RENDEZVOUS')
        .argParser(listOf('EARSHOT_RENDEZVOUS', brokerUrl)),
    )
    .addOption(
      new Option('--stun <url>', 'a STUN server: host, host:port or stun: URI; may be repeated')
        .env('EARSHOT_STUN')
        .argParser(listOf('EARSHOT_STUN', stunUrl)),
    )
    .addOption(
      new Option('--turn <url>', 'a TURN server that relays, turn:USER:PASSWORD@HOST; may be repeated')
        .env('EARSHOT_TURN')
        .argParser(listOf('EARSHOT_TURN', turnUrl)),
    )
    .addOption(
      new Option('--direct <when>', 'direct paths: prefer, only (no relay) or never (relays only)')
        .choices(POLICIES)
        .default(undefined, 'prefer'),
    )
    .addOption(
      new Option('--relay-budget <size>', 'how much may go through relays, like 500MB, 1GB')
        .default(undefined, 'no limit')
        .argParser(sizeArgument),
    )
}

export function readInternetFlags(options: Readonly<Record<string, unknown>>): InternetSettings {
  const {
    rendezvous = [],
    stun = [],
    turn = [],
    direct,
    relayBudget,
  } = options as {
    readonly rendezvous?: readonly string[]
    readonly stun?: readonly string[]
    readonly turn?: readonly WrittenTurn[]
    readonly direct?: InternetOptions['direct']
    readonly relayBudget?: number
  }
  return { rendezvous, stun, turn, direct, relayBudgetBytes: relayBudget }
}

/** For `join`; undefined where no server is named, so that nothing leaves the local networks. Throws a UsageError. */
export function internetOptions(settings: InternetSettings): InternetOptions | undefined {
  const { rendezvous, stun, turn } = settings
  return rendezvous.length + stun.length + turn.length === 0 ? undefined : withServers(settings)
}

/** The same where the user has asked for the Internet by other words. */
export function withServers({ rendezvous, stun, turn, direct, relayBudgetBytes }: InternetSettings): InternetOptions {
  return {
    rendezvous,
    stun,
    turn: turn.map(withCredentials),
    ...(direct !== undefined && { direct }),
    ...(relayBudgetBytes !== undefined && { relayBudgetBytes }),
  }
}

/** A variable may name several, with blanks between; in an argument a blank is a mistake. */
function listOf<Item>(
  variable: string,
  parse: (text: string) => Item,
): (text: string, previous?: readonly Item[]) => readonly Item[] {
  return (text, previous = []) => {
    // The parser of the command line hands over both alike.
    const isVariable = text === process.env[variable]
    const words = isVariable ? text.split(/\s+/).filter(word => word !== '') : [text]
    return [...previous, ...words.map(parse)]
  }
}

/** The password is not repeated in what is said of it. */
function brokerUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && BROKER_PROTOCOLS.includes(url.protocol) && url.hostname !== '') return text
  throw new InvalidArgumentError(
    `'${withoutUser(text)}' is no URL of a broker; write it like mqtts://broker.example.org, or with mqtt:, wss: or ws:`,
  )
}

function stunUrl(text: string): string {
  const server = /^(stun|turn)s?:/i.test(text) ? text : `stun:${text}`
  const { scheme } = parsed(server)
  if (scheme === 'stun' || scheme === 'stuns') return server
  throw new InvalidArgumentError(
    `'${withoutUser(text)}' is a TURN server; the URI of a STUN server begins with 'stun:' or 'stuns:'`,
  )
}

const TURN_URL = /^(?<scheme>(?:turn|stun)s?:)(?:(?<username>[^:@]+)(?::(?<credential>[^@]*))?@)?(?<rest>[^@]*)$/i

function turnUrl(text: string): WrittenTurn {
  const { scheme, username, credential, rest } = TURN_URL.exec(text)?.groups ?? {}
  if (scheme === undefined) {
    throw new InvalidArgumentError(
      `'${withoutUser(text)}' is no TURN server; write it like turn:USER:PASSWORD@turn.example.org`,
    )
  }
  const url = `${scheme}${rest}`
  if (!parsed(url).scheme.startsWith('turn'))
    throw new InvalidArgumentError(
      `'${url}' is a STUN server; the URI of a TURN server begins with 'turn:' or 'turns:'`,
    )
  return { url, username: decoded(username), credential: decoded(credential) }
}

function withCredentials({ url, username, credential }: WrittenTurn): TurnServer {
  const user = username ?? process.env['EARSHOT_TURN_USER']
  const password = credential ?? process.env['EARSHOT_TURN_PASSWORD']
  if (user && password) return { urls: url, username: user, credential: password }
  const missing = user ? 'the password' : 'the user'
  throw new UsageError(
    `${missing} of the TURN server '${url}' is missing: EARSHOT_TURN_USER and EARSHOT_TURN_PASSWORD, or turn:USER:PASSWORD@HOST`,
  )
}

/** In a URL `%40` is an at sign. */
function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text)
  } catch {
    throw new InvalidArgumentError('user and password are written as in a URL: a percent sign is %25 there')
  }
}

function parsed(uri: string): ReturnType<typeof parseStunUri> {
  try {
    return parseStunUri(uri)
  } catch (error) {
    throw new InvalidArgumentError((error as RangeError).message)
  }
}

function sizeArgument(text: string): number {
  try {
    return parseBytes(text)
  } catch (error) {
    throw new InvalidArgumentError((error as RangeError).message)
  }
}

function withoutUser(text: string): string {
  return text.replace(/[^/:@]*:[^/@]*@|[^/:@]*@/, '')
}
