import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EarshotError } from '../../errors.ts'
import { encodeStunMessage, METHOD } from './message.ts'
import { StreamFrames } from './stream-frames.ts'

const transactionId = new Uint8Array(12)
const stun = fc
  .record({ type: fc.constant(0x8022), value: fc.uint8Array({ maxLength: 60 }) })
  .map(attribute =>
    encodeStunMessage({ class: 'indication', method: METHOD.data, transactionId, attributes: [attribute] }),
  )
const channelData = fc.uint8Array({ maxLength: 50 }).map(data => Uint8Array.of(0x40, 1, 0, data.length, ...data))
const frames = fc.array(fc.oneof(stun, channelData), { maxLength: 8 })

/** ChannelData is padded in streams. */
function streamOf(messages: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(messages.flatMap(message => [...message, ...new Array(-message.length & 3).fill(0)]))
}

/** What comes out when the stream arrives in pieces of these lengths, the last one being the rest. */
function read(stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const found: Uint8Array[] = []
  const reader = new StreamFrames(frame => found.push(frame.slice()))
  let at = 0
  for (const length of [...cuts, stream.length]) {
    reader.push(stream.slice(at, at + length))
    at += length
  }
  return found
}

describe('a stream', () => {
  test('gives its messages whole, however it is cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(30), { maxLength: 20 }), (messages, cuts) => {
        expect(read(streamOf(messages), cuts)).toEqual(messages)
      }),
    )
  })

  test('that is cut off gives only what is complete', () => {
    fc.assert(
      fc.property(frames, fc.nat(500), (messages, length) => {
        const stream = streamOf(messages)
        expect(read(stream.subarray(0, length), [])).toEqual(
          messages.filter((_, i) => streamOf(messages.slice(0, i + 1)).length <= length),
        )
      }),
    )
  })

  test('of any bytes is read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(30), { maxLength: 5 }), (bytes, cuts) => {
        try {
          read(bytes, cuts)
        } catch (error) {
          expect((error as EarshotError).code).toBe('protocol-violation')
        }
      }),
    )
  })

  test.each([
    ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['zeros', '\0'.repeat(20)],
  ])('of %s is refused at once', (_, text) => {
    expect(() => read(new TextEncoder().encode(text), [])).toThrow(
      expect.objectContaining({ code: 'protocol-violation' }),
    )
  })
})
