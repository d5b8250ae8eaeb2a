/**
 * Reliable streams over the UDP sockets of a simulated host: the simulated TCP, its segments sent as datagrams. No
 * congestion control, and no claim to be any real protocol.
 *
 *     0xff | to id, 4 bytes | kind | is last | sequence, 6 | acknowledged, 6 | window, 4 | sent at, 8 | echo, 8 | bytes
 */

import { EarshotError } from '../errors.ts'
import type { SocketAddress, TcpConnection } from '../platform/network.ts'
import type {
  ReliableStreamOptions,
  ReliableUdpHandlers,
  ReliableUdpOptions,
  ReliableUdpSocket,
  ReliableUdpSupport,
} from '../platform/reliable-udp.ts'
import type { IpStack } from './ip-stack.ts'
import { TcpEndpoint } from './simulated-tcp.ts'
import type { SimulatedUdpSocket } from './simulated-udp.ts'
import type { TcpSegment } from './tcp-segment.ts'
import type { EventOwner } from './virtual-time.ts'

const MARK = 0xff
const HEADER_BYTES = 39
/** What the receiving side has room for at the beginning. */
const FIRST_WINDOW_BYTES = 65_536
/** A datagram has at most 65,507 bytes. */
const MAX_SEGMENT_BYTES = 60_000
const KINDS: readonly TcpSegment['kind'][] = ['syn', 'syn ack', 'ack', 'rst']

export function simulatedReliableUdp(ip: IpStack, program: EventOwner): ReliableUdpSupport {
  return {
    kind: 'available',
    open: async (options, handlers) => new SimulatedReliableUdpSocket(ip, program, options, handlers),
  }
}

class SimulatedReliableUdpSocket implements ReliableUdpSocket {
  readonly #ip: IpStack
  readonly #program: EventOwner
  readonly #socket: SimulatedUdpSocket
  /** By their local id. */
  readonly #streams = new Map<number, TcpEndpoint>()
  #isClosed = false

  constructor(ip: IpStack, program: EventOwner, options: ReliableUdpOptions, handlers: ReliableUdpHandlers) {
    this.#ip = ip
    this.#program = program
    const onDatagram = (bytes: Uint8Array, remote: SocketAddress) => {
      if (bytes[0] === MARK && bytes.length >= HEADER_BYTES) this.#receive(bytes)
      else if (!this.#isClosed) handlers.onDatagram(bytes, remote)
    }
    this.#socket = ip.udp.open({ ...options, sharePort: false }, { onDatagram, onError() {} }, program)
  }

  get local(): SocketAddress {
    return this.#socket.local
  }

  send(bytes: Uint8Array, remote: SocketAddress): void {
    this.#socket.send(bytes, remote)
  }

  openStream({ remote, localId, remoteId }: ReliableStreamOptions): TcpConnection {
    if (this.#isClosed) throw new EarshotError('closed', 'the UDP socket is closed')
    if (this.#streams.has(localId)) throw new RangeError(`localId ${localId} is in use`)
    const endpoint = new TcpEndpoint(
      {
        ip: this.#ip,
        program: this.#program,
        local: this.local,
        remote,
        send: segment => {
          for (const part of partsOf(segment)) this.#socket.send(encode(remoteId, part), remote)
        },
        onEstablished() {},
        onRefused() {},
        onForgotten: () => this.#streams.delete(localId),
      },
      // The path is open and both sides open it: there is nothing to shake hands about.
      'syn-received',
    )
    endpoint.openWithWindow(FIRST_WINDOW_BYTES)
    this.#streams.set(localId, endpoint)
    return endpoint
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const stream of this.#streams.values()) stream.destroy()
    this.#socket.close()
  }

  #receive(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#streams.get(view.getUint32(1))?.receive(decode(view, bytes))
  }
}

/** A long segment as several: only the last one says that it is the last. */
function partsOf(segment: TcpSegment): TcpSegment[] {
  const { bytes, sequence, isLast } = segment
  if (bytes.length <= MAX_SEGMENT_BYTES) return [segment]
  const [head, tail] = [bytes.subarray(0, MAX_SEGMENT_BYTES), bytes.subarray(MAX_SEGMENT_BYTES)]
  return [
    { ...segment, bytes: head, isLast: false },
    ...partsOf({ ...segment, bytes: tail, sequence: sequence + MAX_SEGMENT_BYTES, isLast }),
  ]
}

function encode(
  to: number,
  { kind, isLast, sequence, acknowledged, window, sentAt, echo, bytes }: TcpSegment,
): Uint8Array {
  const whole = new Uint8Array(HEADER_BYTES + bytes.length)
  const view = new DataView(whole.buffer)
  view.setUint8(0, MARK)
  view.setUint32(1, to)
  view.setUint8(5, KINDS.indexOf(kind))
  view.setUint8(6, isLast ? 1 : 0)
  setUint48(view, 7, sequence)
  setUint48(view, 13, acknowledged)
  view.setUint32(19, window)
  view.setFloat64(23, sentAt)
  view.setFloat64(31, echo)
  whole.set(bytes, HEADER_BYTES)
  return whole
}

function decode(view: DataView, bytes: Uint8Array): TcpSegment {
  return {
    kind: KINDS[view.getUint8(5)] ?? 'rst',
    isLast: view.getUint8(6) === 1,
    sequence: getUint48(view, 7),
    acknowledged: getUint48(view, 13),
    window: view.getUint32(19),
    sentAt: view.getFloat64(23),
    echo: view.getFloat64(31),
    bytes: bytes.subarray(HEADER_BYTES),
  }
}

/** A position may be -1 below the beginning, as a window probe is. */
function setUint48(view: DataView, at: number, value: number): void {
  view.setUint16(at, Math.floor((value + 1) / 2 ** 32))
  view.setUint32(at + 2, (value + 1) % 2 ** 32)
}

function getUint48(view: DataView, at: number): number {
  return view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2) - 1
}
