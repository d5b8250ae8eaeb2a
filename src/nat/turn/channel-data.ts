/** ChannelData (RFC 8656 section 12.4): a datagram to or from the peer that a channel number stands for, with 4 bytes before it. */

import { protocolViolation } from '../../errors.ts'
import { ByteReader } from '../../wire/byte-reader.ts'

export interface ChannelData {
  readonly channel: number
  readonly data: Uint8Array
}

/** RFC 8656 section 12. */
export const FIRST_CHANNEL = 0x4000
export const LAST_CHANNEL = 0x4fff

const HEADER_BYTES = 4

/** `isPadded`: to a multiple of 4 bytes, as streams need it. */
export function encodeChannelData({ channel, data }: ChannelData, isPadded: boolean): Uint8Array {
  const length = HEADER_BYTES + data.length
  const bytes = new Uint8Array(isPadded ? (length + 3) & ~3 : length)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, channel)
  view.setUint16(2, data.length)
  bytes.set(data, HEADER_BYTES)
  return bytes
}

/** Datagrams may be padded as well. Throws `protocol-violation`. */
export function decodeChannelData(bytes: Uint8Array): ChannelData {
  const reader = new ByteReader(bytes)
  const channel = reader.uint16('channel number')
  if (!isChannel(channel)) throw protocolViolation(`0x${channel.toString(16)} is no channel number`)
  const data = reader.view(reader.uint16('length'), 'data')
  if (reader.remaining > 3) throw protocolViolation(`${reader.remaining} bytes stand behind the data of a channel`)
  return { channel, data }
}

export function looksLikeChannelData(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER_BYTES && isChannel((bytes[0]! << 8) | bytes[1]!)
}

function isChannel(number: number): boolean {
  return number >= FIRST_CHANNEL && number <= LAST_CHANNEL
}
