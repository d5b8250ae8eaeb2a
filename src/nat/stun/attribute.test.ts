import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EarshotError } from '../../errors.ts'
import { canonicalIp } from '../../platform/ip-address.ts'
import {
  addressAttribute,
  addressIn,
  changeRequestAttribute,
  errorCodeAttribute,
  errorCodeIn,
  textAttribute,
  textIn,
  uint32Attribute,
  uint32In,
  unknownAttributesAttribute,
  unknownAttributesIn,
  xorAddressAttribute,
  xorAddressIn,
} from './attribute.ts'
import { ATTRIBUTE } from './attribute-type.ts'
import { METHOD, type StunAttribute, type StunMessage } from './message.ts'

function messageWith(attribute: StunAttribute, transactionId = new Uint8Array(12)): StunMessage {
  return { class: 'success', method: METHOD.binding, transactionId, attributes: [attribute] }
}

const socketAddress = fc.record({ address: fc.oneof(fc.ipV4(), fc.ipV6().map(canonicalIp)), port: fc.nat(65_535) })
const transactionId = fc.uint8Array({ minLength: 12, maxLength: 12 })

test('addresses come back, plain and obscured', () => {
  fc.assert(
    fc.property(socketAddress, transactionId, (address, id) => {
      expect(addressIn(messageWith(addressAttribute(ATTRIBUTE.otherAddress, address)), ATTRIBUTE.otherAddress)).toEqual(
        address,
      )
      const obscured = messageWith(xorAddressAttribute(ATTRIBUTE.xorPeerAddress, address, id), id)
      expect(xorAddressIn(obscured, ATTRIBUTE.xorPeerAddress)).toEqual(address)
    }),
  )
})

test('errors, numbers, texts and lists of types come back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 300, max: 699 }), fc.string({ maxLength: 100 }), (code, reason) => {
      expect(errorCodeIn(messageWith(errorCodeAttribute({ code, reason })))).toEqual({ code, reason })
      expect(textIn(messageWith(textAttribute(ATTRIBUTE.nonce, reason)), ATTRIBUTE.nonce)).toBe(reason)
    }),
  )
  expect(uint32In(messageWith(uint32Attribute(ATTRIBUTE.lifetime, 0xffff_ffff)), ATTRIBUTE.lifetime)).toBe(0xffff_ffff)
  expect(unknownAttributesIn(messageWith(unknownAttributesAttribute([1, 0x7fff])))).toEqual([1, 0x7fff])
})

test('CHANGE-REQUEST has a bit for the address and one for the port (RFC 5780 section 7.2)', () => {
  expect(changeRequestAttribute({ address: true, port: true }).value).toEqual(Uint8Array.of(0, 0, 0, 6))
  expect(changeRequestAttribute({ address: false, port: true }).value).toEqual(Uint8Array.of(0, 0, 0, 2))
})

test('what is not there is undefined', () => {
  const empty = { ...messageWith(uint32Attribute(1, 1)), attributes: [] }
  expect(addressIn(empty, ATTRIBUTE.otherAddress)).toBeUndefined()
  expect(xorAddressIn(empty, ATTRIBUTE.xorMappedAddress)).toBeUndefined()
  expect(errorCodeIn(empty)).toBeUndefined()
  expect(uint32In(empty, ATTRIBUTE.lifetime)).toBeUndefined()
  expect(textIn(empty, ATTRIBUTE.nonce)).toBeUndefined()
  expect(unknownAttributesIn(empty)).toEqual([])
})

describe('any bytes as a value are read or refused', () => {
  const readers: Readonly<Record<string, (message: StunMessage, type: number) => unknown>> = {
    addressIn,
    xorAddressIn,
    uint32In,
    textIn,
    errorCodeIn: message => errorCodeIn(message),
    unknownAttributesIn: message => unknownAttributesIn(message),
  }
  test.each(Object.entries(readers))('%s', (_, read) => {
    const types = fc.constantFrom(ATTRIBUTE.errorCode, ATTRIBUTE.unknownAttributes, ATTRIBUTE.nonce)
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 1_000 }),
      fc.uint8Array({ minLength: 4, maxLength: 20 }).map(value => value.with(0, 0).with(1, 1)),
    )
    fc.assert(
      fc.property(types, bytes, (type, value) => {
        try {
          read(messageWith({ type, value }), type)
        } catch (error) {
          expect((error as EarshotError).code).toBe('protocol-violation')
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a cut-off address is refused', () => {
    for (const address of ['192.0.2.1', '2001:db8::1']) {
      const { value } = addressAttribute(ATTRIBUTE.otherAddress, { address, port: 1 })
      for (let length = 0; length < value.length; length++) {
        const cut = messageWith({ type: ATTRIBUTE.otherAddress, value: value.subarray(0, length) })
        expect(() => addressIn(cut, ATTRIBUTE.otherAddress)).toThrow(
          expect.objectContaining({ code: 'protocol-violation' }),
        )
      }
    }
  })

  test('a text that is too long is refused', () => {
    const long = messageWith(textAttribute(ATTRIBUTE.realm, 'x'.repeat(764)))
    expect(() => textIn(long, ATTRIBUTE.realm)).toThrow(/764 bytes/)
  })
})
