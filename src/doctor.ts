/**
 * `earshot/doctor`: what is wrong with the network of this machine, and how to mend it: what `earshot doctor` shows, for
 * programs. `docs/doctor.md` explains every check.
 */

import { loadBrokerPackage } from './broker/broker.ts'
import { checkInternetOn, type InternetReport, type RelayToCheck } from './doctor/check-internet.ts'
import { checkLanOn } from './doctor/check-lan.ts'
import type { Finding, OnFinding } from './doctor/finding.ts'
import { type LocalSystem, UNKNOWN_SYSTEM } from './doctor/local-system.ts'
import { MAX_BROKERS } from './limits.ts'
import { checkAgentServers } from './nat/ice/agent-options.ts'
import { portMapperOf } from './nat/port-mapping/port-mapper.ts'
import { checkRange, checkStunServers, TIMEOUT_RANGE_MS } from './nat/stun/argument-check.ts'
import type { InterfaceChoice } from './platform/interface-choice.ts'
import { keepProcessAlive } from './platform/node/keep-process-alive.ts'
import { activeFirewalls, udpPortUsers } from './platform/node/local-programs.ts'
import { nodePlatform } from './platform/node/node-platform.ts'
import type { Platform } from './platform/platform.ts'
import { loadMqtt } from './rendezvous/mqtt/mqtt-connector.ts'
import { mqttRendezvous } from './rendezvous/mqtt/mqtt-rendezvous.ts'
import { parseMqttUrl } from './rendezvous/mqtt/mqtt-url.ts'
import type { Rendezvous } from './rendezvous/rendezvous.ts'

export type { InternetReport, RelayToCheck } from './doctor/check-internet.ts'
export type { CheckName, Finding, Verdict } from './doctor/finding.ts'
export type { Outlook, OutlookRow } from './doctor/outlook.ts'

export interface CheckLanOptions {
  /** @default as rooms choose them */
  readonly interfaces?: InterfaceChoice
  /** Called with each finding as it is made. @default nobody is told before the end */
  readonly onFinding?: OnFinding
  readonly signal?: AbortSignal
  /** A simulated host of `earshot/testing`. @default the machine that this runs on */
  readonly network?: Platform
}

/** Servers as `join({ internet })` takes them. */
export interface CheckInternetOptions {
  /** STUN servers, 1 to 16 where there are any. Without them nothing is learned of the NAT. @default none */
  readonly stun?: readonly string[]
  /** TURN servers, at most 4. @default none */
  readonly turn?: readonly RelayToCheck[]
  /** Brokers by their URL, or what is a `Rendezvous`, which is closed afterwards; at most 8. @default none */
  readonly rendezvous?: readonly (string | Rendezvous)[]
  /** How long a server may take to answer, in milliseconds, 100 to 60,000. @default 5_000 */
  readonly timeoutMs?: number
  /**
   * The longest silence after which a UDP mapping is looked at, in milliseconds: it takes as long as that. 0: not at all;
   * otherwise 1,000 to 600,000. @default 20_000
   */
  readonly lifetimeMs?: number
  /** Certificates in PEM to trust for servers over TLS. @default those that the system trusts */
  readonly trustedCertificates?: readonly string[]
  /** Called with each finding as it is made. @default nobody is told before the end */
  readonly onFinding?: OnFinding
  readonly signal?: AbortSignal
  /** A simulated host of `earshot/testing`. @default the machine that this runs on */
  readonly network?: Platform
}

const THIS_SYSTEM: LocalSystem = {
  udpPortUsers,
  firewalls: activeFirewalls,
  packages: [
    { name: 'mqtt', without: 'no broker can be used to find peers beyond the LAN', load: loadMqtt },
    { name: 'aedes', without: '`earshot broker` does not start', load: () => loadBrokerPackage('aedes') },
    { name: 'ws', without: '`earshot broker` has no websockets', load: () => loadBrokerPackage('ws') },
  ],
}

const DEFAULT_TIMEOUT_MS = 5_000
const LIFETIME_RANGE_MS = [1_000, 600_000] as const

/**
 * Optional packages, interfaces, multicast DNS and the beacon on each of them, IPv6, a listener, firewalls. It takes about a
 * second. Nothing goes to the Internet; on the LAN two questions are asked that rooms ask.
 *
 * @throws rejects with `signal.reason`
 */
export async function checkLan(options: CheckLanOptions = {}): Promise<readonly Finding[]> {
  const { interfaces = {}, onFinding = () => {}, signal, network } = options
  const system = network ? UNKNOWN_SYSTEM : THIS_SYSTEM
  const release = network ? () => {} : keepProcessAlive()
  try {
    return await checkLanOn({ platform: network ?? nodePlatform(), system, interfaces, onFinding, signal })
  } finally {
    release()
  }
}

/**
 * What reaching peers across the Internet needs, with the servers that are named: whether UDP and TCP pass, IPv6, the NAT and how
 * long its mappings live, port mapping, relays and brokers with their latency; and from that, how likely a direct path is with
 * each common kind of NAT on the other side.
 *
 * A port is mapped on the router, and given back.
 *
 * @throws rejects with TypeError or RangeError for wrong arguments, or `signal.reason`. Servers that fail are findings
 */
export async function checkInternet(options: CheckInternetOptions = {}): Promise<InternetReport> {
  const { stun = [], turn = [], rendezvous = [], timeoutMs = DEFAULT_TIMEOUT_MS, lifetimeMs = 20_000 } = options
  const { trustedCertificates, onFinding = () => {}, signal, network } = options
  const platform = network ?? nodePlatform()
  checkInternetArguments(options)
  const release = network ? () => {} : keepProcessAlive()
  try {
    return await checkInternetOn({
      platform,
      stun,
      turn,
      rendezvous: rendezvous.map(one => openerOf(one, platform, trustedCertificates)),
      mapPort: wanted => portMapperOf(platform, keepProcessAlive).map(wanted),
      timeoutMs,
      lifetimeMs,
      trustedCertificates,
      signal,
      onFinding,
    })
  } finally {
    release()
  }
}

/** Throws the TypeError or RangeError with which `checkInternet` would reject; nobody is asked. */
export function checkInternetArguments(options: CheckInternetOptions): void {
  const { stun = [], turn = [], rendezvous = [], timeoutMs = DEFAULT_TIMEOUT_MS, lifetimeMs = 0 } = options
  if (stun.length > 0) checkStunServers(stun)
  checkAgentServers({ turn })
  checkRange('timeoutMs', timeoutMs, TIMEOUT_RANGE_MS)
  if (lifetimeMs !== 0) checkRange('lifetimeMs', lifetimeMs, LIFETIME_RANGE_MS)
  if (rendezvous.length > MAX_BROKERS)
    throw new RangeError(`rendezvous has at most ${MAX_BROKERS} brokers, not ${rendezvous.length}`)
  for (const one of rendezvous) if (typeof one === 'string') parseMqttUrl(one)
}

function openerOf(
  one: string | Rendezvous,
  { clock, random }: Platform,
  trustedCertificates: readonly string[] | undefined,
): () => Rendezvous {
  if (typeof one !== 'string') return () => one
  return () => mqttRendezvous({ url: one, clock, random, ca: trustedCertificates?.join('\n') })
}
