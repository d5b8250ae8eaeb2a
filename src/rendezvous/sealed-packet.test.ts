import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { montgomeryPublicKey } from '../crypto/montgomery.ts'
import { Identity } from '../identity/identity.ts'
import type { Random } from '../platform/random.ts'
import { SeededRandom } from '../testing/index.ts'
import { deriveRoomKey, groupKeyPair, packetSalt } from './room-key.ts'
import { NO_SECRET, type Opener, openPacket, PACKET_SIZES, type PacketContext, sealPacket } from './sealed-packet.ts'
import { decodeSignal, encodeSignal, type SignalKind } from './signal.ts'
import { formatTopic, groupTopic, personalTopic } from './topic.ts'

interface Vectors {
  readonly roomKeys: readonly { secret: string; service: string; roomKey: string; groupKey: string; salt: string }[]
  readonly packets: readonly {
    readonly senderSeed: string
    readonly receiverSeed: string
    readonly roomKey: string | null
    readonly service: string
    readonly epoch: number
    readonly to: 'receiver' | 'group'
    readonly topic: string
    readonly time: number
    readonly number: string
    readonly kind: SignalKind
    readonly body: string
    readonly ephemeralPrivateKey: string
    readonly signal: string
    readonly packet: string
  }[]
}

const file = new URL('../../test/vectors/rendezvous-v1.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const refused = expect.objectContaining({ code: 'protocol-violation' })

const receiver = new Identity(new Uint8Array(32).fill(1))
const context: PacketContext = {
  topic: new Uint8Array(20).fill(7),
  receiverKey: montgomeryPublicKey(receiver.publicKey),
  salt: NO_SECRET,
}

function seal(content: Uint8Array, changes: Partial<PacketContext> = {}): Uint8Array {
  return sealPacket(content, { ...context, ...changes }, new SeededRandom(3))
}

describe('version 1 on the wire (test/vectors/rendezvous-v1.json)', () => {
  test.each(vectors.packets)('$kind to the $to, of $service on day $epoch', vector => {
    const sender = new Identity(hex(vector.senderSeed))
    const identity = new Identity(hex(vector.receiverSeed))
    const roomKey = vector.roomKey === null ? undefined : hex(vector.roomKey)
    const { service, epoch } = vector
    const isGroup = vector.to === 'group'
    const group = roomKey && groupKeyPair(roomKey)
    const opener: Opener = isGroup ? group! : identity
    const topic = isGroup
      ? groupTopic({ roomKey: roomKey!, service, epoch })
      : personalTopic({ roomKey, service, epoch }, identity.publicKey)
    expect(formatTopic(topic)).toBe(vector.topic)

    const receiverKey = isGroup ? group!.publicKey : montgomeryPublicKey(identity.publicKey)
    const bound = { topic, receiverKey, salt: roomKey ? packetSalt(roomKey) : NO_SECRET }
    const { time, kind } = vector
    const signal = encodeSignal({ time, number: hex(vector.number), kind, body: hex(vector.body) }, bound, sender)
    expect(text(signal)).toBe(vector.signal)
    const ephemeral: Random = { bytes: () => hex(vector.ephemeralPrivateKey), fraction: () => 0 }
    expect(text(sealPacket(signal, bound, ephemeral))).toBe(vector.packet)

    const read = decodeSignal(openPacket(hex(vector.packet), bound, opener))
    expect(read.isAuthentic(bound)).toBe(true)
    expect(read).toMatchObject({ time, kind })
    expect(text(read.sender)).toBe(text(sender.publicKey))
    expect(text(read.number)).toBe(vector.number)
    expect(text(read.body)).toBe(vector.body)
  })

  test.each(vectors.roomKeys)('the keys of the secret $secret in $service', async vector => {
    const roomKey = await deriveRoomKey(vector.secret, vector.service)
    expect(text(roomKey)).toBe(vector.roomKey)
    expect(text(groupKeyPair(roomKey).publicKey)).toBe(vector.groupKey)
    expect(text(packetSalt(roomKey))).toBe(vector.salt)
  })
})

test('a packet has one of three sizes, whatever is in it', () => {
  const sizes = [0, 1, 207, 208, 975, 976, 4_047].map(length => seal(new Uint8Array(length)).length)
  expect(sizes).toEqual([256, 256, 256, 1_024, 1_024, 4_096, 4_096])
  expect(() => seal(new Uint8Array(4_048))).toThrow(RangeError)
})

test('no two packets of the same content have anything in common but the version', () => {
  const random = new SeededRandom(1)
  const [a, b] = [0, 1].map(() => sealPacket(new Uint8Array(100), context, random))
  const same = a!.filter((byte, at) => byte === b![at]).length
  expect(same).toBeLessThan(12)
})

test('what was sealed opens to the content and zeros, for any content', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4_047 }), content => {
      const opened = openPacket(seal(content), context, receiver)
      expect(text(opened.subarray(0, content.length))).toBe(text(content))
      expect(opened.subarray(content.length).every(byte => byte === 0)).toBe(true)
    }),
    { numRuns: 30 },
  )
})

test('a packet changed in any byte, or cut, is refused', () => {
  const packet = seal(Uint8Array.of(1, 2, 3))
  for (let at = 0; at < packet.length; at++) {
    // The highest bit of the ephemeral key is not part of it (RFC 7748 section 5), but it is authenticated.
    const changed = packet.map((byte, i) => (i === at ? byte ^ 0x80 : byte))
    expect(() => openPacket(changed, context, receiver)).toThrow(refused)
    expect(() => openPacket(packet.subarray(0, at), context, receiver)).toThrow(refused)
  }
})

test.each<[string, Partial<PacketContext>, Identity]>([
  ['another topic', { topic: new Uint8Array(20).fill(8) }, receiver],
  ['another secret', { salt: new Uint8Array(32).fill(1) }, receiver],
  ['another receiver', {}, new Identity(new Uint8Array(32).fill(2))],
])('a packet for %s does not open', (_, changes, opener) => {
  expect(() => openPacket(seal(new Uint8Array(5)), { ...context, ...changes }, opener)).toThrow(refused)
})

test('any bytes are refused with protocol-violation, also those of the right size and with keys of low order', () => {
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(...PACKET_SIZES).chain(size => fc.uint8Array({ minLength: size, maxLength: size })),
    fc.constantFrom(...PACKET_SIZES).map(size => Uint8Array.from({ length: size }, (_, at) => (at === 0 ? 1 : 0))),
  )
  fc.assert(
    fc.property(any, bytes => {
      expect(() => openPacket(bytes, context, receiver)).toThrow(refused)
    }),
    { numRuns: 60 },
  )
})

test('nothing is sealed to a key of low order', () => {
  expect(() => seal(new Uint8Array(5), { receiverKey: new Uint8Array(32) })).toThrow(refused)
})
