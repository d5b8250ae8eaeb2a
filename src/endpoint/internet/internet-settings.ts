/** The option `internet` of `join`, checked and completed. */

import { MAX_BROKERS, MAX_STUN_SERVERS } from '../../limits.ts'
import type { AgentSettings } from '../../nat/ice/agent.ts'
import { checkAgentServers } from '../../nat/ice/agent-options.ts'
import type { DirectPolicy } from '../../nat/ice/description.ts'
import { portMapperOf } from '../../nat/port-mapping/port-mapper.ts'
import type { Platform } from '../../platform/platform.ts'
import { mqttConnector } from '../../rendezvous/mqtt/mqtt-connector.ts'
import { ReconnectingRendezvous } from '../../rendezvous/reconnecting-rendezvous.ts'
import type { Rendezvous } from '../../rendezvous/rendezvous.ts'
import type { InternetOptions, TurnServer } from '../options.ts'

/** What a room runs on. */
export interface InternetParts {
  readonly platform: Platform
  /** Keeps the process from ending until the returned function is called. */
  readonly hold: () => () => void
}

export interface InternetSettings {
  /** Opens each of them. */
  readonly rendezvous: readonly (() => Rendezvous)[]
  readonly stun: AgentSettings['stun']
  readonly turn: AgentSettings['turn']
  readonly relayBudgetBytes: number
  readonly direct: DirectPolicy
  readonly mapPort: AgentSettings['mapPort']
  readonly keepAliveMs: number
  readonly giveUpMs: number
  readonly trustedCertificates: readonly string[] | undefined
}

const KEEP_ALIVE_MS = 15_000
const GIVE_UP_MS = 20_000

/** Throws TypeError or RangeError. */
export function checkInternet(options: InternetOptions, parts: InternetParts): InternetSettings {
  if (typeof options !== 'object' || options === null)
    throw new TypeError(`internet must be an object, not ${String(options)}`)
  const { rendezvous = [], stun = [], turn = [], relayBudgetBytes = Number.POSITIVE_INFINITY } = options
  const { direct = 'prefer', mapPorts = true, trustedCertificates } = options
  checkList('internet.rendezvous', rendezvous, MAX_BROKERS)
  checkList('internet.stun', stun, MAX_STUN_SERVERS)
  checkList('internet.turn', turn, Number.POSITIVE_INFINITY)
  if (typeof relayBudgetBytes !== 'number' || !(relayBudgetBytes >= 0))
    throw new RangeError(`internet.relayBudgetBytes must be 0 or more bytes, not ${String(relayBudgetBytes)}`)
  if (typeof mapPorts !== 'boolean')
    throw new TypeError(`internet.mapPorts must be true or false, not ${String(mapPorts)}`)
  return {
    rendezvous: rendezvous.map(one => openerOf(one, trustedCertificates, parts)),
    ...checkAgentServers({
      stun,
      turn: turn.flatMap(serversOf),
      direct,
      ...(trustedCertificates && { trustedCertificates }),
    }),
    relayBudgetBytes,
    mapPort: mapPorts ? wanted => portMapperOf(parts.platform, parts.hold).map(wanted) : undefined,
    keepAliveMs: KEEP_ALIVE_MS,
    giveUpMs: GIVE_UP_MS,
  }
}

function openerOf(
  one: string | Rendezvous,
  trustedCertificates: readonly string[] | undefined,
  { platform }: InternetParts,
): () => Rendezvous {
  if (typeof one === 'string') {
    const { clock, random } = platform
    const connector = mqttConnector({ url: one, random, ca: trustedCertificates?.join('\n') })
    return () => new ReconnectingRendezvous({ connector, clock, random })
  }
  if (typeof one?.publish === 'function' && typeof one.subscribe === 'function') return () => one
  throw new TypeError(`internet.rendezvous takes URLs of brokers or objects that are a Rendezvous, not ${String(one)}`)
}

function serversOf({
  urls,
  username,
  credential,
}: TurnServer): { server: string; username: string; credential: string }[] {
  const all = typeof urls === 'string' ? [urls] : urls
  if (!Array.isArray(all)) throw new TypeError(`urls of internet.turn is one URL or an array, not ${String(urls)}`)
  return all.map(server => ({ server, username, credential }))
}

function checkList(field: string, list: readonly unknown[], max: number): void {
  if (!Array.isArray(list)) throw new TypeError(`${field} must be an array, not ${String(list)}`)
  if (list.length > max) throw new RangeError(`${field} has at most ${max} entries, not ${list.length}`)
}
