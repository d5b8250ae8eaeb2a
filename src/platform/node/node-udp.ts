/**
 * UDP on `node:dgram`. What differs between systems:
 *
 * - Sharing a port: `reuseAddr` is SO_REUSEADDR on Linux and Windows and SO_REUSEPORT on macOS and the BSDs; every
 *   program must set it. Multicast reaches all sockets of the port, unicast one: on Linux the one bound last, elsewhere
 *   that is not documented.
 * - A socket bound to the wildcard hears, on Linux, the groups that *any* socket of the machine has joined on any
 *   interface; on macOS and Windows only those it joined itself.
 * - IPv4 knows the interface of multicast by its address: after that has changed, a new socket is needed.
 * - Zones are names on Linux and macOS, numbers on Windows.
 * - The loopback interface of Linux has no route for IPv6 multicast: a send fails with `unreachable`, joining works.
 */

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { EarshotError } from '../../errors.ts'
import { MAX_UDP_QUEUE_DATAGRAMS } from '../../limits.ts'
import type { NetworkInterface, SocketAddress, UdpHandlers, UdpOptions, UdpSocket } from '../network.ts'
import { formatSocketAddress } from '../socket-address.ts'
import { nodeError, systemCodeOf } from './node-error.ts'

/** What systems give unicast by default (RFC 1700). */
const DEFAULT_TTL = 64

export async function openUdp(
  options: UdpOptions,
  handlers: UdpHandlers,
  interfaces: () => readonly NetworkInterface[],
): Promise<UdpSocket> {
  const isIpv6 = isIPv6(options.address)
  const zone =
    options.multicastInterface === undefined
      ? undefined
      : multicastZone(options.multicastInterface, isIpv6, interfaces())
  const socket = createSocket({
    type: isIpv6 ? 'udp6' : 'udp4',
    reuseAddr: options.sharePort,
    ipv6Only: isIpv6,
    lookup: literal,
  })
  await bind(socket, options)
  try {
    configure(socket, options, zone)
  } catch (error) {
    socket.close()
    throw nodeError(
      error,
      `cannot set up UDP ${formatSocketAddress(options)} on ${zone ?? 'any interface'}`,
      'no-network',
    )
  }
  return new NodeUdpSocket(socket, handlers, zone)
}

function bind(socket: Socket, { address, port }: UdpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => {
      socket.close()
      reject(nodeError(error, `cannot open UDP ${formatSocketAddress({ address, port })}`, 'no-network'))
    }
    socket.once('error', onError)
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', onError)
      resolve()
    })
  })
}

function configure(socket: Socket, { broadcast, multicastTtl = 1 }: UdpOptions, zone: string | undefined): void {
  if (broadcast) socket.setBroadcast(true)
  if (zone === undefined) return
  socket.setMulticastInterface(zone)
  socket.setMulticastTTL(multicastTtl)
  // Other programs on this machine are peers too.
  socket.setMulticastLoopback(true)
  // RFC 6762 section 11: responses sent by unicast have a TTL of 255 as well.
  if (multicastTtl > DEFAULT_TTL) socket.setTTL(multicastTtl)
}

/** How the system wants the interface named: IPv4 by an address of it, IPv6 by its zone. */
function multicastZone(name: string, isIpv6: boolean, interfaces: readonly NetworkInterface[]): string {
  const found = interfaces.find(candidate => candidate.name === name)
  const own = found?.addresses.find(({ family }) => family === (isIpv6 ? 'ipv6' : 'ipv4'))
  if (!found || !own) {
    throw new EarshotError(
      'no-network',
      `interface ${name} ${found ? `has no ${isIpv6 ? 'IPv6' : 'IPv4'} address` : 'is gone'}`,
      {
        hint: '`earshot interfaces` lists the interfaces and addresses there are.',
      },
    )
  }
  if (!isIpv6) return own.address
  return process.platform === 'win32' ? `::%${found.index}` : `::%${name}`
}

class NodeUdpSocket implements UdpSocket {
  readonly local: SocketAddress
  readonly #socket: Socket
  readonly #handlers: UdpHandlers
  readonly #zone: string | undefined
  readonly #onSent: (error: Error | null) => void
  /** Datagrams of which the system has not said that it has taken them. */
  #pending = 0
  #isFull = false
  #isClosed = false

  constructor(socket: Socket, handlers: UdpHandlers, zone: string | undefined) {
    const { address, port } = socket.address()
    this.local = { address, port }
    this.#socket = socket
    this.#handlers = handlers
    this.#zone = zone
    this.#onSent = error => {
      this.#pending--
      if (error) this.#report(error, 'cannot send')
      if (!this.#isFull || this.#pending > 0 || this.#isClosed) return
      this.#isFull = false
      handlers.onDrain?.()
    }
    socket.on('message', (bytes: Buffer, remote: RemoteInfo) => {
      if (!this.#isClosed) handlers.onDatagram(bytes, remote)
    })
    socket.on('error', error => this.#report(error, 'cannot receive'))
    socket.on('close', () => {
      this.#isClosed = true
      handlers.onClose?.()
    })
  }

  send(bytes: Uint8Array, remote: SocketAddress): boolean {
    if (this.#isClosed) return true
    this.#pending++
    try {
      this.#socket.send(bytes, remote.port, remote.address, this.#onSent)
    } catch (error) {
      // Port 0 and the like; told as every other failure is, after `send`.
      process.nextTick(this.#onSent, error)
    }
    this.#isFull ||= this.#pending >= MAX_UDP_QUEUE_DATAGRAMS
    return !this.#isFull
  }

  joinGroup(group: string): void {
    try {
      this.#socket.addMembership(group, this.#zone)
    } catch (error) {
      if (systemCodeOf(error) === 'EADDRINUSE') return // A member already.
      throw nodeError(error, `cannot join ${group} on ${this.#zone ?? 'the default interface'}`, 'no-network')
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
  }

  #report(error: Error, attempt: string): void {
    // Windows reports a port-unreachable of an earlier send this way: that datagram was lost, silently, like any other.
    const systemCode = systemCodeOf(error)
    if (this.#isClosed || systemCode === 'ECONNRESET' || systemCode === 'ECONNREFUSED') return
    this.#handlers.onError(nodeError(error, `${attempt} on UDP ${formatSocketAddress(this.local)}`, 'no-network'))
  }
}

/** Replaces the resolver: addresses are literals here, need no turn of the event loop and never a question to a server. */
function literal(
  address: string,
  options: unknown,
  callback: (error: Error | null, address: string, family: number) => void,
): void {
  callback(null, address, options === 6 ? 6 : 4)
}
