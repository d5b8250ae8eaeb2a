/**
 * Whether multicast DNS works on an interface: port 5353 can be shared, and a question that is sent to the group comes back, as
 * the system loops it to this machine's own members. The question is one that rooms ask (docs/mdns.md).
 */

import { ROOM_SERVICE_TYPE } from '../discovery/dns-sd/room-advert.ts'
import { MDNS_GROUP, MDNS_TTL } from '../discovery/mdns/link.ts'
import { MDNS_PORT } from '../discovery/mdns/link-responder.ts'
import { encodeMessage, message } from '../discovery/mdns/message.ts'
import { EarshotError } from '../errors.ts'
import { canonicalIp, onLinkTest } from '../platform/ip-address.ts'
import type { AddressFamily, NetworkInterface, SocketAddress, UdpSocket } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'
import { type Finding, failure, finding } from './finding.ts'
import { addUpTo } from './heard.ts'
import type { LocalSystem } from './local-system.ts'
import { LISTEN_MS, pause } from './pause.ts'

export interface MulticastCheckParts {
  readonly platform: Platform
  readonly system: LocalSystem
  readonly link: NetworkInterface
  readonly family: AddressFamily
  readonly signal: AbortSignal | undefined
}

interface Heard {
  isEchoed: boolean
  /** Addresses of other machines. */
  readonly others: Set<string>
  error: EarshotError | undefined
}

/** Where rooms use multicast DNS. The loopback interface of Linux has no route for IPv6 multicast. */
export function multicastPlaces(
  used: readonly NetworkInterface[],
): readonly { readonly link: NetworkInterface; readonly family: AddressFamily }[] {
  return used.flatMap(link => {
    const has = (family: AddressFamily): boolean => link.addresses.some(each => each.family === family)
    const families = (['ipv4', 'ipv6'] as const).filter(has)
    const isBoth = families.length === 2 && link.kind === 'loopback'
    return (isBoth ? families.slice(0, 1) : families).map(family => ({ link, family }))
  })
}

export async function checkMulticast(parts: MulticastCheckParts): Promise<Finding> {
  const { link, family, signal } = parts
  const subject = `${link.name} ${family === 'ipv4' ? 'IPv4' : 'IPv6'}`
  // IPv4 alone is enough to find each other.
  const hasOther = family === 'ipv6' && link.addresses.some(each => each.family === 'ipv4')
  const common = { check: 'multicast', subject, verdict: hasOther ? 'note' : 'problem' } as const
  const heard: Heard = { isEchoed: false, others: new Set(), error: undefined }
  let socket: UdpSocket
  try {
    socket = await openGroup(parts, heard)
  } catch (error) {
    return explainedFailure(common, error, parts)
  }
  try {
    socket.send(question(), { address: MDNS_GROUP[family], port: MDNS_PORT })
    await pause(parts.platform.clock, LISTEN_MS, signal)
  } finally {
    socket.close()
  }
  const details = { heardFrom: [...heard.others] }
  if (heard.error) return failure({ ...common, details }, heard.error)
  if (heard.isEchoed) return finding({ ...common, verdict: 'ok', message: whatCameBack(heard.others.size), details })
  return finding({
    ...common,
    message: 'multicast is sent, and does not come back to this machine: nothing that others send will arrive either',
    hint: `Allow incoming UDP to port ${MDNS_PORT} in the firewall of this machine.`,
    details,
  })
}

async function openGroup({ platform, link, family }: MulticastCheckParts, heard: Heard): Promise<UdpSocket> {
  const isOnLink = onLinkTest(link)
  const own = new Set(link.addresses.map(({ address }) => canonicalIp(address)))
  const onDatagram = (_: Uint8Array, { address, port }: SocketAddress): void => {
    // On Linux the socket also hears what came by other interfaces.
    if (!isOnLink(address)) return
    if (!own.has(canonicalIp(address))) addUpTo(heard.others, address)
    else if (port === MDNS_PORT) heard.isEchoed = true
  }
  const socket = await platform.network.openUdp(
    {
      address: family === 'ipv4' ? '0.0.0.0' : '::',
      port: MDNS_PORT,
      sharePort: true,
      multicastInterface: link.name,
      multicastTtl: MDNS_TTL,
    },
    {
      onDatagram,
      onError: error => {
        heard.error ??= error
      },
    },
  )
  try {
    socket.joinGroup(MDNS_GROUP[family])
  } catch (error) {
    socket.close()
    throw error
  }
  return socket
}

/** Who is in any room? */
function question(): Uint8Array {
  const name = `${ROOM_SERVICE_TYPE}.local`
  return encodeMessage(message({ questions: [{ name, type: 'PTR', unicastResponse: false }] }))
}

function explainedFailure(
  common: Pick<Finding, 'check' | 'verdict' | 'subject'>,
  error: unknown,
  parts: MulticastCheckParts,
): Finding {
  const isTaken = error instanceof EarshotError && error.code === 'address-in-use'
  if (!isTaken) return failure(common, error)
  const holders = parts.system.udpPortUsers(MDNS_PORT)
  const who = holders.length > 0 ? `: ${holders.join(', ')}` : ''
  return finding({
    ...common,
    message: `port ${MDNS_PORT} belongs to a program that does not share it${who}`,
    hint: 'End that program, or have it share the port (SO_REUSEADDR). Until then peers find each other by the beacon alone.',
    details: { code: 'address-in-use', holders },
  })
}

function whatCameBack(others: number): string {
  const heard = others === 0 ? 'nobody else was heard' : `${others} other ${others === 1 ? 'device' : 'devices'} heard`
  return `port ${MDNS_PORT} is shared, multicast leaves and comes back; ${heard}`
}
