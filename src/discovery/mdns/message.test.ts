import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { joinLabels, LINE_BREAK } from './domain-name.ts'
import { decodeMessage, encodeMessage, type MdnsMessage, message } from './message.ts'
import type { ResourceRecord } from './record.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

function violation(fn: () => unknown): void {
  try {
    fn()
  } catch (error) {
    expect(error).toBeInstanceOf(EarshotError)
    expect((error as EarshotError).code).toBe('protocol-violation')
    return
  }
  throw new Error('nothing was thrown')
}

const label = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(text => {
  const bytes = utf8(text)
  return bytes.length <= 63 && !bytes.some(byte => byte < 0x20) && !LINE_BREAK.test(text)
})
const name = fc.array(label, { minLength: 1, maxLength: 3 }).map(labels => joinLabels([...labels, 'local']))
const common = { name, ttl: fc.nat(0xffff_ffff), flush: fc.boolean() }
const record: fc.Arbitrary<ResourceRecord> = fc.oneof(
  fc.record({ ...common, type: fc.constant('A' as const), data: fc.ipV4() }),
  fc.record({
    ...common,
    type: fc.constant('AAAA' as const),
    data: fc.constantFrom('fe80::1', '::', '2001:db8::7:0:1'),
  }),
  fc.record({ ...common, type: fc.constant('PTR' as const), data: name }),
  fc.record({
    ...common,
    type: fc.constant('SRV' as const),
    data: fc.record({ priority: fc.nat(65_535), weight: fc.nat(65_535), port: fc.nat(65_535), target: name }),
  }),
  fc.record({
    ...common,
    type: fc.constant('TXT' as const),
    data: fc.array(fc.uint8Array({ maxLength: 255 }), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    ...common,
    type: fc.constant('NSEC' as const),
    data: fc.record({ nextDomain: name, rrtypes: fc.constantFrom(['A'], ['A', 'AAAA'], ['TXT', 'SRV']) }),
  }),
)
const records = fc.array(record, { maxLength: 4 })
const anyMessage: fc.Arbitrary<MdnsMessage> = fc.record({
  id: fc.nat(65_535),
  isResponse: fc.boolean(),
  isTruncated: fc.boolean(),
  questions: fc.array(
    fc.record({
      name,
      type: fc.constantFrom('PTR' as const, 'ANY' as const, 'AAAA' as const),
      unicastResponse: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
  answers: records,
  authorities: records,
  additionals: records,
})

/** Buffers and Uint8Arrays of the same bytes count as equal. */
function plain(value: MdnsMessage): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, v) =>
      v?.type === 'Buffer' ? v.data : ArrayBuffer.isView(v) ? [...(v as Uint8Array)] : v,
    ),
  )
}

describe('message', () => {
  test('what is encoded is decoded again', () => {
    fc.assert(
      fc.property(anyMessage, fc.boolean(), (value, compressSrvTarget) => {
        const bytes = encodeMessage(value, { compressSrvTarget })
        expect(plain(decodeMessage(bytes))).toEqual(plain(value))
      }),
    )
  })

  test('every cut-off prefix is refused', () => {
    fc.assert(
      fc.property(anyMessage, value => {
        const bytes = encodeMessage(value)
        for (let length = 0; length < bytes.length; length++) violation(() => decodeMessage(bytes.subarray(0, length)))
      }),
      { numRuns: 20 },
    )
  })

  test('any bytes decode or are a protocol violation', () => {
    const attempt = (bytes: Uint8Array): void => {
      try {
        decodeMessage(bytes)
      } catch (error) {
        expect((error as EarshotError).code).toBe('protocol-violation')
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), attempt), { numRuns: 2_000 })
    // Mutations of good messages come further than noise.
    fc.assert(
      fc.property(
        anyMessage,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (value, changes) => {
          const bytes = encodeMessage(value)
          for (const [at, byte] of changes) bytes[at % bytes.length] = byte
          attempt(bytes)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('a label may contain dots and backslashes', () => {
    const instance = joinLabels(["Ada's Mac. (2) \\o/", '_earshot', '_tcp', 'local'])
    const bytes = encodeMessage(message({ questions: [{ name: instance, type: 'TXT', unicastResponse: false }] }))
    expect(Buffer.from(bytes).toString('latin1')).toContain("\u0012Ada's Mac. (2) \\o/\u0008_earshot")
    expect(decodeMessage(bytes).questions[0]!.name).toBe(instance)
  })

  test('names are compressed, the target of SRV records only where multicast DNS is spoken', () => {
    const srv: ResourceRecord = {
      name: 'a._earshot._tcp.local',
      type: 'SRV',
      ttl: 120,
      flush: true,
      data: { priority: 0, weight: 0, port: 1, target: 'a._earshot._tcp.local' },
    }
    const compressed = encodeMessage(message({ isResponse: true, answers: [srv, srv] }))
    const legacy = encodeMessage(message({ isResponse: true, answers: [srv, srv] }), { compressSrvTarget: false })
    expect(compressed.length).toBe(12 + 23 + 18 + 2 * 1 + 18 - 2 + 2)
    expect(legacy.length - compressed.length).toBe(2 * (23 - 2))
  })

  test('the bits for unicast response and cache flush stand on top of the class', () => {
    const bytes = encodeMessage(
      message({
        questions: [{ name: 'a', type: 'ANY', unicastResponse: true }],
        authorities: [{ name: 'b', type: 'A', ttl: 120, flush: true, data: '192.168.0.2' }],
      }),
    )
    expect(Buffer.from(bytes).toString('hex')).toBe(
      '000000000001000000010000' +
        '0161000000ff'.slice(0, 6) +
        '00ff8001' +
        '016200' +
        '00018001' +
        '00000078' +
        '0004c0a80002',
    )
  })

  test.each([
    ['a pointer to itself', '0000 0000 0001 0000 0000 0000 c00c 000c 0001'],
    ['a pointer forwards', '0000 0000 0001 0000 0000 0000 c00e 0000 0c00 0100'],
    ['two pointers in a circle', '0000 0000 0001 0000 0000 0000 0161 c00c 000c 0001'],
    ['a pointer into the header', '0000 0000 0001 0000 0000 0000 c000 000c 0001'],
    ['a label type that does not exist', '0000 0000 0001 0000 0000 0000 4161 00 000c 0001'],
    ['65,535 questions in 12 bytes', '0000 0000 ffff 0000 0000 0000'],
    ['65,535 answers in 12 bytes', '0000 8400 0000 ffff ffff ffff'],
    ['a record longer than the packet', '0000 8400 0000 0001 0000 0000 00 0010 0001 00000078 ffff 00'],
    ['an address of 5 bytes', '0000 8400 0000 0001 0000 0000 00 0001 0001 00000078 0005 0102030405'],
    ['a string longer than its TXT record', '0000 8400 0000 0001 0000 0000 00 0010 0001 00000078 0002 ff61'],
    ['an SRV record without target', '0000 8400 0000 0001 0000 0000 00 0021 0001 00000078 0006 000000000001'],
    ['bytes behind the target of a PTR record', '0000 8400 0000 0001 0000 0000 00 000c 0001 00000078 0004 01610000'],
    ['an NSEC bit map of 0 bytes', '0000 8400 0000 0001 0000 0000 00 002f 0001 00000078 0003 000000'],
    ['a line break in a name', '0000 0000 0001 0000 0000 0000 03 610a62 00 000c 0001'],
    ['an opcode', '0000 2800 0000 0000 0000 0000'],
  ])('refuses %s', (_, text) => {
    violation(() => decodeMessage(hex(text)))
  })

  test('refuses a packet above 9,000 bytes and a long chain of pointers', () => {
    violation(() => decodeMessage(new Uint8Array(9_001)))
    expect(decodeMessage(new Uint8Array(9_000)).answers).toEqual([])
    // Twenty questions, the name of each a pointer to the name of the one before.
    const first = '00 000c 0001'
    const others = Array.from(
      { length: 19 },
      (_, i) => `${(0xc00c + (i === 0 ? 0 : 5 + 6 * (i - 1))).toString(16)} 000c 0001`,
    )
    violation(() => decodeMessage(hex(`0000 0000 0014 0000 0000 0000 ${first} ${others.join('')}`)))
    expect(
      decodeMessage(hex(`0000 0000 0010 0000 0000 0000 ${first} ${others.slice(0, 15).join('')}`)).questions,
    ).toHaveLength(16)
  })

  test('records of other types and classes are left out, whatever is in them', () => {
    // An OPT record as Apple devices send it, with a length that lies, and a TXT record of class CH.
    const bytes = hex(
      '0000 0000 0000 0001 0000 0002 00 0010 0003 00000078 0001 00 00 0029 05a0 00000000 0004 0004ffff 00 0001 0001 00000078 0004 01020304',
    )
    expect(decodeMessage(bytes).answers).toEqual([])
    expect(decodeMessage(bytes).additionals).toHaveLength(1)
  })
})
