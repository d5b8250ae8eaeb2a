/** The routers of this machine's default routes, where the system says so in a file. */

import { readFileSync } from 'node:fs'
import type { Gateway } from '../network.ts'
import { ipv4Gateways, ipv6Gateways } from './linux-routes.ts'

/** `undefined` where the system does not tell: other systems than Linux, and apps on Android. */
export function systemGateways(): readonly Gateway[] | undefined {
  // Of the own network namespace, which `unshare -n` and containers have.
  const ipv4 = read('/proc/self/net/route')
  const ipv6 = read('/proc/self/net/ipv6_route')
  if (ipv4 === undefined && ipv6 === undefined) return undefined
  return [...ipv4Gateways(ipv4 ?? ''), ...ipv6Gateways(ipv6 ?? '')]
}

function read(path: string): string | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
