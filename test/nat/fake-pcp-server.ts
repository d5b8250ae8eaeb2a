/**
 * A gateway that speaks PCP and NAT-PMP, written from RFC 6886 and RFC 6887 apart from the client: bytes by offset. It runs on the
 * router of a simulated NAT, and lies where a test wants it to.
 */

import type { SocketAddress, UdpSocket } from '../../src/platform/network.ts'
import type { SimulatedNat } from '../../src/testing/index.ts'
import { parseIpAddress } from '../../src/testing/ip-address.ts'
import { GatewayMappings } from './gateway-mappings.ts'

const PORT = 5_351
const CLIENT_PORT = 5_350

export interface FakePcpOptions {
  readonly pcp?: boolean
  readonly natPmp?: boolean
  /** Told instead of the NAT's. */
  readonly externalAddress?: string
  /** Grants at most this. */
  readonly maxLifetimeSeconds?: number
  /** The result code of MAP and of NAT-PMP's mapping requests. */
  readonly result?: number
  /** Says no to a lifetime of 0. */
  readonly keepsMappings?: boolean
  /** What is sent instead of an answer. */
  readonly tamper?: (answer: Uint8Array, request: Uint8Array) => readonly Uint8Array[]
  /** Where answers are sent from. @default the port that was asked */
  readonly answerFromPort?: number
}

export class FakePcpServer {
  /** May be changed at any time. */
  options: FakePcpOptions
  /** What came, each with its time. */
  readonly requests: { readonly at: number; readonly bytes: Uint8Array; readonly from: string }[] = []
  readonly #nat: SimulatedNat
  readonly #now: () => number
  readonly #mappings: GatewayMappings
  readonly #startedAt: number
  #sockets: readonly UdpSocket[] = []
  #answering: readonly UdpSocket[] = []

  /** Starts one on the router of `nat`; again after the router was. */
  static async start(nat: SimulatedNat, options: FakePcpOptions = {}): Promise<FakePcpServer> {
    const server = new FakePcpServer(nat, options)
    await server.#listen()
    return server
  }

  constructor(nat: SimulatedNat, options: FakePcpOptions) {
    const { clock } = nat.router.network
    this.options = options
    this.#nat = nat
    this.#now = () => clock.now()
    this.#startedAt = clock.now()
    this.#mappings = new GatewayMappings(nat)
  }

  /** RFC 6887 section 14.1.3 and RFC 6886 section 3.2.1: says to the LAN that it was started. */
  announce(): void {
    const { pcp = true, natPmp = true } = this.options
    const to = { address: '224.0.0.1', port: CLIENT_PORT }
    if (natPmp) this.#sockets[0]?.send(this.#natPmpAddress(), to)
    if (pcp) this.#sockets[0]?.send(this.#pcpHeader(0, 0, 0), to)
  }

  close(): void {
    for (const socket of [...this.#sockets, ...this.#answering]) socket.close()
  }

  async #listen(): Promise<void> {
    const { network } = this.#nat.router.network
    // Bound to the address that is asked, so that answers come from it.
    const linkLocal = this.#nat.router.addresses.find(
      address => address.startsWith('fe80') && address.endsWith('%lan0'),
    )!
    const open = (address: string, port: number) => {
      const onDatagram = (bytes: Uint8Array, remote: SocketAddress) =>
        this.#receive(bytes, remote, address.includes(':') ? 1 : 0)
      const options = { address, port, sharePort: false, multicastInterface: 'lan0' }
      return network.openUdp(options, { onDatagram, onError() {} })
    }
    this.#sockets = [await open('0.0.0.0', PORT), await open(linkLocal, PORT)]
    const { answerFromPort } = this.options
    this.#answering =
      answerFromPort === undefined ? [] : [await open('0.0.0.0', answerFromPort), await open(linkLocal, answerFromPort)]
  }

  #receive(request: Uint8Array, remote: SocketAddress, family: number): void {
    this.requests.push({ at: this.#now(), bytes: request, from: remote.address })
    const { pcp = true, natPmp = true, tamper } = this.options
    const isPcp = request[0] === 2
    if (isPcp ? !pcp : !natPmp) return
    const answer = isPcp ? this.#answerPcp(request) : this.#answerNatPmp(request, remote.address)
    for (const bytes of tamper === undefined ? [answer] : tamper(answer, request)) {
      ;(this.#answering[family] ?? this.#sockets[family])?.send(bytes, remote)
    }
  }

  get #epochSeconds(): number {
    return Math.floor((this.#now() - this.#startedAt) / 1_000)
  }

  get #external(): string {
    return this.options.externalAddress ?? this.#nat.externalAddress
  }

  #pcpHeader(opcode: number, result: number, lifetimeSeconds: number, bytes = 24): Uint8Array {
    const answer = new Uint8Array(bytes)
    const view = new DataView(answer.buffer)
    view.setUint8(0, 2)
    view.setUint8(1, 0x80 | opcode)
    view.setUint8(3, result)
    view.setUint32(4, lifetimeSeconds)
    view.setUint32(8, this.#epochSeconds)
    return answer
  }

  #answerPcp(request: Uint8Array): Uint8Array {
    const view = new DataView(request.buffer, request.byteOffset, request.length)
    const opcode = view.getUint8(1)
    if (opcode !== 1) return this.#pcpHeader(opcode, opcode === 0 ? 0 : 4, 0)
    const client = textOf(request.subarray(8, 24))
    const lifetimeSeconds = Math.min(view.getUint32(4), this.options.maxLifetimeSeconds ?? Infinity)
    const protocol = view.getUint8(36) === 17 ? 'udp' : 'tcp'
    const asked = {
      protocol,
      internalAddress: client,
      internalPort: view.getUint16(40),
      externalPort: view.getUint16(42),
      lifetimeMs: lifetimeSeconds * 1_000,
      owner: Buffer.from(request.subarray(24, 36)).toString('hex'),
    } as const
    const { result = 0 } = this.options
    if (result !== 0) return this.#pcpMap(request, result, 30, asked.externalPort, '0.0.0.0')
    if (lifetimeSeconds === 0) {
      if (this.options.keepsMappings) return this.#pcpMap(request, 2, 30, asked.externalPort, '0.0.0.0')
      this.#mappings.remove(asked)
      return this.#pcpMap(request, 0, 0, asked.externalPort, this.#external)
    }
    const made = this.#mappings.add(asked)
    if (typeof made === 'string')
      return this.#pcpMap(request, made === 'not-owner' ? 2 : 8, 30, asked.externalPort, '0.0.0.0')
    const external = client.includes(':') ? client : this.#external
    return this.#pcpMap(request, 0, lifetimeSeconds, made.externalPort, external)
  }

  #pcpMap(request: Uint8Array, result: number, lifetimeSeconds: number, port: number, address: string): Uint8Array {
    const answer = this.#pcpHeader(1, result, lifetimeSeconds, 60)
    answer.set(request.subarray(24, 42), 24)
    new DataView(answer.buffer).setUint16(42, port)
    answer.set(bytesOf(address), 44)
    return answer
  }

  #natPmpAddress(): Uint8Array {
    const answer = new Uint8Array(12)
    const view = new DataView(answer.buffer)
    view.setUint8(1, 128)
    view.setUint32(4, this.#epochSeconds)
    answer.set(bytesOf(this.#external).subarray(12), 8)
    return answer
  }

  #answerNatPmp(request: Uint8Array, internalAddress: string): Uint8Array {
    const view = new DataView(request.buffer, request.byteOffset, request.length)
    const opcode = view.getUint8(1)
    if (opcode === 0) return this.#natPmpAddress()
    const protocol = opcode === 1 ? 'udp' : 'tcp'
    const internalPort = view.getUint16(4)
    const lifetimeSeconds = Math.min(view.getUint32(8), this.options.maxLifetimeSeconds ?? Infinity)
    const asked = {
      protocol,
      internalAddress,
      internalPort,
      externalPort: view.getUint16(6),
      owner: 'nat-pmp',
    } as const
    const answer = new Uint8Array(16)
    const out = new DataView(answer.buffer)
    out.setUint8(1, 128 + opcode)
    out.setUint16(2, this.options.result ?? 0)
    out.setUint32(4, this.#epochSeconds)
    out.setUint16(8, internalPort)
    if (lifetimeSeconds === 0) this.#mappings.remove(asked)
    if (lifetimeSeconds === 0 || this.options.result) return answer
    const made = this.#mappings.add({ ...asked, lifetimeMs: lifetimeSeconds * 1_000 })
    if (typeof made === 'string') out.setUint16(2, 4)
    else out.setUint16(10, made.externalPort)
    out.setUint32(12, lifetimeSeconds)
    return answer
  }
}

function bytesOf(address: string): Uint8Array {
  const { family, bits } = parseIpAddress(address)!
  const whole = family === 'ipv4' ? 0xffff_0000_0000n | bits : bits
  return Uint8Array.from({ length: 16 }, (_, at) => Number((whole >> BigInt(8 * (15 - at))) & 0xffn))
}

function textOf(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[2 * at]! << 8) | bytes[2 * at + 1]!).toString(16))
  return parseIpAddress(groups.join(':'))!.text
}
