/**
 * What finding and reaching peers in the LAN needs, checked one by one. Nothing leaves the links, and on them only the two
 * questions that rooms ask.
 */

import { placesOn } from '../discovery/beacon/beacon-links.ts'
import { defaultInterfaces, type InterfaceChoice } from '../platform/interface-choice.ts'
import type { Platform } from '../platform/platform.ts'
import { checkBeacon } from './check-beacon.ts'
import { checkInterfaces } from './check-interfaces.ts'
import { aboutFirewalls, checkListener } from './check-listener.ts'
import { checkMulticast, multicastPlaces } from './check-multicast.ts'
import { checkPackages } from './check-packages.ts'
import type { Finding, OnFinding } from './finding.ts'
import type { LocalSystem } from './local-system.ts'

export interface LanCheckParts {
  readonly platform: Platform
  readonly system: LocalSystem
  readonly interfaces: InterfaceChoice
  readonly signal: AbortSignal | undefined
  readonly onFinding: OnFinding
}

/** All findings, in the order in which they were told. Rejects with `signal.reason`. */
export async function checkLanOn({
  platform,
  system,
  interfaces,
  signal,
  onFinding,
}: LanCheckParts): Promise<readonly Finding[]> {
  signal?.throwIfAborted()
  const findings: Finding[] = []
  const tell = (all: readonly Finding[]): void => {
    for (const each of all) {
      findings.push(each)
      onFinding(each)
    }
  }
  tell(await checkPackages(platform, system))
  const all = platform.network.interfaces()
  const used = defaultInterfaces(all, interfaces)
  tell(checkInterfaces(all, interfaces))
  const parts = { platform, system, signal }
  const [multicast, beacon, listener] = await Promise.all([
    Promise.all(multicastPlaces(used).map(place => checkMulticast({ ...parts, ...place }))),
    Promise.all([...placesOn(used).values()].map(place => checkBeacon({ ...parts, place }))),
    checkListener(platform, used, signal),
  ])
  signal?.throwIfAborted()
  tell([...multicast, ...beacon, listener])
  const heard = new Set(
    [...multicast, ...beacon].flatMap(({ details }) => (details['heardFrom'] ?? details['peersAt'] ?? []) as string[]),
  )
  tell([aboutFirewalls(system, heard.size)])
  return findings
}
