/** Whether peers can connect to this machine, as far as it can be tried from here; and what a firewall may do to them. */

import { BEACON_PORT } from '../discovery/beacon/beacon-link.ts'
import { MDNS_PORT } from '../discovery/mdns/link-responder.ts'
import type { NetworkInterface } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'
import { formatSocketAddress } from '../platform/socket-address.ts'
import { type Finding, failure, finding } from './finding.ts'
import type { LocalSystem } from './local-system.ts'

/** A machine answers itself at once. */
const CONNECT_TIMEOUT_MS = 2_000

export async function checkListener(
  { network }: Platform,
  used: readonly NetworkInterface[],
  signal: AbortSignal | undefined,
): Promise<Finding> {
  const common = { check: 'listener', verdict: 'problem' } as const
  const own = used.flatMap(({ addresses }) => addresses).find(({ family }) => family === 'ipv4')?.address ?? '127.0.0.1'
  try {
    const listener = await network.listenTcp({ host: '::', port: 0 }, connection => {
      connection.start({ onData() {}, onDrain() {}, onEnd: () => connection.end(), onClose() {} })
    })
    const at = { address: own, port: listener.local.port }
    try {
      const connection = await network.connectTcp(at, { timeoutMs: CONNECT_TIMEOUT_MS, ...(signal && { signal }) })
      connection.start({ onData() {}, onDrain() {}, onEnd() {}, onClose() {} })
      connection.destroy()
    } finally {
      await listener.close()
    }
    return finding({
      ...common,
      verdict: 'ok',
      message: `a TCP port can be opened, and answers at ${formatSocketAddress(at)}`,
    })
  } catch (error) {
    return failure(common, error)
  }
}

/** `heard`: so many others were heard by the other checks. */
export function aboutFirewalls(system: LocalSystem, heard: number): Finding {
  const names = system.firewalls()
  const common = { check: 'firewall', details: { firewalls: names, heard } } as const
  const arrives =
    heard > 0
      ? `packets of others arrive (${heard} heard)`
      : 'whether packets of others arrive cannot be seen from here'
  const ports = `UDP to ports ${MDNS_PORT} and ${BEACON_PORT}, and TCP to the port of the room (any, unless listen.port says which)`
  if (names === undefined && heard === 0) {
    const message = `whether a firewall is active is not known on this system; ${arrives}`
    const hint = `Where others are not found, let the system allow connections to node: ${ports}.`
    return finding({ ...common, verdict: 'note', message, hint })
  }
  if (names === undefined || names.length === 0)
    return finding({ ...common, verdict: 'ok', message: `no firewall of this machine was noticed; ${arrives}` })
  const message = `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} active; ${arrives}`
  return finding({ ...common, verdict: 'note', message, hint: `Let in ${ports}.` })
}
