import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { formatPeerId } from '../../identity/peer-id.ts'
import { MAX_RENDEZVOUS_PACKET_BYTES } from '../../limits.ts'
import { decodeValue, encodeValue } from '../../messaging/value.ts'
import { formatTopic, TOPIC_BYTES } from '../../rendezvous/topic.ts'
import { readId, readLetter } from './words.ts'

const topics = fc.uint8Array({ minLength: TOPIC_BYTES, maxLength: TOPIC_BYTES }).map(formatTopic)
const packets = fc.uint8Array({ maxLength: MAX_RENDEZVOUS_PACKET_BYTES })
const ids = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(formatPeerId)
/** Anything, and what nearly is one. */
const values = fc.oneof(
  fc.anything(),
  fc.record({ topic: fc.oneof(topics, fc.string()), packet: fc.oneof(packets, fc.anything()) }),
  fc.record({ to: fc.oneof(ids, fc.string()), from: fc.anything() }),
)

/** As a peer gets it. */
function overTheWire(value: unknown): unknown {
  const { kind, bytes } = encodeValue(value)
  return decodeValue(kind, bytes)
}

test('a letter is read as it was written', () => {
  fc.assert(
    fc.property(topics, packets, (topic, packet) => {
      const read = readLetter(overTheWire({ topic, packet, more: 'of a later version' }))
      expect(read.topic).toBe(topic)
      expect([...read.packet]).toEqual([...packet])
    }),
  )
})

test('an id is read as it was written', () => {
  fc.assert(
    fc.property(ids, id => {
      expect(readId(overTheWire({ to: id }), 'to')).toBe(id)
    }),
  )
})

test('whatever else comes is a letter or an id after all, or is refused', () => {
  const read = [
    readLetter,
    (value: unknown) => readId(value, 'to'),
    (value: unknown) => readId(value, 'from'),
    (value: unknown) => readId(value, 'id'),
  ]
  fc.assert(
    fc.property(values, fc.constantFrom(...read), (value, reader) => {
      try {
        reader(value)
      } catch (error) {
        expect(error).toBeInstanceOf(EarshotError)
        expect(error).toMatchObject({ code: 'invalid-data' })
      }
    }),
    { numRuns: 1_000 },
  )
})

test.each([
  ['no topic', { packet: new Uint8Array(256) }],
  ['a topic of others', { topic: 'home/lamp', packet: new Uint8Array(256) }],
  ['a wildcard', { topic: 'earshot/v1/+', packet: new Uint8Array(256) }],
  ['a text as the packet', { topic: formatTopic(new Uint8Array(20)), packet: 'hello' }],
  ['a packet that is too long', { topic: formatTopic(new Uint8Array(20)), packet: new Uint8Array(4_097) }],
  ['nothing', undefined],
])('a letter with %s is refused', (_, letter) => {
  expect(() => readLetter(letter)).toThrow('a letter is malformed')
})

test.each([[{}], [{ to: 7 }], [{ to: 'bob' }], [undefined], ['bob']])('%j leads to nobody', header => {
  expect(() => readId(header, 'to')).toThrow('the id of a peer is malformed')
})
