/** Why a peer was not reached over the Internet, in words and in detail. */

import { type ConnectAttempt, EarshotError } from '../../errors.ts'
import { shortPeerId } from '../../identity/peer-id.ts'
import type { ConnectivityReport } from '../../nat/ice/agent.ts'
import type { PathReport } from '../../nat/ice/journal.ts'
import type { NatSummary } from '../../nat/ice/nat-summary.ts'

/** @param refusal what a connection that stood came to */
export function noPathError(peerId: string, report: ConnectivityReport, refusal?: EarshotError): EarshotError {
  const peer = shortPeerId(peerId)
  const attempts = attemptsOf(report)
  if (refusal) {
    const { code, message, hint, reason, retryAfterMs } = refusal
    return new EarshotError(code, message, {
      attempts,
      cause: refusal,
      ...(hint !== undefined && { hint }),
      ...(reason !== undefined && { reason }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    })
  }
  if (!report.nat.remote) {
    return new EarshotError('timeout', `${peer} did not answer over the rendezvous`, {
      attempts,
      hint: 'The peer must be in the same room, with the same rendezvous, and at least one broker must be up on both sides.',
    })
  }
  const here = describeNat(report.nat.local)
  const there = describeNat(report.nat.remote)
  return new EarshotError('unreachable', `no path to ${peer} over the Internet: here ${here}, there ${there}`, {
    attempts,
    hint: ['A TURN server (`internet.turn`, or --turn of the command) always leads there.', ...report.advice].join(' '),
  })
}

/** Every pair of candidates that was tried, as an attempt. */
export function attemptsOf({ paths, elapsedMs }: ConnectivityReport): ConnectAttempt[] {
  return paths.filter(({ result }) => result !== 'used').map(path => attemptOf(path, elapsedMs))
}

function attemptOf(path: PathReport, elapsedMs: number): ConnectAttempt {
  const { kind, transport, method, remote, result, startedAfterMs, code, message } = path
  return {
    address: remote,
    via: `${kind} ${transport} ${method}`,
    durationMs: path.durationMs ?? Math.max(0, elapsedMs - startedAfterMs),
    code: code ?? (result === 'trying' ? 'timeout' : 'unreachable'),
    message: message ?? WORDS[result],
  }
}

const WORDS: Readonly<Record<PathReport['result'], string>> = {
  trying: 'no answer in time',
  works: 'it works, and another path was better',
  used: 'it became a connection',
  failed: 'no answer',
  stopped: 'it was not needed any more',
  refused: 'it was not tried',
}

/** A NAT in a few words: what it does to UDP, and to TCP where that is another thing. */
export function describeNat({ udp, tcp }: { readonly udp: NatSummary; readonly tcp: NatSummary }): string {
  if (udp.isBlocked) return `UDP is blocked, ${describeMapping(tcp)} for TCP`
  const [ofUdp, ofTcp] = [describeMapping(udp), describeMapping(tcp)]
  return ofUdp === ofTcp || tcp.mapping === 'unknown' ? ofUdp : `${ofUdp} for UDP, ${ofTcp} for TCP`
}

function describeMapping({ mapping, ports }: NatSummary): string {
  if (mapping === 'unknown') return 'the NAT is unknown'
  if (mapping === 'none') return 'there is no NAT'
  const how = ports.kind === 'unknown' ? '' : ` (ports: ${ports.kind})`
  return `the NAT's mapping is ${mapping}${how}`
}
