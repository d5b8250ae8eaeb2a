/**
 * Gathering (RFC 8445 section 5.1.1): our addresses, how servers see them, and ports that the router maps to us. What is found is
 * told at once; the NAT's behaviour when it is known.
 */

import { EarshotError } from '../../errors.ts'
import type { Timer } from '../../platform/clock.ts'
import type { AddressFamily, SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { isOwnAddress } from '../behaviour/own-address.ts'
import type { PortMapping } from '../port-mapping/port-mapping.ts'
import type { MapOptions } from '../port-mapping/port-mapping-options.ts'
import type { StunUri } from '../stun/stun-uri.ts'
import type { Candidate } from './candidate.ts'
import type { CheckSocket } from './check-socket.ts'
import { hostAddresses } from './host-addresses.ts'
import { type NatSummary, UNKNOWN_NAT } from './nat-summary.ts'
import { type StunSurvey, surveyMapping } from './stun-survey.ts'
import type { TcpPaths } from './tcp-paths.ts'
import { surveyTcp, type TcpSurvey } from './tcp-survey.ts'
import type { UdpPaths } from './udp-paths.ts'

export interface GathererOptions {
  readonly platform: Platform
  readonly stun: readonly StunUri[]
  readonly trustedCertificates: readonly string[] | undefined
  readonly mapPort: ((options: MapOptions) => Promise<PortMapping>) | undefined
  /** Undefined: no UDP. */
  readonly udp: UdpPaths | undefined
  readonly tcp: TcpPaths
  /** Of the mapping that the other side is told of. */
  readonly keepAliveMs: number
  /** Only what a relay needs to know of us. */
  readonly isRelayOnly: boolean
  readonly onCandidates: (...candidates: readonly Candidate[]) => void
  /** Of IPv4; IPv6 is not translated. */
  readonly onNat: (transport: 'udp' | 'tcp', nat: NatSummary) => void
}

/** STUN over UDP: 4 requests in 2 s. */
export const STUN_DELAYS_MS: readonly number[] = [200, 300, 500, 1_000]
/** How long TCP lets UDP make its mappings alone: some NATs count both together. */
const UDP_FIRST_MS = 400
/** Three candidates each; the others of a machine with many addresses hardly lead anywhere else. */
const MAX_HOST_ADDRESSES = 6

export class Gatherer {
  readonly #options: GathererOptions
  readonly #mappings: PortMapping[] = []
  readonly #links: TcpSurvey[] = []
  readonly #stop = new AbortController()
  #pause: Timer | undefined
  #keepAlive: Timer | undefined
  #udpServer: StunSurvey['server']
  #tcpServer: StunSurvey['server']
  #udpNat: NatSummary | undefined
  #udpIsMapped = false
  #isSettled = false

  constructor(options: GathererOptions) {
    this.#options = options
  }

  /** Those that answered first, over IPv4. */
  get servers(): { readonly udp: StunSurvey['server']; readonly tcp: StunSurvey['server'] } {
    return { udp: this.#udpServer, tcp: this.#tcpServer }
  }

  /** Resolves when everything is known. Rejects where there is no network. */
  async gather(): Promise<void> {
    const { platform, tcp, isRelayOnly, onCandidates } = this.#options
    const hosts = hostAddresses(platform).slice(0, MAX_HOST_ADDRESSES)
    const families: readonly AddressFamily[] = hosts.some(isIpv6) ? ['ipv4', 'ipv6'] : ['ipv4']
    if (!isRelayOnly) {
      const port = await tcp.listen()
      onCandidates(...hosts.map(address => ({ address, port, type: 'host', transport: 'tcp-passive' }) as const))
      this.#map('tcp', port)
    }
    await Promise.all(families.map(family => this.#gatherFamily(family, hosts.filter(isOf(family)))))
  }

  /** The connections that keep TCP mappings alive are not needed any more. */
  settle(): void {
    this.#isSettled = true
    this.#pause?.cancel()
    this.#keepAlive?.cancel()
    for (const link of this.#links) link.close()
  }

  /** Takes port mappings back, too. */
  async close(): Promise<void> {
    this.#stop.abort(new EarshotError('closed', 'the agent was closed'))
    this.settle()
    await Promise.all(this.#mappings.map(mapping => mapping.close()))
  }

  async #gatherFamily(family: AddressFamily, hosts: readonly string[]): Promise<void> {
    const { udp } = this.#options
    const surveying = udp ? this.#gatherUdp(udp, family, hosts) : Promise.resolve()
    await Promise.race([surveying, this.#udpFirst()])
    await Promise.all([surveying, this.#gatherTcp(family, hosts)])
    const isKnown = this.#udpNat !== undefined || udp === undefined
    if (family === 'ipv4' && !isKnown) this.#tellUdp(UNKNOWN_NAT)
  }

  async #gatherUdp(paths: UdpPaths, family: AddressFamily, hosts: readonly string[]): Promise<void> {
    const { platform, stun, onCandidates } = this.#options
    const socket = await paths.openSocket(family)
    const { port } = socket.local
    onCandidates(...hosts.map(address => ({ address, port, type: 'host', transport: 'udp' }) as const))
    if (family === 'ipv4') this.#map('udp', port)
    const survey = await surveyMapping({
      platform,
      servers: stun.filter(({ transport }) => transport === 'udp'),
      family,
      ask: (to, _, signal) => socket.bind(to, STUN_DELAYS_MS, signal),
      isLocal: isOwnAddress(platform, port),
      onMapped: mapped => {
        if (family === 'ipv4') this.#udpIsMapped = true
        onCandidates({ ...mapped, type: 'server-reflexive', transport: 'udp' })
      },
      signal: this.#stop.signal,
    })
    if (family === 'ipv6' || survey.mapped === undefined) return
    this.#udpServer = survey.server
    this.#tellUdp(survey.nat)
    if (survey.server) this.#keepMapping(socket, survey.server.address)
  }

  async #gatherTcp(family: AddressFamily, hosts: readonly string[]): Promise<void> {
    const { platform, stun, trustedCertificates, isRelayOnly, onCandidates, onNat, tcp } = this.#options
    const { signal } = this.#stop
    const survey = await surveyTcp({ platform, servers: stun, family, trustedCertificates, signal })
    if (signal.aborted || this.#isSettled) return survey.close()
    this.#links.push(survey)
    const { localPort: port, mapped, nat, server } = survey
    if (family === 'ipv4') {
      this.#tcpServer = server
      // Servers that answer over TCP and not over UDP: that is a firewall.
      if (mapped !== undefined && this.#asksUdp && !this.#udpIsMapped)
        this.#tellUdp({ ...UNKNOWN_NAT, isBlocked: true })
      onNat('tcp', nat)
    }
    if (mapped) onCandidates({ ...mapped, type: 'server-reflexive', transport: 'tcp-so' })
    // No NAT, but maybe a firewall: both must begin from the port that the other knows.
    const own = family === 'ipv6' && !isRelayOnly ? hosts : []
    onCandidates(...own.map(address => ({ address, port, type: 'host', transport: 'tcp-so' }) as const))
    tcp.setPunchPort(family, port)
  }

  /** The other side may come late: what it was told must still be true then. */
  #keepMapping(socket: CheckSocket, server: SocketAddress): void {
    if (this.#isSettled) return
    const { platform, keepAliveMs } = this.#options
    this.#keepAlive = platform.clock.setTimer(keepAliveMs, () => {
      socket.keepAlive(server)
      this.#keepMapping(socket, server)
    })
  }

  /** Once; what the other transport says may come first. */
  #tellUdp(nat: NatSummary): void {
    if (this.#udpNat !== undefined) return
    this.#udpNat = nat
    this.#options.onNat('udp', nat)
  }

  get #asksUdp(): boolean {
    return this.#options.udp !== undefined && this.#options.stun.some(({ transport }) => transport === 'udp')
  }

  #map(protocol: 'udp' | 'tcp', internalPort: number): void {
    const { mapPort, onCandidates } = this.#options
    const transport = protocol === 'udp' ? 'udp' : 'tcp-passive'
    const { signal } = this.#stop
    mapPort?.({ protocol, internalPort, signal }).then(
      mapping => {
        if (signal.aborted) return void mapping.close()
        this.#mappings.push(mapping)
        onCandidates({ ...mapping.external, type: 'mapped', transport })
      },
      () => {}, // Most routers do not, and that is no reason to warn.
    )
  }

  #udpFirst(): Promise<void> {
    return new Promise(resolve => {
      this.#pause = this.#options.platform.clock.setTimer(UDP_FIRST_MS, resolve)
    })
  }
}

function isIpv6(address: string): boolean {
  return address.includes(':')
}

function isOf(family: AddressFamily): (address: string) => boolean {
  return address => isIpv6(address) === (family === 'ipv6')
}
