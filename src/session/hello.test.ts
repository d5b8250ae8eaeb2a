import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../errors.ts'
import { MAX_HELLO_BYTES, MAX_INFO_BYTES, MAX_NAME_BYTES } from '../limits.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { Frame } from './frame.ts'
import { decodeHello, encodeHello, type Hello, INSTANCE_BYTES, SESSION_ID_BYTES } from './hello.ts'
import { MAX_RECORD_PLAINTEXT_BYTES } from './record.ts'

const violation = expect.objectContaining({ code: 'protocol-violation' })
const ADA: Hello = {
  instance: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  session: undefined,
  port: 4_112,
  name: 'Ada',
  info: '{"team":"red"}',
  hello: '{"level":3}',
  udpPort: 4_113,
  network: 0,
}

const decoded = (frame: Uint8Array) => decodeHello(new ByteReader(frame, 1))
const text = (maxLength: number) =>
  fc.string({ unit: 'binary', maxLength }).filter(value => !/\p{Surrogate}/u.test(value))

const anyHello: fc.Arbitrary<Hello> = fc.record({
  instance: fc.uint8Array({ minLength: INSTANCE_BYTES, maxLength: INSTANCE_BYTES }),
  session: fc.option(
    fc.record({
      id: fc.uint8Array({ minLength: SESSION_ID_BYTES, maxLength: SESSION_ID_BYTES }),
      received: fc.nat(),
    }),
    { nil: undefined },
  ),
  port: fc.nat(65_535),
  name: text(15).filter(name => name !== ''),
  info: text(40),
  hello: text(200),
  udpPort: fc.nat(65_535),
  network: fc.nat(),
})

test('a hello arrives as it was sent, and no cut-off one is taken', () => {
  fc.assert(
    fc.property(anyHello, hello => {
      const frame = encodeHello(hello)
      expect(frame[0]).toBe(Frame.hello)
      expect(decoded(frame)).toEqual(hello)
      for (let length = 1; length < frame.length; length++) {
        expect(() => decodeHello(new ByteReader(frame, 1, length))).toThrow(violation)
      }
    }),
    { numRuns: 50 },
  )
})

test('any bytes are a hello or a violation', () => {
  const anyContent = fc.uint8Array({ maxLength: 60 })
  fc.assert(
    fc.property(anyContent, content => {
      const frame = new ByteWriter().uint8(Frame.hello).prefixed(content).finish()
      try {
        decoded(frame)
      } catch (error) {
        expect(error).toBeInstanceOf(EarshotError)
        expect(error).toEqual(violation)
      }
    }),
    { numRuns: 1_000 },
  )
})

test('what later versions say behind the last field is ignored', () => {
  const content = encodeHello(ADA).subarray(2)
  const longer = new ByteWriter()
    .append(content)
    .append(Uint8Array.of(9, 9, 9))
    .finish()
  expect(decoded(new ByteWriter().uint8(Frame.hello).prefixed(longer).finish())).toEqual(ADA)
})

test('unknown flags are ignored', () => {
  const frame = encodeHello(ADA).slice()
  frame[2 + INSTANCE_BYTES] = 0xf9
  expect(decoded(frame)).toEqual(ADA)
})

test('the instance does not keep the record alive that it came in', () => {
  expect(decoded(encodeHello(ADA)).instance.buffer.byteLength).toBe(INSTANCE_BYTES)
})

describe('a hello is refused', () => {
  test.each<[string, Partial<Hello>]>([
    ['without a name', { name: '' }],
    ['with a name that is too long', { name: 'x'.repeat(MAX_NAME_BYTES + 1) }],
    ['with a port that is none', { port: 65_536 }],
    ['with info that is too long', { info: 'x'.repeat(MAX_INFO_BYTES + 1) }],
    ['with a hello that is too long', { hello: 'x'.repeat(MAX_HELLO_BYTES + 1) }],
  ])('%s', (_, part) => {
    expect(() => decoded(encodeHello({ ...ADA, ...part }))).toThrow(violation)
  })

  test('where a text is not UTF-8', () => {
    const frame = encodeHello(ADA).slice()
    frame[frame.indexOf(0x41)] = 0xff
    expect(() => decoded(frame)).toThrow(violation)
  })
})

test('the largest hello fits one record', () => {
  const largest = {
    ...ADA,
    name: 'x'.repeat(MAX_NAME_BYTES),
    info: 'x'.repeat(MAX_INFO_BYTES),
    hello: 'x'.repeat(MAX_HELLO_BYTES),
  }
  expect(decoded(encodeHello(largest))).toEqual(largest)
  expect(encodeHello(largest).length).toBeLessThan(MAX_RECORD_PLAINTEXT_BYTES)
})
