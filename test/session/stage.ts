/**
 * Two peers with a real handshake over a simulated TCP connection, in virtual time. Either end can be a session, or a
 * `RawPeer`, which speaks the record layer and above it says whatever a test wants.
 */

import type { EarshotError } from '../../src/errors.ts'
import { Identity } from '../../src/identity/identity.ts'
import type { Clock } from '../../src/platform/clock.ts'
import type { TcpConnection } from '../../src/platform/network.ts'
import type { Pool, StreamFrame } from '../../src/session/frame.ts'
import { InitiatorHandshake, ResponderHandshake } from '../../src/session/handshake.ts'
import { HandshakeParty } from '../../src/session/handshake-party.ts'
import type { Path } from '../../src/session/path.ts'
import { ReassemblyBudget } from '../../src/session/reassembly.ts'
import { type RecordReceiver, SecureConnection } from '../../src/session/secure-connection.ts'
import { Session, type SessionConnection, type SessionEnd, type SessionHandlers } from '../../src/session/session.ts'
import {
  type OpenResource,
  type Segmentation,
  type SimulatedHost,
  type SimulatedNetwork,
  simulate,
} from '../../src/testing/index.ts'
import { type ReadFrame, readFrames } from './read-frames.ts'

const PORT = 4_112

export interface StageOptions {
  readonly seed?: number
  readonly segmentation?: Segmentation
  /** One way, in milliseconds. @default 0.2 */
  readonly delayMs?: number
}

/** One end of the connection. */
export interface End {
  readonly host: SimulatedHost
  readonly clock: Clock
  readonly tcp: TcpConnection
  readonly connection: SecureConnection
}

export class Stage {
  readonly net: SimulatedNetwork
  /** The initiator and the responder. */
  readonly ada: End
  readonly bob: End

  constructor(net: SimulatedNetwork, ada: End, bob: End) {
    this.net = net
    this.ada = ada
    this.bob = bob
  }

  /** What one of them has open, apart from the listener. */
  open(end: End): readonly OpenResource[] {
    return end.host.open().filter(({ kind }) => kind !== 'tcp listener')
  }
}

export function handshakeParty(host: SimulatedHost): HandshakeParty {
  const { random } = host.network
  return new HandshakeParty({ identity: new Identity(random.bytes(32)), service: 'chat', random })
}

/** Two TCP ends that have said nothing yet. */
export async function connectTcp(
  net: SimulatedNetwork,
  from: SimulatedHost,
  to: SimulatedHost,
): Promise<[TcpConnection, TcpConnection]> {
  return net.run(async () => {
    const accepted = new Promise<TcpConnection>(resolve => {
      void to.network.network.listenTcp({ host: '::', port: PORT }, resolve)
    })
    const remote = { address: to.addresses[0]!, port: PORT }
    const dialled = await from.network.network.connectTcp(remote, { timeoutMs: 5_000 })
    return [dialled, await accepted]
  })
}

export async function stage({ seed = 1, segmentation = 'random', delayMs = 0.2 }: StageOptions = {}): Promise<Stage> {
  const net = simulate({ seed, segmentation })
  net.lan('home', { delayMs })
  const [ada, bob] = [net.host('ada', { lans: ['home'] }), net.host('bob', { lans: ['home'] })]
  const parties = [handshakeParty(ada), handshakeParty(bob)] as const
  const ends = await net.run(() => shakeHands([ada, bob], parties))
  return new Stage(net, ends.ada, ends.bob)
}

/** One more connection between the same two hosts, with a handshake of its own. */
export async function reconnect({
  net,
  ada,
  bob,
}: Pick<Stage, 'net' | 'ada' | 'bob'>): Promise<{ ada: End; bob: End }> {
  const parties = [handshakeParty(ada.host), handshakeParty(bob.host)] as const
  return net.run(() => shakeHands([ada.host, bob.host], parties))
}

async function shakeHands(
  [ada, bob]: readonly [SimulatedHost, SimulatedHost],
  parties: readonly [HandshakeParty, HandshakeParty],
): Promise<{ ada: End; bob: End }> {
  let close = ignore
  const accepted = new Promise<End>(resolve => {
    const accept = (tcp: TcpConnection) => {
      const end = endOf(bob, tcp)
      void end.connection.open(new ResponderHandshake(parties[1])).then(() => resolve(end))
    }
    void bob.network.network.listenTcp({ host: '::', port: PORT }, accept).then(listener => {
      close = () => void listener.close()
    })
  })
  const remote = { address: bob.addresses[0]!, port: PORT }
  const tcp = await ada.network.network.connectTcp(remote, { timeoutMs: 5_000 })
  const end = endOf(ada, tcp)
  const handshake = new InitiatorHandshake(parties[0])
  await end.connection.open(handshake, handshake.start())
  const both = { ada: end, bob: await accepted }
  close()
  return both
}

function ignore(): void {}

function endOf(host: SimulatedHost, tcp: TcpConnection): End {
  const { clock } = host.network
  return { host, clock, tcp, connection: new SecureConnection(tcp, clock) }
}

/** The connection of one end, for its session: that of bob decides which of two like connections stays. */
export function asPath({ connection, host }: End, rank = 0): SessionConnection {
  return { connection, rank, isInitiator: host.name === 'ada', networks: undefined, decides: host.name === 'bob' }
}

export interface ReceivedPayload {
  readonly type: number
  readonly a: number
  readonly b: number
  readonly body: Uint8Array
  readonly length: number
}

/** A session whose handlers write down what they are told, with a tick every second as a room gives it. */
export class RecordingSession implements SessionHandlers {
  readonly session: Session
  readonly payloads: ReceivedPayload[] = []
  readonly receipts: [number: number, outcome: number][] = []
  readonly cancels: number[] = []
  readonly pulls: [question: number, count: number][] = []
  readonly infos: string[] = []
  readonly streamFrames: StreamFrame[] = []
  readonly presences: [presence: string, at: number][] = []
  readonly paths: Path[] = []
  readonly ends: SessionEnd[] = []
  readonly closed: Promise<SessionEnd>
  /** What is held of each payload frame that arrives, as an application does that does not read. */
  holds: { readonly pool: Pool } | undefined
  readonly #clock: Clock
  #resolveClosed!: (end: SessionEnd) => void

  constructor(end: End, budget: ReassemblyBudget = new ReassemblyBudget()) {
    this.#clock = end.clock
    this.closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    this.session = new Session(asPath(end), end.clock, budget, this)
    this.session.start()
    this.#tickInASecond()
  }

  get end(): SessionEnd | undefined {
    return this.ends[0]
  }

  onPayload(type: number, a: number, b: number, body: Uint8Array, length: number): void {
    this.payloads.push({ type, a, b, body, length })
    if (this.holds) this.session.hold(this.holds.pool, length)
  }

  onReceipt(number: number, outcome: number): void {
    this.receipts.push([number, outcome])
  }

  onCancel(question: number): void {
    this.cancels.push(question)
  }

  onPull(question: number, count: number): void {
    this.pulls.push([question, count])
  }

  onStreamFrame(frame: StreamFrame): void {
    this.streamFrames.push(frame)
  }

  onWritable(): void {}

  onPresence(presence: string): void {
    this.presences.push([presence, this.#clock.now()])
  }

  onPath(): void {
    this.paths.push(this.session.path)
  }

  onSpare(): void {}

  onInfo(info: string): void {
    this.infos.push(info)
  }

  onClosed(end: SessionEnd): void {
    this.ends.push(end)
    this.#resolveClosed(end)
  }

  #tickInASecond(): void {
    this.#clock.setTimer(1_000, () => {
      if (this.end) return
      this.session.tick(this.#clock.now())
      this.#tickInASecond()
    })
  }
}

/** A peer that sends what it is told, and writes down every frame that it gets. */
export class RawPeer implements RecordReceiver {
  readonly frames: ReadFrame[] = []
  readonly closes: (EarshotError | undefined)[] = []
  readonly #connection: SecureConnection

  constructor({ connection }: End) {
    this.#connection = connection
    connection.receive(this)
  }

  /** Sends one record. */
  send(...parts: readonly (Uint8Array | readonly number[])[]): void {
    this.#connection.sendRecord(Uint8Array.from(parts.flatMap(part => [...part])))
  }

  of<Kind extends ReadFrame['kind']>(kind: Kind): Extract<ReadFrame, { kind: Kind }>[] {
    return this.frames.filter((frame): frame is Extract<ReadFrame, { kind: Kind }> => frame.kind === kind)
  }

  onRecord(plaintext: Uint8Array): void {
    this.frames.push(...readFrames(plaintext))
  }

  onWritable(): void {}

  onClosed(error: EarshotError | undefined): void {
    this.closes.push(error)
  }
}

/** How a promise ended; pending ones are `undefined` after every promise that is due has settled. */
export async function outcome(promise: Promise<unknown> | undefined): Promise<unknown> {
  let ended: unknown
  promise?.then(
    () => {
      ended = 'done'
    },
    error => {
      ended = error
    },
  )
  for (let i = 0; i < 10; i++) await Promise.resolve()
  return ended
}
