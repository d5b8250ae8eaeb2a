/** `discover`: who is there, without joining. */

import type { EarshotError } from '../errors.ts'
import { ItemQueue } from '../messaging/item-queue.ts'
import { defaultInterfaces } from '../platform/interface-choice.ts'
import type { Platform } from '../platform/platform.ts'
import { formatAddress } from './connecting/address.ts'
import { discoveryBy, loadWays } from './connecting/ways.ts'
import { parseJson } from './json.ts'
import type { DiscoveryMethod, InterfaceChoice, Json } from './options.ts'
import { checkDiscovery, checkInterfaceChoice, checkService, checkSignal } from './options-check.ts'

export interface DiscoverOptions {
  /** Ends the sequence; the loop ends without an error. */
  readonly signal?: AbortSignal
  /** The ways to look for peers. @default all that work without the Internet */
  readonly discovery?: readonly DiscoveryMethod[]
  readonly interfaces?: InterfaceChoice
  /** Something does not work while the rest goes on, such as one of the interfaces, or all until one comes up. */
  readonly onWarning?: (error: EarshotError) => void
  /** The platform to run on. @default this machine */
  readonly network?: Platform
}

/** One who was seen. Nothing of it is proven. */
export interface DiscoveredPeer {
  readonly kind: 'found' | 'updated' | 'lost'
  /** The service of its room. */
  readonly service: string
  readonly id: string
  readonly name: string
  readonly info: Json | undefined
  /** `'ip:port'`, the most promising first. */
  readonly addresses: readonly string[]
  /** The way that saw it first. */
  readonly via: string
}

/** See `discover` in index.ts. */
export async function* discoverOn(
  platform: Platform,
  service: string | undefined,
  options: DiscoverOptions,
): AsyncGenerator<DiscoveredPeer, void, undefined> {
  if (service !== undefined) checkService(service)
  const signal = checkSignal(options.signal)
  const methods = checkDiscovery(options.discovery)
  const interfaces = checkInterfaceChoice(options.interfaces)
  if (signal?.aborted) return
  const present = new Map<string, DiscoveredPeer>()
  const seen = new ItemQueue<DiscoveredPeer>()
  const discovery = discoveryBy(await loadWays(methods), {
    service,
    platform,
    chooseInterfaces: all => defaultInterfaces(all, interfaces),
    handlers: {
      onSighting(sighting) {
        const kind = present.has(sighting.id) ? 'updated' : 'found'
        const { info, addresses, ...rest } = sighting
        const peer = {
          ...rest,
          kind,
          info: parseJson(info),
          addresses: addresses.map(formatAddress),
        } as const
        present.set(sighting.id, peer)
        seen.push(peer)
      },
      onLost(id) {
        const peer = present.get(id)
        if (present.delete(id)) seen.push({ ...peer!, kind: 'lost' })
      },
      onWarning: error => options.onWarning?.(error),
    },
  })
  const onAbort = () => seen.end()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await discovery.start()
    yield* seen
  } finally {
    signal?.removeEventListener('abort', onAbort)
    await discovery.close()
  }
}
