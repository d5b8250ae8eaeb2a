/**
 * The first frame each side sends (docs/protocol.md, "Hello"): what a peer says about itself, now encrypted and signed
 * for. Bytes behind the last field are ignored, so that later versions can say more.
 */

import { protocolViolation } from '../errors.ts'
import { MAX_HELLO_BYTES, MAX_INFO_BYTES, MAX_NAME_BYTES } from '../limits.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { boundedUtf8, Frame } from './frame.ts'

export const INSTANCE_BYTES = 8

/** Sessions are named by the hash of the handshake that began them. */
export const SESSION_ID_BYTES = 16

export interface SessionOffer {
  readonly id: Uint8Array
  /** How many of its records the sender has. */
  readonly received: number
}

export interface Hello {
  /** Random for each run of a room: tells a restarted peer from one whose connection broke. */
  readonly instance: Uint8Array
  /** The session that the sender has with the receiver already: the connection may join it. */
  readonly session: SessionOffer | undefined
  /** The TCP port the sender listens on, 0 for none. */
  readonly port: number
  readonly name: string
  /** JSON text, or empty for none. */
  readonly info: string
  /** JSON text, or empty for none. */
  readonly hello: string
  /** The UDP port at which the sender takes datagrams, 0 for none. */
  readonly udpPort: number
  /** Which of the sender's networks the connection goes through, by a number of its own; 0 where it does not say. */
  readonly network: number
}

/** Bit 0 is not used. */
const OFFERS_SESSION = 0x02
const TELLS_NETWORK = 0x04

export function encodeHello(hello: Hello): Uint8Array {
  const { session, network } = hello
  const writer = new ByteWriter(128 + hello.hello.length)
    .append(hello.instance)
    .uint8((session ? OFFERS_SESSION : 0) | (network ? TELLS_NETWORK : 0))
    .varint(hello.port)
    .prefixedUtf8(hello.name)
    .prefixedUtf8(hello.info)
    .prefixedUtf8(hello.hello)
    .varint(hello.udpPort)
  if (session) writer.append(session.id).varint(session.received)
  if (network) writer.varint(network)
  const content = writer.finish()
  return new ByteWriter(content.length + 8).uint8(Frame.hello).prefixed(content).finish()
}

/** Reads what follows the type byte. */
export function decodeHello(outer: ByteReader): Hello {
  const reader = new ByteReader(outer.view(outer.varint('hello length'), 'hello'))
  const instance = reader.view(INSTANCE_BYTES, 'instance').slice()
  const flags = reader.uint8('hello flags')
  const port = readPort(reader, 'port')
  const name = boundedUtf8(reader, MAX_NAME_BYTES, 'name')
  if (name === '') throw protocolViolation('the hello has an empty name')
  const info = boundedUtf8(reader, MAX_INFO_BYTES, 'info')
  const hello = boundedUtf8(reader, MAX_HELLO_BYTES, 'hello')
  const udpPort = readPort(reader, 'UDP port')
  const session = flags & OFFERS_SESSION ? decodeOffer(reader) : undefined
  const network = flags & TELLS_NETWORK ? reader.varint('network') : 0
  return { instance, session, port, name, info, hello, udpPort, network }
}

function decodeOffer(reader: ByteReader): SessionOffer {
  const id = reader.view(SESSION_ID_BYTES, 'session id').slice()
  return { id, received: reader.varint('received records') }
}

function readPort(reader: ByteReader, field: string): number {
  const port = reader.varint(field)
  if (port > 65_535) throw protocolViolation(`the hello names ${field} ${port}`)
  return port
}
