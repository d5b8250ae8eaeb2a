/** Whether the router maps a port on request: one is mapped, for as long as it takes to know, and given back. */

import { EarshotError } from '../errors.ts'
import type { PortMapping } from '../nat/port-mapping/port-mapping.ts'
import type { MapOptions } from '../nat/port-mapping/port-mapping-options.ts'
import type { UdpSocket } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'
import { formatSocketAddress } from '../platform/socket-address.ts'
import { type Finding, finding } from './finding.ts'

export interface PortMappingCheckParts {
  readonly platform: Platform
  readonly mapPort: (options: MapOptions) => Promise<PortMapping>
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** The shortest that routers grant. */
const LIFETIME_MS = 120_000

export async function checkPortMapping({
  platform,
  mapPort,
  timeoutMs,
  signal,
}: PortMappingCheckParts): Promise<Finding> {
  const socket = await freePort(platform)
  try {
    const mapping = await mapPort({
      protocol: 'udp',
      internalPort: socket.local.port,
      lifetimeMs: LIFETIME_MS,
      timeoutMs,
      ...(signal && { signal }),
    })
    const found = aboutMapping(mapping)
    await mapping.close()
    return found
  } catch (error) {
    return aboutRefusal(error)
  } finally {
    socket.close()
  }
}

function freePort({ network }: Platform): Promise<UdpSocket> {
  return network.openUdp({ address: '0.0.0.0', port: 0, sharePort: false }, { onDatagram() {}, onError() {} })
}

function aboutMapping({ external, via, gateway, isBehindAnotherNat }: PortMapping): Finding {
  const details = { via, gateway, external, isBehindAnotherNat }
  const message = `the router ${gateway} maps ports by ${via}: ${formatSocketAddress(external)}, given back since`
  const common = { check: 'port-mapping', details } as const
  if (!isBehindAnotherNat) return finding({ ...common, verdict: 'ok', message })
  return finding({
    ...common,
    verdict: 'note',
    message: `${message}; but another NAT is in front of it`,
    hint: 'Map the port on the router in front as well, or ask the provider for a public address.',
  })
}

function aboutRefusal(error: unknown): Finding {
  if (!(error instanceof EarshotError)) throw error
  const { code, message, reason, attempts } = error
  const tried = attempts.map(attempt => ({
    via: attempt.via,
    address: attempt.address,
    code: attempt.code,
    message: attempt.message,
  }))
  return finding({
    check: 'port-mapping',
    verdict: 'note',
    message,
    hint:
      code === 'no-network'
        ? 'Without a router there is nothing to map, and nothing to cross.'
        : 'Switch on UPnP-IGD, NAT-PMP or PCP in the router: then this machine can be reached through it.',
    details: { code, reason, tried },
  })
}
