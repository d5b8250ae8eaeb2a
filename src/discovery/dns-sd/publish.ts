/** `publish` of `earshot/mdns`: one service instance, probed for, announced, and said goodbye to. */

import { EarshotError } from '../../errors.ts'
import { defaultInterfaces, type InterfaceChoice } from '../../platform/interface-choice.ts'
import type { Platform } from '../../platform/platform.ts'
import { MdnsEngine } from '../mdns/mdns-engine.ts'
import { checkHostLabel, checkInstanceLabel, checkPort, checkServiceType, checkSubtype, checkTxt } from './arguments.ts'
import { ServicePublication } from './service-publication.ts'
import { cutToLabel } from './service-type.ts'
import { encodeTxt } from './txt-record.ts'

export interface PublishOptions {
  /** What people see, 1 to 63 bytes of UTF-8. Where another host has it, it becomes `name (2)`. */
  readonly name: string
  /** The service type (RFC 6763 section 7): `'_ipp._tcp'`. */
  readonly type: string
  /** Where the service is, 1 to 65,535. */
  readonly port: number
  /** Keys and values of the TXT record: each pair up to 255 bytes, all together up to 1,300. @default none */
  readonly txt?: Readonly<Record<string, string>>
  /** Narrower types under which it is found as well (RFC 6763 section 7.1): `['_color']`. @default none */
  readonly subtypes?: readonly string[]
  /**
   * The host's name without `.local`. The system's own name belongs to its own responder.
   * @default the system's name with six random characters behind it
   */
  readonly host?: string
  /** @default wired and wireless ones; loopback where there is nothing else */
  readonly interfaces?: InterfaceChoice
  /** Another host took the name while we were away from it: this is the new one. */
  readonly onRenamed?: (name: string) => void
  /** Something does not work but the rest goes on, for example one interface. @default ignored */
  readonly onWarning?: (error: EarshotError) => void
  /** Aborting says goodbye and closes. */
  readonly signal?: AbortSignal
  /** A simulated host of `earshot/testing`. @default the machine that this runs on */
  readonly network?: Platform
}

/** A published service instance. */
export interface PublishedService extends AsyncDisposable {
  /** The name that it has now: the one asked for unless another host had it. */
  readonly name: string
  readonly type: string
  readonly port: number
  /** `'ada-x7k2pq.local'` */
  readonly host: string
  /** Replaces the TXT record and announces the change. Throws `closed`, TypeError or RangeError. */
  update(change: { readonly txt: Readonly<Record<string, string>> }): void
  /** Says goodbye. Idempotent. */
  close(): Promise<void>
  /** Resolves when it is closed, also by `signal`. */
  readonly closed: Promise<void>
}

/**
 * Resolves when the name is ours and announced; where no interface can be used, at once: the service is then published
 * on the first one that can.
 */
export async function publishOn(platform: Platform, options: PublishOptions): Promise<PublishedService> {
  checkOptions(options)
  options.signal?.throwIfAborted()
  const service = new Published(platform, options)
  try {
    await service.open()
  } catch (error) {
    await service.close()
    throw error
  }
  return service
}

class Published implements PublishedService {
  readonly closed: Promise<void>
  readonly #engine: MdnsEngine
  readonly #publication: ServicePublication
  readonly #signal: AbortSignal | undefined
  #onAnnounced: () => void = () => {}
  #onClosed: () => void = () => {}
  #isClosed = false

  constructor({ clock, random, network, hostName }: Platform, options: PublishOptions) {
    const { name, type, port, txt = {}, subtypes = [], interfaces, signal, onRenamed, onWarning } = options
    const host = options.host ?? defaultHostLabel(hostName, random.fraction())
    this.#signal = signal
    this.#engine = new MdnsEngine({
      clock,
      random,
      network,
      chooseInterfaces: all => defaultInterfaces(all, interfaces),
      onWarning: error => onWarning?.(error),
    })
    this.#publication = new ServicePublication(
      { label: name, type, subtypes: [...subtypes], port, txt: encodeTxt(txt), host },
      { onRenamed: service => onRenamed?.(service.label), onAnnounced: () => this.#onAnnounced() },
    )
    this.closed = new Promise(resolve => {
      this.#onClosed = resolve
    })
  }

  get name(): string {
    return this.#publication.service.label
  }

  get type(): string {
    return this.#publication.service.type
  }

  get port(): number {
    return this.#publication.service.port
  }

  get host(): string {
    return `${this.#publication.service.host}.local`
  }

  async open(): Promise<void> {
    const announced = new Promise<void>(resolve => {
      this.#onAnnounced = resolve
    })
    this.#signal?.addEventListener('abort', this.#abort)
    await this.#engine.start()
    this.#engine.publish(this.#publication)
    if (this.#engine.interfaces.length > 0) await Promise.race([announced, this.closed])
    this.#signal?.throwIfAborted()
  }

  update({ txt }: { readonly txt: Readonly<Record<string, string>> }): void {
    checkTxt(txt)
    if (this.#isClosed) throw new EarshotError('closed', `the service '${this.name}' is published no more`)
    this.#engine.update(this.#publication, () => this.#publication.change({ txt: encodeTxt(txt) }))
  }

  async close(): Promise<void> {
    if (this.#isClosed) return this.closed
    this.#isClosed = true
    this.#signal?.removeEventListener('abort', this.#abort)
    await this.#engine.close()
    this.#onClosed()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  readonly #abort = (): void => {
    void this.close()
  }
}

function checkOptions(options: PublishOptions): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('publish takes an object of options')
  const { name, type, port, txt = {}, subtypes = [], host } = options
  checkServiceType(type)
  checkInstanceLabel(name, type)
  checkPort(port)
  checkTxt(txt)
  if (!Array.isArray(subtypes)) throw new TypeError('subtypes must be an array of strings')
  for (const subtype of subtypes) checkSubtype(subtype, type)
  if (host !== undefined) checkHostLabel(host)
}

const SUFFIX_LENGTH = 6

/** Letters, digits and hyphens of the system's name, and a suffix that keeps it apart from the system's responder. */
function defaultHostLabel(hostName: string, fraction: number): string {
  const letters =
    hostName
      .split('.')[0]!
      .replace(/[^a-z0-9-]/gi, '-')
      .replace(/^-+|-+$/g, '') || 'host'
  const suffix = Math.floor(fraction * 36 ** SUFFIX_LENGTH)
    .toString(36)
    .padStart(SUFFIX_LENGTH, '0')
  return `${cutToLabel(letters, SUFFIX_LENGTH + 1)}-${suffix}`
}
