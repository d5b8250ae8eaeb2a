/** A service instance as multicast DNS records (RFC 6763 section 4 to 9): PTR, SRV, TXT, and the addresses of its host. */

import { canonicalIp } from '../../platform/ip-address.ts'
import type { NetworkInterface } from '../../platform/network.ts'
import { nameKey } from '../mdns/domain-name.ts'
import type { Publication, PublishedRecords } from '../mdns/publication.ts'
import { HOST_TTL_SECONDS, type ResourceRecord, SERVICE_TTL_SECONDS } from '../mdns/record.ts'
import {
  instanceName,
  nextHostLabel,
  nextInstanceLabel,
  SERVICE_TYPES_NAME,
  serviceTypeName,
  subtypeName,
} from './service-type.ts'

export interface ServiceDescription {
  /** The label of the instance: what people see. */
  readonly label: string
  /** `_ipp._tcp` */
  readonly type: string
  readonly subtypes: readonly string[]
  readonly port: number
  /** The strings of the TXT record. */
  readonly txt: readonly Uint8Array[]
  /** The label of the host, without `.local`. */
  readonly host: string
  /** Label and host can be nobody else's. @default false */
  readonly isUnique?: boolean
}

export interface ServicePublicationHandlers {
  /** Another host has the name: this instance, or its host, is called differently from now on. */
  onRenamed(service: ServiceDescription): void
  /** The name is ours and known to the others on one link. */
  onAnnounced(): void
}

export class ServicePublication implements Publication {
  readonly #handlers: ServicePublicationHandlers
  #service: ServiceDescription

  constructor(service: ServiceDescription, handlers: ServicePublicationHandlers) {
    this.#service = service
    this.#handlers = handlers
  }

  get service(): ServiceDescription {
    return this.#service
  }

  /** To be called inside `MdnsEngine.update`, which announces the difference. */
  change(change: Partial<Pick<ServiceDescription, 'port' | 'txt'>>): void {
    this.#service = { ...this.#service, ...change }
  }

  get isUnique(): boolean {
    return this.#service.isUnique ?? false
  }

  records(link: NetworkInterface): PublishedRecords {
    const { type, subtypes } = this.#service
    const pointers = [serviceTypeName(type), ...subtypes.map(subtype => subtypeName(subtype, type))]
    const addresses = this.#addresses(link)
    return {
      announced: [...pointers.map(name => this.#pointer(name)), ...this.#instance(), ...addresses],
      answered: [
        { ...this.#pointer(SERVICE_TYPES_NAME), type: 'PTR', data: serviceTypeName(type) },
        nsec(this.#instanceName, ['TXT', 'SRV']),
        nsec(this.#hostName, [...new Set(addresses.map(record => record.type))]),
      ],
    }
  }

  onConflict(name: string): void {
    const { label, host } = this.#service
    this.#service =
      nameKey(name) === nameKey(this.#hostName)
        ? { ...this.#service, host: nextHostLabel(host) }
        : { ...this.#service, label: nextInstanceLabel(label) }
    this.#handlers.onRenamed(this.#service)
  }

  onAnnounced(): void {
    this.#handlers.onAnnounced()
  }

  get #instanceName(): string {
    return instanceName(this.#service.label, this.#service.type)
  }

  get #hostName(): string {
    return `${this.#service.host}.local`
  }

  #pointer(name: string): ResourceRecord {
    return { name, type: 'PTR', ttl: SERVICE_TTL_SECONDS, flush: false, data: this.#instanceName }
  }

  #instance(): ResourceRecord[] {
    const { port, txt } = this.#service
    const name = this.#instanceName
    const target = this.#hostName
    return [
      { name, type: 'SRV', ttl: HOST_TTL_SECONDS, flush: true, data: { priority: 0, weight: 0, port, target } },
      { name, type: 'TXT', ttl: SERVICE_TTL_SECONDS, flush: true, data: txt },
    ]
  }

  /** On each link the addresses of that link only: others may not be reachable from there (RFC 6762 section 14). */
  #addresses(link: NetworkInterface): ResourceRecord[] {
    return link.addresses.map(({ address, family }) => ({
      name: this.#hostName,
      type: family === 'ipv4' ? 'A' : 'AAAA',
      ttl: HOST_TTL_SECONDS,
      flush: true,
      data: canonicalIp(address),
    }))
  }
}

/** RFC 6762 section 6.1: the name is ours, and these types are all there is. */
function nsec(name: string, rrtypes: readonly string[]): ResourceRecord {
  return { name, type: 'NSEC', ttl: HOST_TTL_SECONDS, flush: true, data: { nextDomain: name, rrtypes } }
}
