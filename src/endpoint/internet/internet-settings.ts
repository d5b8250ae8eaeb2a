/** The option `internet` of `join`, checked and completed. */

import { MAX_BROKERS, MAX_STUN_SERVERS } from '../../limits.ts'
import type { AgentSettings } from '../../nat/ice/agent.ts'
import { checkAgentServers } from '../../nat/ice/agent-options.ts'
import type { DirectPolicy } from '../../nat/ice/description.ts'
import type { Rendezvous } from '../../rendezvous/rendezvous.ts'
import type { InternetOptions, TurnServer } from '../options.ts'

/** What of the machine a room needs for it, beside its platform. */
export interface InternetParts {
  /** Opens the rendezvous at a broker. Throws a TypeError for what is no URL of one. */
  rendezvousAt(url: string, trustedCertificates: readonly string[] | undefined): () => Rendezvous
  readonly mapPort: NonNullable<AgentSettings['mapPort']>
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
    mapPort: mapPorts ? parts.mapPort : undefined,
    keepAliveMs: KEEP_ALIVE_MS,
    giveUpMs: GIVE_UP_MS,
  }
}

function openerOf(
  one: string | Rendezvous,
  trustedCertificates: readonly string[] | undefined,
  parts: InternetParts,
): () => Rendezvous {
  if (typeof one === 'string') return parts.rendezvousAt(one, trustedCertificates)
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
