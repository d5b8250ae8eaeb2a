/** What a check has found: whether all is well, and otherwise how to mend it. */

import { EarshotError } from '../errors.ts'

/** 'ok': as it should be. 'note': something works less well than it could. 'problem': something does not work. */
export type Verdict = 'ok' | 'note' | 'problem'

/** What is looked at. A closed list, explained in docs/doctor.md. */
export type CheckName =
  | 'package'
  | 'interface'
  | 'multicast'
  | 'beacon'
  | 'ipv6'
  | 'listener'
  | 'firewall'
  | 'stun'
  | 'udp'
  | 'tcp'
  | 'nat'
  | 'lifetime'
  | 'port-mapping'
  | 'relay'
  | 'rendezvous'

export interface Finding {
  readonly check: CheckName
  /** Which one, where there are several: an interface, a package, a server. */
  readonly subject: string | undefined
  readonly verdict: Verdict
  /** What was found. */
  readonly message: string
  /** How to mend it, in a sentence; undefined where there is nothing to mend, or nobody knows. */
  readonly hint: string | undefined
  /** The same for programs: measured values, plain data. */
  readonly details: Readonly<Record<string, unknown>>
}

/** Takes findings as they are made. */
export type OnFinding = (finding: Finding) => void

export type FindingParts = Pick<Finding, 'check' | 'verdict' | 'message'> & Partial<Finding>

export function finding(parts: FindingParts): Finding {
  return { subject: undefined, hint: undefined, details: {}, ...parts }
}

/** What failed, in the words of its error. */
export function failure(parts: Pick<Finding, 'check' | 'verdict'> & Partial<Finding>, thrown: unknown): Finding {
  if (!(thrown instanceof EarshotError)) throw thrown
  const { code, message, hint, reason } = thrown
  return finding({ message, hint, ...parts, details: { code, reason, ...parts.details } })
}
