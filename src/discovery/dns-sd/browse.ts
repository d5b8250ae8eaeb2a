/** `browse` of `earshot/mdns`: the instances of a service type as a sequence of events. */

import type { EarshotError } from '../../errors.ts'
import { defaultInterfaces, type InterfaceChoice } from '../../platform/interface-choice.ts'
import type { Platform } from '../../platform/platform.ts'
import { MdnsEngine } from '../mdns/mdns-engine.ts'
import { checkServiceType, checkSubtype } from './arguments.ts'
import { ServiceBrowser, type ServiceInstance } from './service-browser.ts'
import { decodeTxt } from './txt-record.ts'

export interface BrowseOptions {
  /** Only instances of this narrower type (RFC 6763 section 7.1): `'_color'`. @default all */
  readonly subtype?: string
  /** @default wired and wireless ones; loopback where there is nothing else */
  readonly interfaces?: InterfaceChoice
  /** Something does not work but the rest goes on, for example one interface. @default ignored */
  readonly onWarning?: (error: EarshotError) => void
  /** Aborting ends the sequence, without an error. */
  readonly signal?: AbortSignal
  /** A simulated host of `earshot/testing`. @default the machine that this runs on */
  readonly network?: Platform
}

export interface ServiceEvent {
  /** `updated`: other addresses, port, host or TXT. `lost`: what was known last. */
  readonly kind: 'found' | 'updated' | 'lost'
  /** What people see. */
  readonly name: string
  readonly type: string
  /** `'ada.local'` */
  readonly host: string
  readonly port: number
  /** Link-local IPv6 ones with their zone: `'fe80::1%eth0'`. */
  readonly addresses: readonly string[]
  /** A key without a value has `''`. */
  readonly txt: Readonly<Record<string, string>>
}

/** Looks until `signal` is aborted or the loop is left. `hold` keeps the process alive while somebody waits. */
export function browseOn(
  platform: Platform,
  type: string,
  options: BrowseOptions = {},
  hold: () => () => void = () => () => {},
): AsyncGenerator<ServiceEvent, void, undefined> {
  checkServiceType(type)
  if (options.subtype !== undefined) checkSubtype(options.subtype, type)
  return browse(platform, type, options, hold)
}

async function* browse(
  { clock, random, network }: Platform,
  type: string,
  { subtype, interfaces, onWarning, signal }: BrowseOptions,
  hold: () => () => void,
): AsyncGenerator<ServiceEvent, void, undefined> {
  if (signal?.aborted) return
  const engine = new MdnsEngine({
    clock,
    random,
    network,
    chooseInterfaces: all => defaultInterfaces(all, interfaces),
    onWarning: error => onWarning?.(error),
  })
  const events = new PendingEvents()
  const browser = new ServiceBrowser(engine, type, subtype, {
    onFound: (instance, isUpdate) => events.add(eventOf(isUpdate ? 'updated' : 'found', instance)),
    onLost: instance => events.add(eventOf('lost', instance)),
  })
  const stop = (): void => events.end()
  signal?.addEventListener('abort', stop)
  const release = hold()
  try {
    await engine.start()
    for (let event = await events.next(); event !== undefined; event = await events.next()) yield event
  } finally {
    release()
    signal?.removeEventListener('abort', stop)
    browser.close()
    await engine.close()
  }
}

/** What the reader has not seen yet: one event an instance, so that a slow reader costs no memory. */
class PendingEvents {
  readonly #events = new Map<string, ServiceEvent>()
  #wake: () => void = () => {}
  #isOver = false

  add(event: ServiceEvent): void {
    const before = this.#events.get(event.name)
    const merged = before === undefined ? event : merge(before, event)
    if (merged === undefined) this.#events.delete(event.name)
    else this.#events.set(event.name, merged)
    this.#wake()
  }

  end(): void {
    this.#isOver = true
    this.#wake()
  }

  /** The oldest event; undefined at the end. */
  async next(): Promise<ServiceEvent | undefined> {
    while (this.#events.size === 0 && !this.#isOver) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    if (this.#isOver) return undefined
    const [name, event] = this.#events.entries().next().value!
    this.#events.delete(name)
    return event
  }
}

/** What two events in a row amount to; undefined: nothing happened. */
function merge(before: ServiceEvent, after: ServiceEvent): ServiceEvent | undefined {
  if (before.kind === 'found') return after.kind === 'lost' ? undefined : { ...after, kind: 'found' }
  return before.kind === 'lost' && after.kind === 'found' ? { ...after, kind: 'updated' } : after
}

function eventOf(
  kind: ServiceEvent['kind'],
  { label, type, host, port, addresses, txt }: ServiceInstance,
): ServiceEvent {
  return {
    kind,
    name: label,
    type,
    host,
    port,
    addresses: addresses.map(({ address }) => address),
    txt: decodeTxt(txt),
  }
}
