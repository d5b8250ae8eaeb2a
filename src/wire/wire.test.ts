import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../errors.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { MAX_VARINT, varintLength } from './varint.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))

function violation(fn: () => unknown): EarshotError {
  try {
    fn()
  } catch (error) {
    expect(error).toBeInstanceOf(EarshotError)
    expect((error as EarshotError).code).toBe('protocol-violation')
    return error as EarshotError
  }
  throw new Error('nothing was thrown')
}

describe('varint', () => {
  // RFC 9000, appendix A.1. Its fourth sample, 4025 for 37, is longer than needed, which this protocol refuses.
  test.each([
    ['9d7f3e7d', 494_878_333],
    ['7bbd', 15_293],
    ['25', 37],
  ])('the sample %s of RFC 9000 is %d', (bytes, value) => {
    expect(new ByteReader(hex(bytes)).varint('sample')).toBe(value)
    expect(new ByteWriter().varint(value).finish()).toEqual(hex(bytes))
  })

  test('every value up to 2^53 - 1 comes back, in the length announced', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(), fc.maxSafeInteger().map(Math.abs)), value => {
        const bytes = new ByteWriter().varint(value).finish()
        expect(bytes.length).toBe(varintLength(value))
        const reader = new ByteReader(bytes)
        expect(reader.varint('value')).toBe(value)
        reader.finish('message')
      }),
    )
  })

  test.each(['4025', '80000025', 'c000000000000025', 'c000000000003fff'])('%s is longer than needed', bytes => {
    expect(violation(() => new ByteReader(hex(bytes)).varint('count')).message).toContain('longer than needed')
  })

  test('a value above 2^53 - 1 is refused', () => {
    expect(violation(() => new ByteReader(hex('ffffffffffffffff')).varint('count')).message).toContain(`${MAX_VARINT}`)
  })
})

describe('ByteReader', () => {
  test('names the field and the offset that a short message lacks', () => {
    const reader = new ByteReader(hex('000102'))
    reader.uint8('kind')
    expect(violation(() => reader.uint32('length')).message).toBe(
      'length at offset 1 needs 4 bytes, the message has 2 left',
    )
  })

  test('refuses malformed UTF-8', () => {
    violation(() => new ByteReader(hex('c080')).utf8(2, 'name'))
    violation(() => new ByteReader(hex('eda080')).utf8(3, 'name'))
  })

  test('refuses bytes behind the last field', () => {
    violation(() => new ByteReader(hex('00')).finish('frame'))
  })

  test('any bytes are read or refused, and every cut-off prefix of a message is refused', () => {
    const read = (bytes: Uint8Array) => {
      const reader = new ByteReader(bytes)
      const fields = [
        reader.uint8('a'),
        reader.uint16('b'),
        reader.uint32('c'),
        reader.varint('d'),
        reader.view(reader.varint('length'), 'e'),
        reader.utf8(reader.varint('length'), 'f'),
      ]
      reader.finish('message')
      return fields
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
        try {
          read(bytes)
        } catch (error) {
          expect((error as EarshotError).code).toBe('protocol-violation')
        }
      }),
    )
    fc.assert(
      fc.property(
        fc.tuple(
          fc.nat(0xff),
          fc.nat(0xffff),
          fc.nat(0xffff_ffff),
          fc.maxSafeInteger().map(Math.abs),
          fc.uint8Array({ maxLength: 80 }),
          fc.string({ unit: 'grapheme', maxLength: 20 }),
        ),
        ([a, b, c, d, e, f]) => {
          const bytes = new ByteWriter(1).uint8(a).uint16(b).uint32(c).varint(d).prefixed(e).prefixedUtf8(f).finish()
          expect(read(bytes)).toEqual([a, b, c, d, e, f])
          for (let cut = 0; cut < bytes.length; cut++) violation(() => read(bytes.subarray(0, cut)))
        },
      ),
    )
  })
})
