/** A gateway that speaks UPnP-IGD: WANIPConnection version 1 and 2, WANPPPConnection, and WANIPv6FirewallControl. */

import { EarshotError } from '../../../errors.ts'
import { parseIp } from '../../../platform/ip-address.ts'
import type { Platform } from '../../../platform/platform.ts'
import type { MappingGrant, MappingRequest, MappingService } from '../mapping-service.ts'
import { type DeviceService, FIREWALL_SERVICE } from './device-description.ts'
import { callAction, type SoapArguments, type SoapResult, upnpErrorCode } from './soap.ts'

const MS_PER_SECOND = 1_000
/** WANIPConnection:2 section 2.3.26, WANIPv6FirewallControl:1 section 2.5.1. */
const MAX_LEASE_SECONDS = 604_800
const MAX_PINHOLE_SECONDS = 86_400
const FOR_EVER = 0
/** UPnP Device Architecture 1.1 section 3.2.2: the device does not know the action. */
const INVALID_ACTIONS = [401, 602]
/** WANIPConnection:1 section 2.4.16, :2 section 2.5.17. */
const CONFLICT_IN_MAPPING_ENTRY = 718
const SAME_PORT_VALUES_REQUIRED = 724
const ONLY_PERMANENT_LEASES_SUPPORTED = 725
/** Section 2.5.18.3: what was to be deleted is gone. */
const NO_SUCH_ENTRY_IN_ARRAY = 714
/** WANIPv6FirewallControl:1 section 2.5.2. */
const NO_SUCH_ENTRY = 704
/** Ports tried where others have those before. */
const PORT_TRIES = 4
const FIRST_PORT = 1_024
const PORT_COUNT = 64_512
const IP_PROTOCOLS = { udp: 17, tcp: 6 } as const

export interface UpnpServiceParts {
  readonly platform: Platform
  readonly service: DeviceService
  /** For pinholes: the address of this host that they are for. */
  readonly localAddress?: string | undefined
}

/** A mapper of IPv4 ports, or of pinholes for FIREWALL_SERVICE. */
export function upnpService(parts: UpnpServiceParts): MappingService {
  return parts.service.type === FIREWALL_SERVICE ? new PinholeService(parts) : new ConnectionService(parts)
}

/** The external address that the service tells. Rejects with `refused` where it has none now. */
export async function externalAddressOf({ platform, service }: UpnpServiceParts, signal: AbortSignal): Promise<string> {
  const result = await callAction(platform, { service, action: 'GetExternalIPAddress', arguments: () => ({}), signal })
  const address = result.get('NewExternalIPAddress')
  const bytes = parseIp(address)
  if (bytes?.length === 4 && bytes.some(byte => byte !== 0)) return address
  throw new EarshotError('refused', `the UPnP service of ${service.control.to.address} has no external address`, {
    hint: 'The router has no connection to the Internet now.',
    reason: 'no external address',
  })
}

class ConnectionService implements MappingService {
  readonly via = 'upnp-igd'
  readonly gateway: string
  readonly #parts: UpnpServiceParts
  #makesAny: boolean
  /** Of this router, once it said so. */
  #onlyPermanent = false
  #onlySamePorts = false

  constructor(parts: UpnpServiceParts) {
    this.gateway = parts.service.control.to.address
    this.#parts = parts
    this.#makesAny = parts.service.type.endsWith(':WANIPConnection:2')
  }

  async map(request: MappingRequest, present: MappingGrant | undefined, signal: AbortSignal): Promise<MappingGrant> {
    const wanted = present?.external.port ?? request.externalPort
    const { port, internalAddress } = await this.#add(request, wanted, signal)
    const address = await externalAddressOf(this.#parts, signal)
    const lifetimeMs = this.#onlyPermanent ? Infinity : this.#leaseSeconds(request) * MS_PER_SECOND
    return { external: { address, port }, internalAddress, lifetimeMs }
  }

  async unmap({ protocol }: MappingRequest, { external }: MappingGrant, signal: AbortSignal): Promise<void> {
    const args = { NewRemoteHost: '', NewExternalPort: external.port, NewProtocol: protocol.toUpperCase() }
    try {
      await this.#call('DeletePortMapping', () => args, signal)
    } catch (error) {
      if (upnpErrorCode(error) !== NO_SUCH_ENTRY_IN_ARRAY) throw error
    }
  }

  close(): void {}

  async #add(
    request: MappingRequest,
    wanted: number,
    signal: AbortSignal,
  ): Promise<{ port: number; internalAddress: string }> {
    let port = this.#onlySamePorts ? request.internalPort : wanted
    for (let conflicts = 0; ; ) {
      try {
        const result = await this.#addPort(request, port, signal)
        const reserved = this.#makesAny ? Number(result.get('NewReservedPort')) : port
        return { port: isPort(reserved) ? reserved : port, internalAddress: result.localAddress }
      } catch (error) {
        const code = upnpErrorCode(error)
        if (this.#makesAny && INVALID_ACTIONS.includes(code ?? 0)) this.#makesAny = false
        else if (code === ONLY_PERMANENT_LEASES_SUPPORTED && !this.#onlyPermanent) this.#onlyPermanent = true
        else if (code === SAME_PORT_VALUES_REQUIRED && port !== request.internalPort) {
          this.#onlySamePorts = true
          port = request.internalPort
        } else if (code === CONFLICT_IN_MAPPING_ENTRY && !this.#onlySamePorts && ++conflicts < PORT_TRIES) {
          port = FIRST_PORT + Math.floor(this.#parts.platform.random.fraction() * PORT_COUNT)
        } else throw error
      }
    }
  }

  #addPort(request: MappingRequest, port: number, signal: AbortSignal): Promise<SoapResult> {
    const { protocol, internalPort, description } = request
    const args = (localAddress: string) => ({
      NewRemoteHost: '',
      NewExternalPort: port,
      NewProtocol: protocol.toUpperCase(),
      NewInternalPort: internalPort,
      NewInternalClient: localAddress,
      NewEnabled: 1,
      NewPortMappingDescription: description,
      NewLeaseDuration: this.#onlyPermanent ? FOR_EVER : this.#leaseSeconds(request),
    })
    return this.#call(this.#makesAny ? 'AddAnyPortMapping' : 'AddPortMapping', args, signal)
  }

  #leaseSeconds({ lifetimeMs }: MappingRequest): number {
    return Math.min(MAX_LEASE_SECONDS, Math.ceil(lifetimeMs / MS_PER_SECOND))
  }

  #call(action: string, args: (localAddress: string) => SoapArguments, signal: AbortSignal): Promise<SoapResult> {
    const { platform, service } = this.#parts
    return callAction(platform, { service, action, arguments: args, signal })
  }
}

class PinholeService implements MappingService {
  readonly via = 'upnp-igd'
  readonly gateway: string
  readonly #parts: UpnpServiceParts

  constructor(parts: UpnpServiceParts) {
    this.gateway = parts.service.control.to.address
    this.#parts = parts
  }

  async map(request: MappingRequest, present: MappingGrant | undefined, signal: AbortSignal): Promise<MappingGrant> {
    const leaseSeconds = Math.min(MAX_PINHOLE_SECONDS, Math.ceil(request.lifetimeMs / MS_PER_SECOND))
    const lifetimeMs = leaseSeconds * MS_PER_SECOND
    if (present !== undefined && (await this.#update(present, leaseSeconds, signal))) return { ...present, lifetimeMs }
    const result = await this.#call('AddPinhole', local => pinholeArguments(request, local, leaseSeconds), signal)
    const { localAddress: address } = result
    const external = { address, port: request.internalPort }
    return { external, internalAddress: address, lifetimeMs, pinholeId: Number(result.get('UniqueID')) || 0 }
  }

  async unmap(_: MappingRequest, { pinholeId = 0 }: MappingGrant, signal: AbortSignal): Promise<void> {
    try {
      await this.#call('DeletePinhole', () => ({ UniqueID: pinholeId }), signal)
    } catch (error) {
      if (upnpErrorCode(error) !== NO_SUCH_ENTRY) throw error
    }
  }

  close(): void {}

  /** False where the router has forgotten it. */
  async #update({ pinholeId = 0 }: MappingGrant, leaseSeconds: number, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#call('UpdatePinhole', () => ({ UniqueID: pinholeId, NewLeaseTime: leaseSeconds }), signal)
      return true
    } catch (error) {
      if (upnpErrorCode(error) === NO_SUCH_ENTRY) return false
      throw error
    }
  }

  #call(action: string, args: (localAddress: string) => SoapArguments, signal: AbortSignal): Promise<SoapResult> {
    const { platform, service, localAddress } = this.#parts
    // Routers open pinholes only for the address that asks.
    return callAction(platform, { service, action, arguments: args, localAddress, signal })
  }
}

function pinholeArguments(
  { protocol, internalPort }: MappingRequest,
  local: string,
  leaseSeconds: number,
): SoapArguments {
  return {
    RemoteHost: '',
    RemotePort: 0,
    InternalClient: local,
    InternalPort: internalPort,
    Protocol: IP_PROTOCOLS[protocol],
    LeaseTime: leaseSeconds,
  }
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value < 65_536
}
