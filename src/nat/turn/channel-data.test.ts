import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { EarshotError } from '../../errors.ts'
import { decodeChannelData, encodeChannelData, looksLikeChannelData } from './channel-data.ts'

const channelData = fc.record({
  channel: fc.integer({ min: 0x4000, max: 0x4fff }),
  data: fc.uint8Array({ maxLength: 100 }),
})

test('comes back as it was sent, padded or not', () => {
  fc.assert(
    fc.property(channelData, fc.boolean(), (message, isPadded) => {
      const bytes = encodeChannelData(message, isPadded)
      expect(decodeChannelData(bytes)).toEqual(message)
      expect(looksLikeChannelData(bytes)).toBe(true)
      if (isPadded) expect(bytes.length % 4).toBe(0)
      else expect(bytes.length).toBe(4 + message.data.length)
    }),
  )
})

test('that is cut off anywhere is refused', () => {
  fc.assert(
    fc.property(channelData, message => {
      const bytes = encodeChannelData(message, false)
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decodeChannelData(bytes.subarray(0, length))).toThrow(
          expect.objectContaining({ code: 'protocol-violation' }),
        )
      }
    }),
  )
})

test('of any bytes is read or refused', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 50 }),
    fc.uint8Array({ maxLength: 50 }).map(rest => Uint8Array.of(0x40, 7, 0, ...rest)),
  )
  fc.assert(
    fc.property(bytes, candidate => {
      try {
        decodeChannelData(candidate)
      } catch (error) {
        expect((error as EarshotError).code).toBe('protocol-violation')
      }
    }),
  )
})

test.each([
  ['a number that is no channel', Uint8Array.of(0x50, 0, 0, 0)],
  ['more than padding behind it', Uint8Array.of(0x40, 0, 0, 0, 0, 0, 0, 0)],
])('%s is refused', (_, bytes) => {
  expect(() => decodeChannelData(bytes)).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
})
