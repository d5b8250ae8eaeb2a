/** Whether the beacon (docs/beacon.md) gets out and comes back: it asks, as a room does, who is there. */

import { BEACON_PORT, BeaconLink, type LinkPlace } from '../discovery/beacon/beacon-link.ts'
import { encodeBeacon } from '../discovery/beacon/beacon-packet.ts'
import { EarshotError } from '../errors.ts'
import type { Platform } from '../platform/platform.ts'
import { type Finding, failure, finding } from './finding.ts'
import { addUpTo } from './heard.ts'
import type { LocalSystem } from './local-system.ts'
import { LISTEN_MS, pause } from './pause.ts'

export interface BeaconCheckParts {
  readonly platform: Platform
  readonly system: LocalSystem
  readonly place: LinkPlace
  readonly signal: AbortSignal | undefined
}

export async function checkBeacon({ platform, system, place, signal }: BeaconCheckParts): Promise<Finding> {
  const { clock, network } = platform
  const subject = `${place.interface.name} ${place.ipv4?.address ?? 'IPv6'}`
  const hasOther = place.ipv4 === undefined && place.interface.addresses.some(({ family }) => family === 'ipv4')
  const common = { check: 'beacon', subject, verdict: hasOther ? 'note' : 'problem' } as const
  let isEchoed = false
  const peers = new Set<string>()
  const link = new BeaconLink({
    place,
    clock,
    network,
    onPacket: (packet, { address }) => {
      if (packet.kind === 'here') addUpTo(peers, address)
    },
    onEcho: () => {
      isEchoed = true
    },
    onWarning: () => {}, // What is not sent does not come back.
  })
  try {
    await link.open()
    link.sendToAll(encodeBeacon({ kind: 'ask', service: undefined }))
    await pause(clock, LISTEN_MS, signal)
  } catch (error) {
    return explainedFailure(common, error, system)
  } finally {
    link.close()
  }
  const details = { peersAt: [...peers] }
  if (isEchoed) {
    const heard =
      peers.size === 0
        ? 'no peer answered'
        : `peers answered from ${peers.size} ${peers.size === 1 ? 'address' : 'addresses'}`
    return finding({
      ...common,
      verdict: 'ok',
      message: `port ${BEACON_PORT} is shared, the beacon leaves and comes back; ${heard}`,
      details,
    })
  }
  return finding({
    ...common,
    message: 'the beacon does not come back to this machine: those of others will not arrive either',
    hint: `Allow UDP to port ${BEACON_PORT}, in and out, in the firewall of this machine.`,
    details,
  })
}

function explainedFailure(
  common: Pick<Finding, 'check' | 'verdict' | 'subject'>,
  error: unknown,
  system: LocalSystem,
): Finding {
  if (!(error instanceof EarshotError) || error.code !== 'address-in-use') return failure(common, error)
  const holders = system.udpPortUsers(BEACON_PORT)
  const who = holders.length > 0 ? `: ${holders.join(', ')}` : ''
  const message = `port ${BEACON_PORT} belongs to a program that does not share it${who}`
  const hint = 'End that program. Until then this machine can ask by beacon, and does not hear what others announce.'
  return finding({ ...common, message, hint, details: { code: error.code, holders } })
}
