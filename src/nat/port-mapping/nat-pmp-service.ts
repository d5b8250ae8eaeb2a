/** A gateway that speaks NAT-PMP (RFC 6886). */

import type { EarshotError } from '../../errors.ts'
import type { Platform } from '../../platform/platform.ts'
import { type EpochReading, natPmpStateLost } from './epoch.ts'
import { GatewaySocket } from './gateway-socket.ts'
import { refusedBy } from './mapping-error.ts'
import type { MappingGrant, MappingRequest, MappingService, ServiceEvents } from './mapping-service.ts'
import {
  decodeNatPmpResponse,
  encodeNatPmpAddressRequest,
  encodeNatPmpMapRequest,
  NAT_PMP_PORT,
  type NatPmpFailure,
  type NatPmpMapRequest,
  type NatPmpResponse,
  type NatPmpResult,
} from './nat-pmp-message.ts'
import { ANSWER_TIMEOUT_MS, type ProbeOptions } from './probe.ts'

const MS_PER_SECOND = 1_000
const NO_ADDRESS = '0.0.0.0'

const HINTS: Partial<Record<NatPmpResult, string>> = {
  'not-authorized': 'The router forbids port mappings: allow NAT-PMP in its settings.',
  'no-resources': 'The router has no room for another mapping: close some, or restart it.',
  'network-failure': 'The router has no connection to the Internet now.',
}

/** Asks whether the gateway speaks NAT-PMP. Rejects with `timeout`, or with what its answer says. */
export async function findNatPmp({ platform, gateway, local, signal, events }: ProbeOptions): Promise<MappingService> {
  const socket = await GatewaySocket.open(platform, local, { address: gateway.address, port: NAT_PMP_PORT })
  const service = new NatPmpService(platform, gateway.address, socket, events)
  try {
    await service.askAddress(signal)
    return service
  } catch (error) {
    service.close()
    throw error
  }
}

class NatPmpService implements MappingService {
  readonly via = 'nat-pmp'
  readonly gateway: string
  readonly #platform: Platform
  readonly #socket: GatewaySocket
  readonly #events: ServiceEvents
  #epoch: EpochReading | undefined
  /** Learned by the probe; asked for again with every renewal. */
  #address: string | undefined

  constructor(platform: Platform, gateway: string, socket: GatewaySocket, events: ServiceEvents) {
    this.gateway = gateway
    this.#platform = platform
    this.#socket = socket
    this.#events = events
  }

  /** Section 3.2. */
  async askAddress(signal: AbortSignal): Promise<string> {
    const response = await this.#request(encodeNatPmpAddressRequest(), 'external-address', signal)
    if (response.kind !== 'external-address' || response.address === NO_ADDRESS) throw this.#refused('network-failure')
    this.#address = response.address
    return response.address
  }

  async map(request: MappingRequest, present: MappingGrant | undefined, signal: AbortSignal): Promise<MappingGrant> {
    const { protocol, internalPort } = request
    const address = present === undefined ? this.#address : undefined
    const externalPort = present?.external.port ?? request.externalPort
    const lifetimeSeconds = Math.ceil(request.lifetimeMs / MS_PER_SECOND)
    const granted = await this.#askMapping({ protocol, internalPort, externalPort, lifetimeSeconds }, signal)
    return {
      external: { address: address ?? (await this.askAddress(signal)), port: granted.externalPort },
      internalAddress: this.#socket.local,
      lifetimeMs: granted.lifetimeSeconds * MS_PER_SECOND,
    }
  }

  /** Section 3.4. */
  async unmap({ protocol, internalPort }: MappingRequest, _: MappingGrant, signal: AbortSignal): Promise<void> {
    await this.#askMapping({ protocol, internalPort, externalPort: 0, lifetimeSeconds: 0 }, signal)
  }

  close(): void {
    this.#socket.close()
  }

  async #askMapping(request: NatPmpMapRequest, signal: AbortSignal): Promise<NatPmpMapRequest> {
    const accepts = (response: NatPmpResponse) =>
      response.kind === 'map' && response.internalPort === request.internalPort
    const response = await this.#request(encodeNatPmpMapRequest(request), request.protocol, signal, accepts)
    if (response.kind !== 'map') throw this.#refused('unsupported-opcode')
    return response
  }

  async #request(
    bytes: Uint8Array,
    request: NonNullable<NatPmpFailure['request']>,
    signal: AbortSignal,
    accepts: (response: NatPmpResponse) => boolean = () => true,
  ): Promise<NatPmpResponse> {
    const response = await this.#socket.request({
      bytes,
      timeoutMs: ANSWER_TIMEOUT_MS,
      signal,
      accept: answer => {
        const decoded = decodeNatPmpResponse(answer)
        const isOurs = requestOf(decoded) === request && (decoded.kind === 'failure' || accepts(decoded))
        return isOurs ? decoded : undefined
      },
    })
    this.#noteEpoch(response)
    if (response.kind === 'failure') throw this.#refused(response.result)
    return response
  }

  #noteEpoch({ epochSeconds }: NatPmpResponse): void {
    const present = { epochSeconds, at: this.#platform.clock.now() }
    const hasLost = this.#epoch !== undefined && natPmpStateLost(this.#epoch, present)
    this.#epoch = present
    if (hasLost) this.#events.onStateLost()
  }

  #refused(result: NatPmpResult): EarshotError {
    return refusedBy(this.gateway, 'NAT-PMP', result, { hint: HINTS[result] })
  }
}

/** Which request a response answers. */
function requestOf(response: NatPmpResponse): NatPmpFailure['request'] {
  if (response.kind === 'failure') return response.request
  return response.kind === 'map' ? response.protocol : response.kind
}
