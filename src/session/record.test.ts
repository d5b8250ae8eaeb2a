import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../errors.ts'
import { MAX_RECORDS_PER_KEY } from '../limits.ts'
import { encodeAlert } from './handshake-alert.ts'
import { CipherState } from './noise/cipher-state.ts'
import { MAX_RECORD_PLAINTEXT_BYTES, RECORD_OVERHEAD_BYTES, RecordOpener, RecordSealer } from './record.ts'

const key = new Uint8Array(32).fill(5)
const sealer = () => new RecordSealer(new CipherState(key))
const opener = () => new RecordOpener(new CipherState(key))

const record = (...texts: string[]) => {
  const records = sealer()
  return texts.map(text => records.seal(Buffer.from(text)))
}

/** What `opener` makes of the chunks. */
function openAll(chunks: readonly Uint8Array[], to: RecordOpener = opener()): string[] {
  const texts: string[] = []
  for (const chunk of chunks) to.push(chunk, plaintext => texts.push(Buffer.from(plaintext).toString()))
  return texts
}

const violation = expect.objectContaining({ code: 'protocol-violation' })

describe('records', () => {
  test('come out as they went in, from one chunk or from many', () => {
    const records = record('one', 'two', 'three')
    expect(openAll(records)).toEqual(['one', 'two', 'three'])
    expect(openAll([Buffer.concat(records)])).toEqual(['one', 'two', 'three'])
    expect(openAll(Array.from(Buffer.concat(records), byte => Uint8Array.of(byte)))).toEqual(['one', 'two', 'three'])
  })

  test('of every size come out however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(6000), { maxLength: 12 }),
        (sizes, cuts) => {
          const from = sealer()
          const plaintexts = sizes.map((size, i) => new Uint8Array(size).fill(i + 1))
          const wire = Buffer.concat(plaintexts.map(plaintext => from.seal(plaintext)))
          const edges = [0, ...cuts.map(cut => cut % wire.length).sort((a, b) => a - b), wire.length]
          const to = opener()
          const received: Uint8Array[] = []
          for (let i = 1; i < edges.length; i++) {
            to.push(wire.subarray(edges[i - 1], edges[i]), plaintext => received.push(plaintext))
          }
          expect(received).toEqual(plaintexts)
        },
      ),
    )
  })

  test('carry 1 to 65,519 bytes', () => {
    expect(MAX_RECORD_PLAINTEXT_BYTES).toBe(65_519)
    const largest = sealer().seal(new Uint8Array(MAX_RECORD_PLAINTEXT_BYTES))
    expect(largest.length).toBe(2 + 65_535)
    expect(openAll([largest])[0]!.length).toBe(MAX_RECORD_PLAINTEXT_BYTES)
    expect(sealer().seal(new Uint8Array(1)).length).toBe(1 + RECORD_OVERHEAD_BYTES)
    expect(() => sealer().seal(new Uint8Array(0))).toThrow(RangeError)
    expect(() => sealer().seal(new Uint8Array(MAX_RECORD_PLAINTEXT_BYTES + 1))).toThrow('not 65520')
  })

  test('hand over plaintexts that stay as they are when more arrives', () => {
    const to = opener()
    const kept: Uint8Array[] = []
    for (const chunk of record('first', 'other', 'third')) to.push(chunk, plaintext => kept.push(plaintext))
    expect(kept.map(plaintext => Buffer.from(plaintext).toString())).toEqual(['first', 'other', 'third'])
    expect(new Set(kept.map(plaintext => plaintext.buffer)).size, 'each has memory of its own').toBe(3)
    expect(kept[0]!.constructor).toBe(Uint8Array)
  })

  test('leave the plaintext that was sealed alone', () => {
    const plaintext = Buffer.from('unchanged')
    sealer().seal(plaintext)
    expect(plaintext.toString()).toBe('unchanged')
  })

  test('end with the life of their key', () => {
    const last = new RecordSealer(new CipherState(key, MAX_RECORDS_PER_KEY - 1))
    last.seal(Uint8Array.of(1))
    expect(() => last.seal(Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'limit-reached' }))
  })
})

describe('a record is refused', () => {
  const [first, second, third] = record('first', 'second', 'third')

  test('that was changed in any bit', () => {
    for (let bit = 16; bit < first!.length * 8; bit++) {
      const changed = Buffer.from(first!)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => openAll([changed])).toThrow(violation)
    }
  })

  test('whose length was changed: shorter fails, longer waits for bytes that then fail', () => {
    const shorter = Buffer.from(first!)
    shorter[1]!--
    expect(() => openAll([shorter])).toThrow(violation)
    const longer = Buffer.from(first!)
    longer[1]!++
    expect(openAll([longer])).toEqual([])
    expect(() => openAll([longer, second!])).toThrow(violation)
  })

  test.each([
    ['replayed', [first!, first!]],
    ['left out', [first!, third!]],
    ['moved', [second!]],
    ['moved behind a good one', [first!, third!, second!]],
  ])('that was %s', (_, chunks) => {
    expect(() => openAll(chunks)).toThrow(violation)
  })

  test.each([1, 15, 16])('whose length %d leaves no byte of text', length => {
    expect(() => openAll([Uint8Array.of(0, length)])).toThrow(`length of ${length}`)
  })

  test('in every cut-off form: nothing comes out before its last byte', () => {
    for (let cut = 0; cut < first!.length; cut++) expect(openAll([first!.subarray(0, cut)])).toEqual([])
  })

  test('while the good ones before it, even of the same chunk, have come out', () => {
    const texts: string[] = []
    const to = opener()
    const push = () => to.push(Buffer.concat([first!, second!, second!]), bytes => texts.push(`${Buffer.from(bytes)}`))
    expect(push).toThrow(violation)
    expect(texts).toEqual(['first', 'second'])
  })

  test('whatever its bytes are, if it was not sealed with the key', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), chunks => {
        try {
          expect(openAll(chunks)).toEqual([])
        } catch (error) {
          expect(error).toBeInstanceOf(EarshotError)
        }
      }),
    )
  })
})

describe('an alert instead of the first record', () => {
  test.each([
    ['wrong-secret', 'wrong-secret'],
    ['busy', 'limit-reached'],
    ['protocol-violation', 'protocol-violation'],
  ] as const)('%s becomes %s, whole or byte by byte', (alert, code) => {
    const bytes = encodeAlert(alert)
    expect(() => openAll([bytes])).toThrow(expect.objectContaining({ code }))
    expect(() => openAll(Array.from(bytes, byte => Uint8Array.of(byte)))).toThrow(expect.objectContaining({ code }))
  })

  test('is a violation when it is unknown', () => {
    expect(() => openAll([Uint8Array.of(0, 0, 99)])).toThrow('unknown alert 99')
  })

  test('is a violation behind a good record: by then it can only be forged', () => {
    const [good] = record('good')
    expect(() => openAll([good!, encodeAlert('wrong-secret')])).toThrow(violation)
  })
})
