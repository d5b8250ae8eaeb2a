/**
 * Makes one mapping: asks every gateway in every protocol at once, and has the first that answers make it. Asking changes
 * nothing on a gateway, so that of several protocols of one router only one maps, and none has to be taken back.
 */

import { asError, type ConnectAttempt, EarshotError, type ErrorCode } from '../../errors.ts'
import type { AddressFamily } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { checkGrant } from './grant-check.ts'
import { type ReachableGateway, reachableGateways } from './internal-address.ts'
import type {
  MappingGrant,
  MappingRequest,
  MappingService,
  PortMappingProtocol,
  ServiceEvents,
} from './mapping-service.ts'
import { findNatPmp } from './nat-pmp-service.ts'
import { findPcp } from './pcp-service.ts'
import { findUpnp } from './upnp/find-upnp.ts'

export interface EstablishOptions {
  readonly platform: Platform
  readonly family: AddressFamily
  readonly internalAddress: string | undefined
  readonly protocols: readonly PortMappingProtocol[]
  readonly request: MappingRequest
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly events: ServiceEvents
}

export interface Established {
  readonly service: MappingService
  readonly grant: MappingGrant
}

/** One way to a service: a protocol on a gateway. */
interface Way {
  readonly via: PortMappingProtocol
  readonly address: string
  readonly find: (signal: AbortSignal) => Promise<MappingService>
}

/**
 * Rejects with `no-network` where there is no gateway, with `refused` where one said no, otherwise with `unreachable`;
 * `attempts` has each way that was tried. Or with `signal.reason`.
 */
export async function establish(options: EstablishOptions): Promise<Established> {
  options.signal.throwIfAborted()
  const gateways = reachableGateways(options.platform.network, options.family, options.internalAddress)
  if (gateways.length === 0) throw noGateway(options)
  return new Race(options, waysTo(gateways, options)).run()
}

function waysTo(gateways: readonly ReachableGateway[], options: EstablishOptions): readonly Way[] {
  const { platform, family, protocols, events, internalAddress } = options
  const ways = gateways.flatMap(({ gateway, local }): Way[] => {
    const find = (probe: typeof findPcp) => (signal: AbortSignal) => probe({ platform, gateway, local, signal, events })
    return [
      { via: 'pcp', address: gateway.address, find: find(findPcp) },
      { via: 'nat-pmp', address: gateway.address, find: find(findNatPmp) },
    ]
  })
  const links = [...new Set(gateways.map(({ link }) => link))]
  const localAddress = family === 'ipv6' ? gateways[0]!.local : internalAddress
  const routers = gateways.map(({ gateway }) => gateway)
  ways.push({
    via: 'upnp-igd',
    address: links.map(({ name }) => name).join(', '),
    find: signal => findUpnp({ platform, family, links, gateways: routers, localAddress, signal }),
  })
  // NAT-PMP knows no IPv6.
  return ways.filter(({ via }) => protocols.includes(via) && !(family === 'ipv6' && via === 'nat-pmp'))
}

class Race {
  readonly #options: EstablishOptions
  readonly #ways: readonly Way[]
  readonly #attempts: ConnectAttempt[] = []
  readonly #failures: EarshotError[] = []
  readonly #search = new AbortController()
  /** One service maps at a time; the next one's turn comes when it has failed. */
  #turn: Promise<void> = Promise.resolve()
  #won: Established | undefined

  constructor(options: EstablishOptions, ways: readonly Way[]) {
    this.#options = options
    this.#ways = ways
  }

  run(): Promise<Established> {
    const { platform, signal, timeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      const settle = () => {
        deadline.cancel()
        signal.removeEventListener('abort', onAbort)
        this.#search.abort(new EarshotError('closed', 'the search for gateways is over'))
      }
      const fail = (reason: unknown) => {
        settle()
        reject(reason)
      }
      const onAbort = () => fail(signal.reason)
      const deadline = platform.clock.setTimer(timeoutMs, () => fail(this.#failure()))
      signal.addEventListener('abort', onAbort)
      const onWon = (won: Established) => {
        settle()
        resolve(won)
      }
      void Promise.all(this.#ways.map(way => this.#try(way, onWon))).then(() => {
        if (this.#won === undefined) fail(this.#failure())
      })
    })
  }

  async #try(way: Way, onWon: (won: Established) => void): Promise<void> {
    const startedAt = this.#options.platform.clock.now()
    try {
      const service = await way.find(this.#search.signal)
      const turn = this.#turn.then(() => this.#map(service, onWon))
      this.#turn = turn.catch(() => {})
      await turn
    } catch (error) {
      this.#noteFailure(way, startedAt, error)
    }
  }

  /**
   * Once asked for, a mapping is waited for even when nobody wants it any more: it would stay on the gateway. It is removed
   * then.
   */
  async #map(service: MappingService, onWon: (won: Established) => void): Promise<void> {
    const { request } = this.#options
    const { signal } = new AbortController()
    try {
      this.#search.signal.throwIfAborted()
      const grant = checkGrant(service, await service.map(request, undefined, signal))
      if (this.#search.signal.aborted) return await this.#remove({ service, grant })
      this.#won = { service, grant }
      onWon(this.#won)
    } catch (error) {
      service.close()
      throw error
    }
  }

  async #remove({ service, grant }: Established): Promise<void> {
    await service.unmap(this.#options.request, grant, new AbortController().signal).catch(() => {})
    service.close()
  }

  #noteFailure({ via, address }: Way, startedAt: number, error: unknown): void {
    const failure =
      error instanceof EarshotError ? error : new EarshotError('unreachable', asError(error).message, { cause: error })
    const durationMs = this.#options.platform.clock.now() - startedAt
    this.#failures.push(failure)
    this.#attempts.push({ address, via, durationMs, code: failure.code, message: failure.message })
  }

  /** What a gateway said says more than the silence of others. */
  #failure(): EarshotError {
    const said =
      this.#failures.find(({ code }) => code === 'refused') ?? this.#failures.find(({ code }) => code !== 'timeout')
    const code: ErrorCode = said?.code === 'refused' ? 'refused' : 'unreachable'
    const why = said?.message ?? 'no router answered in PCP, NAT-PMP or UPnP'
    return new EarshotError(code, `cannot map ${describe(this.#options.request)}: ${why}`, {
      hint:
        said?.hint ??
        'Turn on UPnP or NAT-PMP in the router, where many have it off, or forward the port there by hand.',
      attempts: [...this.#attempts],
      ...(said?.reason === undefined ? {} : { reason: said.reason }),
      ...(said?.retryAfterMs === undefined ? {} : { retryAfterMs: said.retryAfterMs }),
      ...(said === undefined ? {} : { cause: said }),
    })
  }
}

function noGateway({ request, family, internalAddress }: EstablishOptions): EarshotError {
  const from = internalAddress === undefined ? '' : ` for ${internalAddress}`
  return new EarshotError('no-network', `cannot map ${describe(request)}: no ${family} router is known${from}`, {
    hint: 'This machine has no default route: is it connected to a network with a router?',
  })
}

function describe({ protocol, internalPort }: MappingRequest): string {
  return `${protocol.toUpperCase()} port ${internalPort}`
}
