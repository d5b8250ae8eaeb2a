/** What behaviour discovery has found, in findings. Pure. */

import type { PortAllocation } from '../nat/behaviour/classification.ts'
import type { NatBehaviour } from '../nat/behaviour/discover.ts'
import type { MappingLifetime } from '../nat/behaviour/mapping-lifetime.ts'
import type { ServerReport } from '../nat/behaviour/survey.ts'
import { commonNatOf, natTraits } from '../nat/ice/likelihood.ts'
import { isHard } from '../nat/ice/nat-summary.ts'
import { formatSocketAddress } from '../platform/socket-address.ts'
import { type Finding, finding } from './finding.ts'

/** Mappings shorter than this are lost between two signs of life (`keepAliveMs` of a room). */
const KEEP_ALIVE_MS = 15_000

/** Of each server, whether UDP and TCP pass, and what the NAT does. */
export function aboutNat(behaviour: NatBehaviour): readonly Finding[] {
  return [...aboutServers(behaviour), aboutUdp(behaviour), aboutTcp(behaviour), aboutBehaviour(behaviour)]
}

export function aboutIpv6(behaviour: NatBehaviour, isGlobal: boolean): Finding {
  const { udp, tcp } = behaviour
  const mapped = udp?.mapped ?? tcp?.mapped
  const common = { check: 'ipv6', subject: undefined } as const
  if (mapped === undefined) {
    const why = isGlobal ? 'no server answers over IPv6' : 'this machine has no public IPv6 address'
    const hint = isGlobal
      ? 'Name a STUN server that has an IPv6 address, or ask the provider.'
      : 'Ask the provider for IPv6: where both sides have it, no NAT is between them.'
    return finding({ ...common, verdict: 'note', message: why, hint })
  }
  const isTranslated = (udp?.mapped ? udp.mapping : tcp?.mapping) !== 'none'
  const message = isTranslated
    ? `IPv6 passes, through a NAT: outside it is ${mapped.address}`
    : `IPv6 passes with the public address ${mapped.address}`
  return finding({ ...common, verdict: 'ok', message, details: { mapped, isTranslated } })
}

export function aboutLifetime({ atLeastMs, atMostMs, method }: MappingLifetime, triedMs: number): Finding {
  const details = { atLeastMs, atMostMs, method, triedMs }
  const common = { check: 'lifetime', details } as const
  const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`
  if (method === 'unknown') {
    const message = 'how long a mapping lives cannot be told: the server does not know RESPONSE-PORT (RFC 5780)'
    return finding({ ...common, verdict: 'note', message, hint: 'Ask another server, for example coturn.' })
  }
  if (atMostMs === undefined) {
    return finding({
      ...common,
      verdict: 'ok',
      message: `a UDP mapping lives ${seconds(atLeastMs)} of silence or more`,
    })
  }
  const isShort = atLeastMs < KEEP_ALIVE_MS
  const message = `a UDP mapping is gone after ${seconds(atLeastMs)} to ${seconds(atMostMs)} of silence`
  if (!isShort) return finding({ ...common, verdict: 'ok', message })
  const hint = `Rooms say something every ${seconds(KEEP_ALIVE_MS)}: UDP paths will break, others take their place. Set a longer UDP time-out in the router.`
  return finding({ ...common, verdict: 'note', message, hint })
}

export function describePorts(ports: PortAllocation | undefined): string {
  if (ports === undefined || ports.kind === 'unknown') return 'unknown'
  if (ports.kind === 'sequential') return `sequential (${ports.delta > 0 ? '+' : ''}${ports.delta})`
  return ports.kind
}

/** What became of each server. */
export function aboutServers({ udp, tcp }: NatBehaviour): readonly Finding[] {
  const names = new Set([...(udp?.servers ?? []), ...(tcp?.servers ?? [])].map(({ server }) => server))
  return [...names].map(name => {
    const reports = [udp, tcp].map(each => each?.servers.find(({ server }) => server === name))
    return aboutServer(name, reports[0], reports[1])
  })
}

function aboutServer(name: string, udp: ServerReport | undefined, tcp: ServerReport | undefined): Finding {
  const common = { check: 'stun', subject: name } as const
  const answers = [
    ...(udp?.rttMs === undefined ? [] : [`over UDP in ${Math.round(udp.rttMs)} ms`]),
    ...(tcp?.rttMs === undefined ? [] : [`over TCP in ${Math.round(tcp.rttMs)} ms`]),
  ]
  const details = { udpRttMs: udp?.rttMs, tcpRttMs: tcp?.rttMs, software: udp?.software ?? tcp?.software }
  if (answers.length > 0)
    return finding({ ...common, verdict: 'ok', message: `answers ${answers.join(', ')}`, details })
  const error = udp?.error ?? tcp?.error
  // Others had told everything already.
  if (error === undefined) return finding({ ...common, verdict: 'ok', message: 'was not waited for', details })
  const hint = error.hint ?? 'Check its name and port; a firewall may drop what is sent there.'
  return finding({
    ...common,
    verdict: 'problem',
    message: `no answer: ${error.message}`,
    hint,
    details: { code: error.code },
  })
}

function aboutUdp({ udp, udpBlocked }: NatBehaviour): Finding {
  const common = { check: 'udp', details: { udpBlocked } } as const
  if (udp?.mapped)
    return finding({
      ...common,
      verdict: 'ok',
      message: `UDP passes; outside it is ${formatSocketAddress(udp.mapped)}`,
    })
  if (udpBlocked === 'yes') {
    const hint = 'Let UDP out through the firewall of this network. Until then paths are TCP or relays.'
    return finding({ ...common, verdict: 'problem', message: 'UDP is blocked: servers answer over TCP only', hint })
  }
  const hint = 'Is this machine online? Try another STUN server.'
  return finding({ ...common, verdict: 'problem', message: 'no server answers over UDP, nor over TCP', hint })
}

function aboutTcp({ tcp, udp }: NatBehaviour): Finding {
  const common = { check: 'tcp' } as const
  if (tcp?.mapped) {
    const message = `STUN over TCP passes; outside it is ${formatSocketAddress(tcp.mapped)}`
    return finding({ ...common, verdict: 'ok', message, details: { mapping: tcp.mapping } })
  }
  const message = 'no server answers STUN over TCP'
  const hint = 'Name one that does, such as coturn: without it TCP paths through NATs cannot be prepared.'
  return finding({ ...common, verdict: udp?.mapped ? 'note' : 'problem', message, hint })
}

function aboutBehaviour(behaviour: NatBehaviour): Finding {
  const { udp, tcp } = behaviour
  const kind = commonNatOf(behaviour)
  const seen = udp?.mapped ? udp : tcp
  const details = {
    kind,
    mapping: seen?.mapping ?? 'unknown',
    filtering: udp?.filtering ?? 'unknown',
    hairpinning: udp?.hairpinning ?? 'unknown',
    portAllocation: seen?.portAllocation,
    mapped: seen?.mapped,
  }
  const common = { check: 'nat', subject: kind, details } as const
  const parts = [
    `mapping ${details.mapping}`,
    `filtering ${details.filtering}`,
    `hairpinning ${details.hairpinning}`,
    `ports ${describePorts(seen?.portAllocation)}`,
  ]
  const message = parts.join(', ')
  const traits = natTraits(behaviour)
  if (isHard(traits.udp) || isHard(traits.tcp)) {
    const hint = 'Each destination gets another port. Map a port on the router, or use IPv6 on both sides.'
    return finding({ ...common, verdict: 'note', message, hint })
  }
  if (details.mapping === 'unknown') {
    const hint = 'Ask a server with two addresses (RFC 5780), such as coturn, or two servers.'
    return finding({ ...common, verdict: 'note', message, hint })
  }
  return finding({ ...common, verdict: 'ok', message })
}
