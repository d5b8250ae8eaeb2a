/** A simulated LAN with peers of peerpy on it, and with programs that say what a test tells them to. */

import { expect } from 'vitest'
import { PeerpyPeer, type PeerpyPeerOptions } from '../../src/compat/peerpy.ts'
import type { EarshotError } from '../../src/errors.ts'
import type { SocketAddress, TcpConnection } from '../../src/platform/network.ts'
import {
  type SimulatedHost,
  type SimulatedNetwork,
  type SimulationOptions,
  simulate,
  type TracedPacket,
} from '../../src/testing/index.ts'

/** Plays a scenario in virtual time; afterwards every peer is closed, and nothing of theirs may be left open. */
export async function onPeerpyStage(
  play: (stage: PeerpyStage) => Promise<void>,
  options: SimulationOptions = {},
): Promise<void> {
  const stage = new PeerpyStage(options)
  await stage.net.run(() => play(stage))
  await stage.net.run(() => stage.closePeers())
  await stage.net.advance(3_000)
  expect(stage.leftOpen()).toEqual([])
}

export class PeerpyStage {
  readonly net: SimulatedNetwork
  /** Every packet so far. */
  readonly packets: TracedPacket[] = []
  readonly #hosts = new Map<string, SimulatedHost>()
  readonly #peers = new Map<string, PeerpyPeer>()
  #count = 0

  constructor(options: SimulationOptions = {}) {
    this.net = simulate(options)
    this.net.lan('home')
    this.net.trace(packet => this.packets.push(packet))
  }

  /** The host of that name; those of transcripts have the addresses from there. */
  host(name: string): SimulatedHost {
    const known = this.#hosts.get(name)
    if (known) return known
    const host = this.net.host(name, { lans: [{ lan: 'home', addresses: [`10.77.0.${++this.#count}/24`] }] })
    this.#hosts.set(name, host)
    return host
  }

  /** Our peer on the host of that name. */
  async listen(name: string, options: Omit<PeerpyPeerOptions, 'network'> = {}): Promise<PeerpyPeer> {
    const peer = await PeerpyPeer.listen({ network: this.host(name).network, port: 51_000, ...options })
    this.#peers.set(name, peer)
    return peer
  }

  /** A connection that says what it is told, from a host of nobody's peer. */
  async dial(name: string, to: string): Promise<Scripted> {
    const [address = '', port] = to.split(':')
    const { network } = this.host(name).network
    return new Scripted(await network.connectTcp({ address, port: Number(port) }, { timeoutMs: 1_000 }))
  }

  /** Listens as a program would that says what it is told: the first who calls. */
  async accept(name: string, port: number): Promise<{ readonly address: string; readonly called: Promise<Scripted> }> {
    let answer: (scripted: Scripted) => void = () => {}
    const called = new Promise<Scripted>(resolve => {
      answer = resolve
    })
    const { network } = this.host(name).network
    await network.listenTcp({ host: '0.0.0.0', port }, tcp => answer(new Scripted(tcp)))
    return { address: `${this.host(name).addresses[0]}:${port}`, called }
  }

  /** What a host has sent in TCP segments with content. */
  segmentsFrom(name: string): readonly Uint8Array[] {
    return this.packets
      .filter(({ host, protocol, bytes }) => host === name && protocol === 'tcp' && bytes.length > 0)
      .map(({ bytes }) => bytes)
  }

  flagsFrom(name: string): readonly string[] {
    return this.packets.flatMap(({ host, flags }) => (host === name && flags !== undefined ? [flags] : []))
  }

  async until(isSo: () => boolean, withinMs = 10_000): Promise<void> {
    const startedAt = this.net.now
    while (!isSo()) {
      if (this.net.now - startedAt >= withinMs) expect.fail(`not so within ${withinMs} ms: ${isSo}`)
      await this.net.advance(1)
    }
  }

  async closePeers(): Promise<void> {
    await Promise.all([...this.#peers.values()].map(peer => peer.close()))
  }

  /** On the hosts of our peers. */
  leftOpen(): string[] {
    const ours = this.net.open().filter(({ host }) => this.#peers.has(host))
    return ours.map(({ host, kind, detail }) => `${host}: ${kind} ${detail}`)
  }
}

export class Scripted {
  readonly tcp: TcpConnection
  readonly received: Uint8Array[] = []
  /** 'end' for FIN, then 'closed', or the code of what went wrong. */
  readonly ends: string[] = []

  constructor(tcp: TcpConnection) {
    this.tcp = tcp
    tcp.start({
      onData: bytes => this.received.push(bytes),
      onDrain() {},
      onEnd: () => this.ends.push('end'),
      onClose: error => this.ends.push(error?.code ?? 'closed'),
    })
  }

  get remote(): SocketAddress {
    return this.tcp.remote
  }

  say(...parts: readonly (string | Uint8Array)[]): void {
    this.tcp.write(Buffer.concat(parts.map(part => (typeof part === 'string' ? header(part) : part))))
  }

  get text(): string {
    return Buffer.concat(this.received).toString('latin1')
  }
}

/** `HELLO|a=b`, filled up to 128 bytes. */
export function header(text: string): Uint8Array {
  return new TextEncoder().encode(text.padEnd(128, '|'))
}

export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** What happens at a peer, a line each. */
export function logOf(peer: PeerpyPeer): string[] {
  const log: string[] = []
  peer.on('listen', ({ address }) => log.push(`listen ${address}`))
  peer.on('offer', ({ id, dataType, strict, isStream }) =>
    log.push(`offer ${id} ${dataType}${strict ? ' strict' : ''}${isStream ? ' stream' : ''}`),
  )
  peer.on('connection', ({ id, dataType }) => log.push(`connection ${id} ${dataType}`))
  peer.on('data', ({ data, from }) => log.push(`data ${from.id} ${show(data)}`))
  peer.on('close', ({ connection, error }) => log.push(`close ${connection.id} ${error?.code ?? 'orderly'}`))
  peer.on('stop', ({ address }) => log.push(`stop ${address}`))
  peer.on('warning', ({ code, message }) => log.push(`warning ${code}: ${message}`))
  return log
}

/** What a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<EarshotError> {
  const outcome = await promise.then(
    value => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('value' in outcome) expect.fail(`did not reject, but gave ${String(outcome.value)}`)
  return outcome.error as EarshotError
}

/** All that a sequence yields. */
export async function all<T>(sequence: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of sequence) items.push(item)
  return items
}

function show(data: unknown): string {
  return data instanceof Uint8Array ? Buffer.from(data).toString('hex') : JSON.stringify(data)
}
