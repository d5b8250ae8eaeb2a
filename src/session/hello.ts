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

export interface Hello {
  /** Random for each run of a room: tells a restarted peer from one whose connection broke. */
  readonly instance: Uint8Array
  /** The sender has a session with the receiver already. */
  readonly hasSession: boolean
  /** The TCP port the sender listens on, 0 for none. */
  readonly port: number
  readonly name: string
  /** JSON text, or empty for none. */
  readonly info: string
  /** JSON text, or empty for none. */
  readonly hello: string
}

const HAS_SESSION = 0x01

export function encodeHello(hello: Hello): Uint8Array {
  const content = new ByteWriter(128 + hello.hello.length)
    .append(hello.instance)
    .uint8(hello.hasSession ? HAS_SESSION : 0)
    .varint(hello.port)
    .prefixedUtf8(hello.name)
    .prefixedUtf8(hello.info)
    .prefixedUtf8(hello.hello)
    .finish()
  return new ByteWriter(content.length + 8).uint8(Frame.hello).prefixed(content).finish()
}

/** Reads what follows the type byte. */
export function decodeHello(outer: ByteReader): Hello {
  const reader = new ByteReader(outer.view(outer.varint('hello length'), 'hello'))
  const instance = reader.view(INSTANCE_BYTES, 'instance').slice()
  const flags = reader.uint8('hello flags')
  const port = reader.varint('port')
  if (port > 65_535) throw protocolViolation(`the hello names port ${port}`)
  const name = boundedUtf8(reader, MAX_NAME_BYTES, 'name')
  if (name === '') throw protocolViolation('the hello has an empty name')
  return {
    instance,
    hasSession: (flags & HAS_SESSION) !== 0,
    port,
    name,
    info: boundedUtf8(reader, MAX_INFO_BYTES, 'info'),
    hello: boundedUtf8(reader, MAX_HELLO_BYTES, 'hello'),
  }
}
