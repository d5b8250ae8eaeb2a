/** One who speaks the protocol and keeps no rule of it: for scenarios of attacks. */

import { generateIdentity, type Identity } from '../../src/identity/identity.ts'
import type { SocketAddress } from '../../src/platform/network.ts'
import type { Platform } from '../../src/platform/platform.ts'
import { Frame } from '../../src/session/frame.ts'
import { InitiatorHandshake } from '../../src/session/handshake.ts'
import { HandshakeParty } from '../../src/session/handshake-party.ts'
import { encodeHello, type Hello, SESSION_ID_BYTES } from '../../src/session/hello.ts'
import { SecureConnection } from '../../src/session/secure-connection.ts'

const SILENT = { onRecord() {}, onWritable() {}, onClosed() {} }

export interface IntruderOptions {
  readonly service?: string
  readonly identity?: Identity
  readonly hello?: Partial<Hello>
}

/** Somebody who has come as far as a session, and sends whatever records it likes. */
export class Intruder {
  readonly id: string
  readonly #connection: SecureConnection
  #ended = false

  private constructor(connection: SecureConnection, id: string) {
    this.#connection = connection
    this.id = id
    connection.receive({
      ...SILENT,
      onClosed: () => {
        this.#ended = true
      },
    })
  }

  /** Shakes hands; with `hello` it asks to be admitted, too. */
  static async handshake(
    { clock, random, network }: Platform,
    to: SocketAddress,
    { service = 'chat', identity = generateIdentity(random) }: IntruderOptions = {},
  ): Promise<Intruder> {
    const party = new HandshakeParty({ identity, service, random })
    const handshake = new InitiatorHandshake(party)
    const connection = new SecureConnection(await network.connectTcp(to, { timeoutMs: 5_000 }), clock)
    await connection.open(handshake, handshake.start())
    return new Intruder(connection, identity.id)
  }

  /** Shakes hands and says hello, but keeps its `admit` back: no session yet, for as long as it likes. */
  static async knock(platform: Platform, to: SocketAddress, options: IntruderOptions = {}): Promise<Intruder> {
    const intruder = await Intruder.handshake(platform, to, options)
    const hello: Hello = {
      instance: platform.random.bytes(8),
      session: undefined,
      port: 0,
      name: 'mallory',
      info: '',
      hello: '',
      udpPort: 0,
      network: 0,
      ...options.hello,
    }
    intruder.send(encodeHello(hello))
    return intruder
  }

  /** Shakes hands and is admitted. */
  static async enter(platform: Platform, to: SocketAddress, options: IntruderOptions = {}): Promise<Intruder> {
    const intruder = await Intruder.knock(platform, to, options)
    intruder.admit()
    return intruder
  }

  /** The name of the session that this connection begins. */
  get sessionId(): Uint8Array {
    return this.#connection.handshakeHash.subarray(0, SESSION_ID_BYTES)
  }

  /** True once the other side has cut it off. */
  get isCutOff(): boolean {
    return this.#ended
  }

  /** Seals and sends one record. */
  send(plaintext: Uint8Array): void {
    this.#connection.sendRecord(plaintext)
  }

  /** What `knock` kept back. */
  admit(): void {
    this.send(Uint8Array.of(Frame.admit))
  }

  leave(): void {
    this.#connection.abort()
  }
}
