/** A gateway that speaks PCP (RFC 6887): IPv4 mappings, and pinholes in IPv6 firewalls, which are mappings to oneself. */

import { EarshotError } from '../../errors.ts'
import type { Gateway } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { type EpochReading, pcpStateLost } from './epoch.ts'
import { GatewaySocket } from './gateway-socket.ts'
import { refusedBy } from './mapping-error.ts'
import type { MappingGrant, MappingRequest, MappingService, ServiceEvents } from './mapping-service.ts'
import {
  decodePcpResponse,
  encodePcpAnnounce,
  encodePcpMapRequest,
  PCP_PORT,
  type PcpMap,
  type PcpResponse,
  type PcpResult,
} from './pcp-message.ts'
import { ANSWER_TIMEOUT_MS, type ProbeOptions } from './probe.ts'

const MS_PER_SECOND = 1_000

const HINTS: Partial<Record<PcpResult, string>> = {
  'not-authorized': 'The router forbids port mappings: allow PCP in its settings.',
  'address-mismatch': 'There is another NAT between this machine and the router: map the port there too.',
  'user-exceeded-quota': 'This machine has as many mappings as the router allows: close some.',
  'no-resources': 'The router has no room for another mapping: close some, or restart it.',
  'network-failure': 'The router has no connection to the Internet now.',
}

/** Asks whether the gateway speaks PCP. Rejects with `timeout`, or with what its answer says. */
export async function findPcp({ platform, gateway, local, signal, events }: ProbeOptions): Promise<MappingService> {
  const socket = await GatewaySocket.open(platform, local, { address: gateway.address, port: PCP_PORT })
  const service = new PcpService(platform, gateway, socket, events)
  try {
    await service.probe(signal)
    return service
  } catch (error) {
    service.close()
    throw error
  }
}

class PcpService implements MappingService {
  readonly via = 'pcp'
  readonly gateway: string
  readonly #platform: Platform
  readonly #family: Gateway['family']
  readonly #socket: GatewaySocket
  readonly #events: ServiceEvents
  #epoch: EpochReading | undefined

  constructor(platform: Platform, gateway: Gateway, socket: GatewaySocket, events: ServiceEvents) {
    this.gateway = gateway.address
    this.#platform = platform
    this.#family = gateway.family
    this.#socket = socket
    this.#events = events
  }

  async probe(signal: AbortSignal): Promise<void> {
    const bytes = encodePcpAnnounce(this.#socket.local)
    const accept = (answer: Uint8Array) => {
      const response = decodePcpResponse(answer)
      return response.opcode === 'announce' ? response : undefined
    }
    const response = await this.#socket.request({ bytes, timeoutMs: ANSWER_TIMEOUT_MS, signal, accept })
    this.#noteEpoch(response)
    // A server that knows no ANNOUNCE is a server.
    if (response.result !== 'success' && response.result !== 'unsupported-opcode') throw this.#refused(response)
  }

  async map(request: MappingRequest, present: MappingGrant | undefined, signal: AbortSignal): Promise<MappingGrant> {
    const lifetimeSeconds = Math.ceil(request.lifetimeMs / MS_PER_SECOND)
    const externalPort = present?.external.port ?? request.externalPort
    const externalAddress = present?.external.address ?? request.externalAddress
    const response = await this.#ask(request, { lifetimeSeconds, externalPort, externalAddress }, signal)
    const map = response.map!
    return {
      external: { address: map.externalAddress, port: map.externalPort },
      internalAddress: this.#socket.local,
      lifetimeMs: response.lifetimeSeconds * MS_PER_SECOND,
    }
  }

  /** Section 15.1. miniupnpd 2.3 does not let go of a pinhole that was renewed; it can be left the shortest time. */
  async unmap(request: MappingRequest, { external }: MappingGrant, signal: AbortSignal): Promise<void> {
    const { address: externalAddress, port: externalPort } = external
    try {
      await this.#ask(request, { lifetimeSeconds: 0, externalPort, externalAddress }, signal)
    } catch (error) {
      if (!(error instanceof EarshotError) || error.code !== 'refused') throw error
      await this.#ask(request, { lifetimeSeconds: 1, externalPort, externalAddress }, signal)
    }
  }

  close(): void {
    this.#socket.close()
  }

  async #ask(request: MappingRequest, wanted: WantedMapping, signal: AbortSignal): Promise<PcpResponse> {
    const { nonce, protocol, internalPort } = request
    const { lifetimeSeconds, externalPort, externalAddress = this.#family === 'ipv4' ? '0.0.0.0' : '::' } = wanted
    const map = { nonce, protocol, internalPort, externalPort, externalAddress }
    const bytes = encodePcpMapRequest({ clientAddress: this.#socket.local, lifetimeSeconds, ...map })
    const response = await this.#socket.request({
      bytes,
      timeoutMs: ANSWER_TIMEOUT_MS,
      signal,
      accept: answer => answerTo(map, decodePcpResponse(answer)),
    })
    this.#noteEpoch(response)
    if (response.result !== 'success') throw this.#refused(response)
    return response
  }

  #noteEpoch({ epochSeconds }: PcpResponse): void {
    const present = { epochSeconds, at: this.#platform.clock.now() }
    const hasLost = this.#epoch !== undefined && pcpStateLost(this.#epoch, present)
    this.#epoch = present
    if (hasLost) this.#events.onStateLost()
  }

  #refused({ result, lifetimeSeconds }: PcpResponse): EarshotError {
    const retryAfterMs = lifetimeSeconds * MS_PER_SECOND
    return refusedBy(this.gateway, 'PCP', result, { hint: HINTS[result], retryAfterMs })
  }
}

interface WantedMapping {
  readonly lifetimeSeconds: number
  readonly externalPort: number
  readonly externalAddress: string | undefined
}

/** Section 11.4: nonce, protocol and internal port must be those of the request. */
function answerTo({ nonce, protocol, internalPort }: PcpMap, response: PcpResponse): PcpResponse | undefined {
  const { opcode, map } = response
  if (opcode !== 'map') return undefined
  if (map === undefined) return response
  const isOurs = map.protocol === protocol && map.internalPort === internalPort
  return isOurs && nonce.every((byte, at) => byte === map.nonce[at]) ? response : undefined
}
