/** TCP of one simulated host: its listeners, its connections, and which of them a segment is for. */

import { EarshotError } from '../errors.ts'
import type {
  SocketAddress,
  TcpConnection,
  TcpConnectOptions,
  TcpListener,
  TcpListenOptions,
} from '../platform/network.ts'
import { formatSocketAddress } from '../platform/socket-address.ts'
import {
  formatIpAddress,
  type IpAddress,
  inZone,
  isLinkLocalIpv6,
  isUnspecified,
  parseIpAddress,
} from './ip-address.ts'
import type { IpStack } from './ip-stack.ts'
import type { TcpPacket } from './packet.ts'
import type { SimulatedInterface } from './simulated-interface.ts'
import { TcpEndpoint, type TcpEndpointParts } from './simulated-tcp.ts'
import { systemError } from './system-error.ts'
import { refusal, type TcpSegment } from './tcp-segment.ts'
import type { EventOwner } from './virtual-time.ts'

export class SimulatedTcpListener implements TcpListener {
  readonly local: SocketAddress
  readonly program: EventOwner
  readonly bound: IpAddress
  readonly onConnection: (connection: TcpConnection) => void
  readonly #onClose: (listener: SimulatedTcpListener) => void

  constructor(
    bound: IpAddress,
    port: number,
    program: EventOwner,
    onConnection: (connection: TcpConnection) => void,
    onClose: (listener: SimulatedTcpListener) => void,
  ) {
    this.local = { address: bound.text, port }
    this.program = program
    this.bound = bound
    this.onConnection = onConnection
    this.#onClose = onClose
  }

  async close(): Promise<void> {
    this.#onClose(this)
  }

  /** `::` listens on both families. */
  hears(address: IpAddress): boolean {
    if (!isUnspecified(this.bound)) return this.bound.text === address.text
    return this.bound.family === 'ipv6' || address.family === 'ipv4'
  }
}

/** Both ends of a connection, as the packets on the way to us have them: without zones. */
interface Ends {
  readonly local: IpAddress
  readonly localPort: number
  readonly remote: IpAddress
  readonly remotePort: number
}

/** What a program wants to connect. */
interface Dialling {
  readonly remote: SocketAddress
  /** Undefined: any free port. */
  readonly localPort: number | undefined
  /** Undefined: that of the route. */
  readonly localAddress: string | undefined
  readonly program: EventOwner
  readonly attempt: string
}

export class TcpStack {
  readonly #ip: IpStack
  readonly #listeners = new Map<number, readonly SimulatedTcpListener[]>()
  readonly #endpoints = new Map<string, TcpEndpoint>()

  constructor(ip: IpStack) {
    this.#ip = ip
  }

  get listeners(): readonly SimulatedTcpListener[] {
    return [...this.#listeners.values()].flat()
  }

  get endpoints(): readonly TcpEndpoint[] {
    return [...this.#endpoints.values()]
  }

  usesPort(port: number): boolean {
    return this.#listeners.has(port) || this.endpoints.some(({ local }) => local.port === port)
  }

  listen(
    { host, port }: TcpListenOptions,
    onConnection: (connection: TcpConnection) => void,
    program: EventOwner,
  ): SimulatedTcpListener {
    const attempt = `cannot listen on ${formatSocketAddress({ address: host, port })}`
    const bound = parseIpAddress(host)
    if (bound === undefined) throw systemError('ENOTFOUND', attempt)
    if (!isUnspecified(bound) && !this.#ip.hasAddress(bound)) throw systemError('EADDRNOTAVAIL', attempt)
    const isFree = (candidate: number) => this.#listenersOn(candidate).every(other => !overlap(other.bound, bound))
    const boundPort = port === 0 ? this.#ip.ephemeralPort(isFree) : port
    if (boundPort === undefined || !isFree(boundPort)) throw systemError('EADDRINUSE', attempt)
    const listener = new SimulatedTcpListener(bound, boundPort, program, onConnection, closed => this.unlisten(closed))
    this.#listeners.set(boundPort, [...this.#listenersOn(boundPort), listener])
    return listener
  }

  unlisten(listener: SimulatedTcpListener): void {
    const { port } = listener.local
    const others = this.#listenersOn(port).filter(other => other !== listener)
    if (others.length > 0) this.#listeners.set(port, others)
    else this.#listeners.delete(port)
  }

  connect(remote: SocketAddress, options: TcpConnectOptions, program: EventOwner): Promise<TcpConnection> {
    const { timeoutMs, signal, localPort, localAddress } = options
    const { time } = this.#ip
    const attempt = `cannot connect to ${formatSocketAddress(remote)}`
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      if (options.tls) return reject(withoutTls(attempt))
      const settle = () => {
        time.cancel(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      const fail = (reason: unknown) => {
        settle()
        endpoint.destroy()
        reject(reason)
      }
      const onAbort = () => fail(signal?.reason)
      const endpoint = this.#dial(
        { remote, localPort, localAddress, program, attempt },
        {
          onEstablished() {
            time.schedule(0, program, () => {
              settle()
              resolve(endpoint)
            })
          },
          onRefused: systemCode => void time.schedule(0, program, () => fail(systemError(systemCode, attempt))),
        },
      )
      const timer = time.schedule(timeoutMs, program, () => {
        fail(systemError('ETIMEDOUT', `${attempt} within ${timeoutMs} ms`))
      })
      signal?.addEventListener('abort', onAbort)
    })
  }

  receive(packet: TcpPacket, through: SimulatedInterface): void {
    const { source: remote, sourcePort: remotePort, destination: local, destinationPort: localPort, segment } = packet
    // Zones are ours: that of the sender means nothing here (RFC 4007 section 6).
    const ends: Ends = {
      local: inZone(local, through.name),
      localPort,
      remote: inZone(remote, through.name),
      remotePort,
    }
    const endpoint = this.#endpoints.get(keyOf(ends))
    const listener = this.#listenersOn(localPort).findLast(candidate => candidate.hears(local))
    if (endpoint !== undefined) endpoint.receive(segment)
    else if (segment.kind === 'syn' && listener !== undefined) this.#accept(listener, ends, segment)
    else if (segment.kind !== 'rst') this.#send(ends, refusal(segment, this.#ip.time.now))
  }

  #dial(
    { remote, localPort: chosenPort, localAddress, program, attempt }: Dialling,
    events: Pick<TcpEndpointParts, 'onEstablished' | 'onRefused'>,
  ): TcpEndpoint {
    const destination = parseIpAddress(remote.address)
    if (destination === undefined || (isLinkLocalIpv6(destination) && destination.zone === undefined)) {
      throw systemError('EINVAL', attempt)
    }
    const route = this.#ip.route(destination)
    if (route === undefined) throw systemError('ENETUNREACH', attempt)
    const source = localAddress === undefined ? route.source : parseIpAddress(localAddress)
    if (source === undefined || (localAddress !== undefined && !this.#ip.hasAddress(source)))
      throw systemError('EADDRNOTAVAIL', attempt)
    const towards = { local: inZone(source, route.through.name), remote: destination, remotePort: remote.port }
    const isFree = (port: number) => !this.#endpoints.has(keyOf({ ...towards, localPort: port }))
    if (chosenPort !== undefined && this.#listenersOn(chosenPort).length > 0) throw systemError('EADDRINUSE', attempt)
    const localPort = chosenPort ?? this.#ip.ephemeralPort(port => this.#listenersOn(port).length === 0 && isFree(port))
    if (localPort === undefined || !isFree(localPort)) throw systemError('EADDRNOTAVAIL', attempt)
    const endpoint = this.#open({ ...towards, localPort }, program, 'syn-sent', events)
    endpoint.connect()
    return endpoint
  }

  #accept(listener: SimulatedTcpListener, ends: Ends, syn: TcpSegment): void {
    const endpoint = this.#open(ends, listener.program, 'syn-received', {
      onEstablished: () => {
        this.#ip.time.schedule(0, listener.program, () => {
          if (this.#listenersOn(listener.local.port).includes(listener)) listener.onConnection(endpoint)
          else endpoint.destroy()
        })
      },
      onRefused() {},
    })
    endpoint.receive(syn)
  }

  #open(
    ends: Ends,
    program: EventOwner,
    state: 'syn-sent' | 'syn-received',
    events: Pick<TcpEndpointParts, 'onEstablished' | 'onRefused'>,
  ): TcpEndpoint {
    const key = keyOf(ends)
    const endpoint = new TcpEndpoint(
      {
        ip: this.#ip,
        program,
        local: { address: formatIpAddress(ends.local), port: ends.localPort },
        remote: { address: formatIpAddress(ends.remote), port: ends.remotePort },
        send: segment => this.#send(ends, segment),
        onForgotten: () => this.#endpoints.delete(key),
        ...events,
      },
      state,
    )
    this.#endpoints.set(key, endpoint)
    return endpoint
  }

  #send({ local, localPort, remote, remotePort }: Ends, segment: TcpSegment): void {
    const route = this.#ip.route(remote)
    // An address that this host has lost, with its lease or its cable, sends nothing; the connection falls silent.
    if (route === undefined || !this.#ip.hasAddress(local)) return
    const towards = { destination: remote, destinationPort: remotePort }
    this.#ip.send({ protocol: 'tcp', source: local, sourcePort: localPort, ...towards, segment }, route)
  }

  #listenersOn(port: number): readonly SimulatedTcpListener[] {
    return this.#listeners.get(port) ?? []
  }
}

function keyOf({ local, localPort, remote, remotePort }: Ends): string {
  return `${local.text} ${localPort} ${remote.text} ${remotePort}`
}

function withoutTls(attempt: string): EarshotError {
  return new EarshotError('unreachable', `${attempt}: the simulated network has no TLS`, {
    hint: 'Use plain TCP in simulations; TLS needs a real network.',
  })
}

function overlap(a: IpAddress, b: IpAddress): boolean {
  const areBothFamilies = [a, b].some(address => isUnspecified(address) && address.family === 'ipv6')
  if (a.family !== b.family && !areBothFamilies) return false
  return isUnspecified(a) || isUnspecified(b) || a.text === b.text
}
