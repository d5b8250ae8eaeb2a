/**
 * Birthday searches: where one NAT gives random ports and the other lets in only whom it knows, 256 mappings on the one side and
 * 1,500 tries on the other meet with 99.7 % (docs/reachability.md). A carrier may take it for a scan of ports.
 */

import type { Random } from '../../platform/random.ts'

/** 30 every 20 ms: all of them in one second. */
export const BIRTHDAY_BATCH = 30
export const BIRTHDAY_BATCH_MS = 20
const FIRST_PORT = 1_024

/** Different ones, of all that a NAT may give. */
export function randomPorts(random: Random, count: number): readonly number[] {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(FIRST_PORT + Math.floor(random.fraction() * (65_536 - FIRST_PORT)))
  return [...ports]
}

/** Its failure is looked at later, with that of the others. */
export function handled(promise: Promise<void>): Promise<void> {
  promise.catch(() => {})
  return promise
}
