import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_MQTT_PACKET_BYTES } from '../../limits.ts'
import { PacketMeter } from './packet-meter.ts'

const refused = expect.objectContaining({ code: 'protocol-violation' })

function packet(length: number): number[] {
  const head = [0x30]
  let rest = length
  do {
    head.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest >>= 7
  } while (rest > 0)
  return [...head, ...new Array(length).fill(0xff)]
}

test('counts the packets that begin, however they are cut', () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 10 })
  fc.assert(
    fc.property(lengths, fc.infiniteStream(fc.integer({ min: 1, max: 200 })), (sizes, cuts) => {
      const bytes = Uint8Array.from(sizes.flatMap(packet))
      const meter = new PacketMeter()
      let begun = 0
      for (let at = 0; at < bytes.length; ) {
        const { value: cut } = cuts.next()
        begun += meter.read(bytes.subarray(at, at + cut))
        at += cut
      }
      expect(begun).toBe(sizes.length)
    }),
  )
})

test('takes a packet of the longest length and refuses the next longer, at its header', () => {
  const longest = Uint8Array.from(packet(MAX_MQTT_PACKET_BYTES))
  expect(new PacketMeter().read(longest)).toBe(1)
  const longer = packet(MAX_MQTT_PACKET_BYTES + 1).slice(0, 3)
  expect(() => new PacketMeter().read(Uint8Array.from(longer))).toThrow(refused)
  expect(() => new PacketMeter().read(Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 0))).toThrow(refused)
})

test('any bytes are counted or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
      try {
        expect(new PacketMeter().read(bytes)).toBeLessThanOrEqual(bytes.length)
      } catch (error) {
        expect(error).toEqual(refused)
      }
    }),
  )
})
