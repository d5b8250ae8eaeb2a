import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { decodeDataHeader, encodeDataHeader } from './data-header.ts'
import { decodeDatagram, decodeHeader, encodeHeader, HEADER_BYTES, HEADER_TYPES } from './header.ts'
import { DATA_TYPES, decodeHello, encodeHello, type Hello } from './hello.ts'
import { parsePeerName } from './peer-name.ts'

const ascii = (text: string) => new TextEncoder().encode(text)
const padded = (text: string) => ascii(text.padEnd(HEADER_BYTES, '|'))
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replace(/\|+$/, '')

function violation(fn: () => unknown): string {
  try {
    fn()
  } catch (error) {
    expect(error).toBeInstanceOf(EarshotError)
    expect((error as EarshotError).code).toBe('protocol-violation')
    return (error as EarshotError).message
  }
  throw new Error('nothing was thrown')
}

const peerName = fc
  .tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 }))
  .map(([address, port]) => `${address}:${port}`)
  .filter(name => parsePeerName(name) !== undefined)

const hello: fc.Arbitrary<Hello> = fc
  .record({
    peerName,
    dataType: fc.constantFrom(...DATA_TYPES),
    strict: fc.boolean(),
    isStream: fc.boolean(),
    streamSizeBytes: fc.option(fc.integer({ min: 1, max: 8_388_608 }), { nil: undefined }),
  })
  .map(made => (made.isStream ? made : { ...made, streamSizeBytes: undefined }))

describe('a header', () => {
  test('has 128 bytes, filled up', () => {
    const header = encodeHeader('ACCEPT')
    expect(header).toEqual(padded('ACCEPT'))
    expect(decodeHeader(header)).toEqual({ type: 'ACCEPT', fields: new Map() })
  })

  test('is refused where it is longer', () => {
    expect(() => encodeHeader('PING', { pinger: 'x'.repeat(116) })).not.toThrow()
    expect(() => encodeHeader('PING', { pinger: 'x'.repeat(117) })).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    )
  })

  test('any type and fields come back; any prefix is refused', () => {
    const word = fc.stringMatching(/^[a-z_]{1,8}$/)
    const value = fc.stringMatching(/^[^|&=\uD800-\uDFFF]{0,10}$/)
    fc.assert(
      fc.property(fc.constantFrom(...HEADER_TYPES), fc.dictionary(word, value, { maxKeys: 3 }), (type, fields) => {
        const bytes = encodeHeader(type, fields)
        expect(decodeHeader(bytes)).toEqual({ type, fields: new Map(Object.entries(fields)) })
        expect(decodeDatagram(bytes)).toEqual(decodeHeader(bytes))
        for (let cut = 0; cut < HEADER_BYTES; cut++) violation(() => decodeHeader(bytes.subarray(0, cut)))
      }),
      { numRuns: 50 },
    )
  })

  test('any bytes are a header or refused', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: HEADER_BYTES, maxLength: HEADER_BYTES }),
      fc.uint8Array({ maxLength: 600 }),
      fc
        .string({ unit: fc.constantFrom('DATA', 'HELLO', '|', '=', '&', 'data_size', '9', 'é'), maxLength: 90 })
        .map(padded),
    )
    fc.assert(
      fc.property(bytes, each => {
        for (const read of [decodeHeader, decodeDatagram, (b: Uint8Array) => decodeHello(decodeHeader(b))]) {
          try {
            read(each)
          } catch (error) {
            expect((error as EarshotError).code).toBe('protocol-violation')
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  // Each of these ends a thread of the real program.
  test.each([
    ['FOO', 'no type of header'],
    ['', 'no type of header'],
    ['HELLO|peer_name', 'where key=value belongs'],
    ['HELLO|a=b=c', 'where key=value belongs'],
    ['HELLO|a=1&&b=2', 'where key=value belongs'],
    ['hello|a=1', 'no type of header'],
    ['HELLOa|a=1', 'no type of header'],
  ])('%j is refused', (text, message) => {
    expect(violation(() => decodeHeader(padded(text)))).toContain(message)
  })

  test('that is not UTF-8 is refused', () => {
    const bytes = padded('PING|pinger=')
    bytes.set([0xc3], HEADER_BYTES - 1)
    expect(violation(() => decodeHeader(bytes))).toContain('UTF-8')
  })

  test('a datagram may be shorter, but not longer than 512 bytes', () => {
    expect(decodeDatagram(ascii('PING|pinger=1.2.3.4:5')).fields.get('pinger')).toBe('1.2.3.4:5')
    expect(decodeDatagram(ascii('PING')).type).toBe('PING')
    expect(violation(() => decodeDatagram(new Uint8Array(513).fill(0x7c)))).toContain('513')
  })
})

describe('HELLO', () => {
  test('is what the program writes', () => {
    const made = { peerName: '10.77.0.1:51004', dataType: 'json', strict: true, isStream: false } as const
    expect(textOf(encodeHello({ ...made, streamSizeBytes: undefined }))).toBe(
      'HELLO|peer_name=10.77.0.1:51004&data_type=json&strict=True',
    )
    const stream = { peerName: '1.2.3.4:5', dataType: 'bytes', strict: false, isStream: true } as const
    expect(textOf(encodeHello({ ...stream, streamSizeBytes: 640 }))).toBe(
      'HELLO|peer_name=1.2.3.4:5&data_type=bytes&strict=False&stream=True&data_size=640',
    )
  })

  test('comes back, whatever is agreed, and always fits', () => {
    fc.assert(
      fc.property(hello, made => {
        expect(decodeHello(decodeHeader(encodeHello(made)))).toEqual(made)
      }),
    )
  })

  test.each([
    ['HELLO|data_type=json&strict=True', 'peer_name'],
    ['HELLO|peer_name=1.2.3.4:5&strict=True', 'data_type'],
    ['HELLO|peer_name=1.2.3.4:5&data_type=json', 'strict'],
    ['HELLO|peer_name=1.2.3.4:5&data_type=video&strict=True', 'data_type is "video"'],
    ['HELLO|peer_name=ada&data_type=json&strict=True', 'peer_name is "ada"'],
    ['HELLO|peer_name=1.2.3.4:0&data_type=json&strict=True', 'peer_name is'],
    ['HELLO|peer_name=1.2.3.4:5&data_type=json&strict=True&stream=True&data_size=-1', 'data_size is "-1"'],
    ['HELLO|peer_name=1.2.3.4:5&data_type=json&strict=True&stream=True&data_size=0', 'stream is 0'],
    ['PING', 'begins with HELLO'],
  ])('%s is refused', (text, message) => {
    expect(violation(() => decodeHello(decodeHeader(padded(text))))).toContain(message)
  })

  test('unknown fields are ignored, also those that end a thread of the program', () => {
    const read = decodeHello(
      decodeHeader(padded('HELLO|peer_name=1.2.3.4:5&data_type=raw&strict=True&sock=1&peer=2&buffer_size=x')),
    )
    expect(read).toMatchObject({ peerName: '1.2.3.4:5', dataType: 'raw', strict: true, isStream: false })
  })

  test('strict=False is not strict, any other text is', () => {
    const strictOf = (text: string) =>
      decodeHello(decodeHeader(padded(`HELLO|peer_name=1.2.3.4:5&data_type=raw&strict=${text}`))).strict
    expect(['True', 'False', '0', 'no', ''].map(strictOf)).toEqual([true, false, true, true, false])
  })
})

describe('DATA', () => {
  test('comes back', () => {
    fc.assert(
      fc.property(fc.nat(8_388_608), fc.constantFrom(...DATA_TYPES), (sizeBytes, dataType) => {
        const read = decodeDataHeader(decodeHeader(encodeDataHeader(sizeBytes, dataType)))
        expect(read).toEqual({ sizeBytes, dataType })
      }),
    )
  })

  test.each(['-5', '1e3', ' 7', '1_000', '8388609', '99999999999', '', '0x10'])('of %j bytes is refused', size => {
    expect(violation(() => decodeDataHeader(decodeHeader(padded(`DATA|data_size=${size}&data_type=json`))))).toContain(
      'data_size',
    )
  })

  test.each(['DATA|data_size=5', 'DATA|data_type=json', 'DATA'])('%s lacks something', text => {
    expect(violation(() => decodeDataHeader(decodeHeader(padded(text))))).toContain('lacks the field')
  })
})

test.each([
  ['10.0.0.1:65535', { address: '10.0.0.1', port: 65_535 }],
  ['10.0.0.1:65536', undefined],
  ['10.0.0.1:08', undefined],
  ['010.0.0.1:8', undefined],
  ['10.0.0.256:8', undefined],
  ['[::1]:8', undefined],
  ['ada:8', undefined],
  ['10.0.0.1', undefined],
])('the name %s is %j', (text, name) => {
  expect(parsePeerName(text)).toEqual(name)
})
