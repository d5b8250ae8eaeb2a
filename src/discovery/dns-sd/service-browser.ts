/**
 * The instances of a service type around us, each resolved to host, port, addresses and TXT record and followed from
 * then on (RFC 6763 sections 4 to 6). What several interfaces tell about one instance is one instance.
 */

import { MAX_INSTANCE_ADDRESSES } from '../../limits.ts'
import { isInSubnet, isLinkLocalIpv6, parseIp, subnetsOf } from '../../platform/ip-address.ts'
import type { AddressFamily, NetworkInterface } from '../../platform/network.ts'
import { nameKey } from '../mdns/domain-name.ts'
import type { FoundRecord, MdnsEngine } from '../mdns/mdns-engine.ts'
import { type Question, type RecordType, type ResourceRecord, type SrvData, setKey } from '../mdns/record.ts'
import { instanceLabel, serviceTypeName, subtypeName } from './service-type.ts'

export interface InstanceAddress {
  /** With its zone, where it is link-local IPv6. */
  readonly address: string
  readonly family: AddressFamily
  readonly isLinkLocal: boolean
  /** In a subnet of the interface on which it was heard: reached without a router. */
  readonly isOnSubnet: boolean
}

export interface ServiceInstance {
  /** What people see; unique for the type on this network. */
  readonly label: string
  readonly type: string
  /** `ada.local` */
  readonly host: string
  readonly port: number
  readonly addresses: readonly InstanceAddress[]
  readonly txt: readonly Uint8Array[]
}

export interface ServiceBrowserHandlers {
  /** An instance, completely resolved, appeared or changed. */
  onFound(instance: ServiceInstance, isUpdate: boolean): void
  /** It said goodbye, its records expired, or its interface went away. */
  onLost(instance: ServiceInstance): void
}

interface TrackedInstance {
  readonly name: string
  readonly label: string
  /** The host whose addresses are asked for. */
  host: string | undefined
  /** What was told last. */
  told: ServiceInstance | undefined
}

export class ServiceBrowser {
  readonly #engine: MdnsEngine
  readonly #type: string
  readonly #handlers: ServiceBrowserHandlers
  readonly #pointers: Question
  readonly #instances = new Map<string, TrackedInstance>()
  /** Who has to be looked at again when records of a set change. */
  readonly #dependents = new Map<string, Set<TrackedInstance>>()
  readonly #changed = new Set<TrackedInstance>()
  readonly #unlisten: () => void

  /** Asks at once where the engine has started, and otherwise when it does. */
  constructor(engine: MdnsEngine, type: string, subtype: string | undefined, handlers: ServiceBrowserHandlers) {
    this.#engine = engine
    this.#type = type
    this.#handlers = handlers
    this.#pointers = question(subtype === undefined ? serviceTypeName(type) : subtypeName(subtype, type), 'PTR')
    this.#unlisten = engine.listen({
      onRecords: sets => this.#onRecords(sets),
      onSettled: () => this.#onSettled(),
    })
    engine.ask(this.#pointers, 'browse')
  }

  close(): void {
    this.#unlisten()
    for (const instance of this.#instances.values()) this.#stopAsking(instance)
    this.#instances.clear()
    this.#engine.stopAsking(this.#pointers)
  }

  #onRecords(records: readonly ResourceRecord[]): void {
    for (const record of records) {
      const set = setKey(record)
      if (record.type === 'PTR' && set === setKey(this.#pointers)) this.#track(record.data, this.#engine.holds(record))
      for (const instance of this.#dependents.get(set) ?? []) {
        this.#changed.add(instance)
        this.#followHost(instance)
      }
    }
  }

  #onSettled(): void {
    if (this.#changed.size === 0) return
    const changed = [...this.#changed]
    this.#changed.clear()
    for (const instance of changed) this.#tell(instance)
  }

  /** A PTR record names the instance, or has gone. */
  #track(name: string, isNamed: boolean): void {
    const instance = this.#instances.get(nameKey(name))
    const label = instanceLabel(name, this.#type)
    if (isNamed && instance === undefined && label !== undefined) {
      this.#add({ name, label, host: undefined, told: undefined })
    } else if (!isNamed && instance !== undefined) {
      this.#instances.delete(nameKey(name))
      this.#stopAsking(instance)
      this.#changed.add(instance)
    }
  }

  #add(instance: TrackedInstance): void {
    this.#instances.set(nameKey(instance.name), instance)
    this.#changed.add(instance)
    this.#ask(question(instance.name, 'SRV'), instance)
    this.#ask(question(instance.name, 'TXT'), instance)
    this.#followHost(instance)
  }

  /** Asks for the addresses of the host that the SRV record names now. */
  #followHost(instance: TrackedInstance): void {
    const host = this.#instances.get(nameKey(instance.name)) === instance ? this.#srv(instance)?.target : undefined
    if (host === undefined || (instance.host !== undefined && nameKey(host) === nameKey(instance.host))) return
    this.#leaveHost(instance)
    instance.host = host
    this.#ask(question(host, 'A'), instance)
    this.#ask(question(host, 'AAAA'), instance)
  }

  #leaveHost(instance: TrackedInstance): void {
    if (instance.host === undefined) return
    this.#stop(question(instance.host, 'A'), instance)
    this.#stop(question(instance.host, 'AAAA'), instance)
    instance.host = undefined
  }

  #stopAsking(instance: TrackedInstance): void {
    this.#leaveHost(instance)
    this.#stop(question(instance.name, 'SRV'), instance)
    this.#stop(question(instance.name, 'TXT'), instance)
  }

  #ask(asked: Question, instance: TrackedInstance): void {
    const key = setKey(asked)
    const dependents = this.#dependents.get(key) ?? new Set()
    this.#dependents.set(key, dependents.add(instance))
    this.#engine.ask(asked, 'resolve')
  }

  #stop(asked: Question, instance: TrackedInstance): void {
    const key = setKey(asked)
    const dependents = this.#dependents.get(key)
    dependents?.delete(instance)
    if (dependents?.size === 0) this.#dependents.delete(key)
    this.#engine.stopAsking(asked)
  }

  #tell(instance: TrackedInstance): void {
    const isTracked = this.#instances.get(nameKey(instance.name)) === instance
    const now = isTracked ? this.#resolve(instance) : undefined
    const before = instance.told
    instance.told = now
    if (now !== undefined && (before === undefined || fingerprint(before) !== fingerprint(now))) {
      this.#handlers.onFound(now, before !== undefined)
    } else if (now === undefined && before !== undefined) {
      this.#handlers.onLost(before)
    }
  }

  /** Everything known of the instance; undefined while something is missing. */
  #resolve({ name, label }: TrackedInstance): ServiceInstance | undefined {
    const srv = this.#srv({ name })
    const text = newest(this.#engine.lookup(question(name, 'TXT')))
    if (srv === undefined || text?.type !== 'TXT') return undefined
    const addresses = this.#addresses(srv.target)
    if (addresses.length === 0) return undefined
    return { label, type: this.#type, host: srv.target, port: srv.port, addresses, txt: text.data }
  }

  #srv({ name }: Pick<TrackedInstance, 'name'>): SrvData | undefined {
    const record = newest(this.#engine.lookup(question(name, 'SRV')))
    return record?.type === 'SRV' ? record.data : undefined
  }

  #addresses(host: string): InstanceAddress[] {
    const found = (['A', 'AAAA'] as const).flatMap(type => this.#engine.lookup(question(host, type)))
    const addresses = found.flatMap(({ record, link }) =>
      record.type === 'A' || record.type === 'AAAA' ? instanceAddress(record.data, link) : [],
    )
    const unique = new Map<string, InstanceAddress>()
    // Heard on several interfaces, it needs no router where one of them is in its subnet.
    for (const entry of addresses) if (!unique.get(entry.address)?.isOnSubnet) unique.set(entry.address, entry)
    return [...unique.values()].slice(0, MAX_INSTANCE_ADDRESSES)
  }
}

function question(name: string, type: RecordType): Question {
  return { name, type, unicastResponse: false }
}

function newest(found: readonly FoundRecord[]): FoundRecord['record'] | undefined {
  return found.reduce<FoundRecord | undefined>(
    (best, next) => (best && best.receivedAt >= next.receivedAt ? best : next),
    undefined,
  )?.record
}

/** A link-local IPv6 address means something only together with the interface on which it was heard. */
function instanceAddress(address: string, link: NetworkInterface): InstanceAddress[] {
  const bytes = parseIp(address)
  if (bytes === undefined) return []
  const family = bytes.length === 4 ? 'ipv4' : 'ipv6'
  const isLinkLocal = isLinkLocalIpv6(bytes)
  const isOnSubnet = subnetsOf(link).some(subnet => isInSubnet(bytes, subnet))
  return [{ address: isLinkLocal ? `${address}%${link.name}` : address, family, isLinkLocal, isOnSubnet }]
}

/** Equal for instances of which users would see no difference. */
function fingerprint({ host, port, addresses, txt }: ServiceInstance): string {
  const strings = txt.map(string => Buffer.from(string).toString('latin1'))
  return JSON.stringify([host, port, addresses.map(({ address }) => address).sort(), strings])
}
