/** Frames, adverts and names of pythonConnect: what goes through, what is refused, and in what order names are. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { decodeAdvert, encodeAdvert } from './advert.ts'
import { decodeFrame, encodeFrame, encodeName, type Frame, frameProblem, SEPARATOR, TERMINATOR } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import { checkNodeName, isBefore, nameProblem } from './node-name.ts'
import { encodeQuestion, encodeText } from './outgoing-text.ts'

const encoder = new TextEncoder()
const utf8 = (text: string) => encoder.encode(text)
const asText = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Texts that are dense in what matters here: tags, separators, terminators, and characters of one to four bytes. */
const piece = fc.oneof(
  fc.constantFrom(
    ':,:',
    '/EOL',
    ':',
    ',',
    '/',
    'EOL',
    '/EO',
    'MeSsAgE',
    'quitQUITquit',
    'é',
    '中',
    '😀',
    '\u0000',
    '\n',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
const anyText = fc.array(piece, { maxLength: 40 }).map(parts => parts.join(''))
const carriedText = anyText
  .map(text => text.replaceAll(SEPARATOR, '').replaceAll(TERMINATOR, ''))
  .filter(text => !text.includes(SEPARATOR) && !text.includes(TERMINATOR) && utf8(text).length <= 400)
const frame: fc.Arbitrary<Frame> = fc.oneof(
  carriedText.map(text => ({ kind: 'message' as const, text })),
  fc.record({ kind: fc.constantFrom('question', 'answer'), id: fc.nat(9_999), text: carriedText }),
  fc.constantFrom({ kind: 'quit' as const }, { kind: 'ping' as const }),
)

/** What a reader finds in pieces of these lengths, and what it throws. */
function read(bytes: Uint8Array, lengths: readonly number[] = [bytes.length]): readonly (string | EarshotError)[] {
  const reader = new FrameReader()
  const found: (string | EarshotError)[] = []
  let at = 0
  try {
    for (const length of [...lengths, bytes.length]) {
      reader.read(bytes.subarray(at, at + length), text => found.push(text))
      at += length
    }
  } catch (error) {
    found.push(error as EarshotError)
  }
  return found
}

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (error) {
    return error instanceof EarshotError ? error.code : (error as Error).name
  }
}

describe('frames', () => {
  test.each<[Frame, string]>([
    [{ kind: 'message', text: 'héllo' }, 'MeSsAgE:,:héllo/EOL'],
    [{ kind: 'question', id: 5519, text: 'what time?' }, 'QuEsTiOn:,:5519:,:what time?/EOL'],
    [{ kind: 'answer', id: 1, text: '' }, 'AnSwEr:,:1:,:/EOL'],
    [{ kind: 'quit' }, 'quitQUITquit/EOL'],
    [{ kind: 'ping' }, 'PiNg/EOL'],
  ])('%j is %s', (value, text) => {
    expect(asText(encodeFrame(value))).toBe(text)
    expect(decodeFrame(text.slice(0, -TERMINATOR.length))).toEqual(value)
  })

  test('whatever is encoded is decoded, however it was cut into segments', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 10 }), fc.array(fc.nat(90), { maxLength: 60 }), (frames, lengths) => {
        const bytes = Uint8Array.from(frames.flatMap(each => [...encodeFrame(each)]))
        const found = read(bytes, lengths)
        expect(found.map(text => decodeFrame(text as string))).toEqual(frames)
      }),
    )
  })

  test('a frame that is cut off is none', () => {
    fc.assert(
      fc.property(frame, fc.nat(), (value, cut) => {
        const bytes = encodeFrame(value)
        expect(read(bytes.subarray(0, cut % bytes.length))).toEqual([])
      }),
    )
  })

  test('any bytes are frames or a violation', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 2_000 }),
      fc.array(piece, { maxLength: 200 }).map(p => utf8(p.join(''))),
    )
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(200), { maxLength: 20 }), (any, lengths) => {
        for (const found of read(any, lengths)) {
          if (typeof found !== 'string') expect(found.code).toBe('protocol-violation')
          else expect(['none', 'protocol-violation']).toContain(codeOf(() => decodeFrame(found)))
        }
      }),
    )
  })

  test.each([
    '',
    'hello',
    'MeSsAgE',
    'message:,:x',
    'QuEsTiOn:,:1',
    'QuEsTiOn:,:x:,:y',
    'QuEsTiOn:,:-1:,:y',
    'QuEsTiOn:,:1234567890:,:y',
    'QuEsTiOn:,::,:y',
    'AnSwEr:,:1',
    'AnSwEr:,:1.5:,:y',
    'quitQUITquit:,:now',
    'PiNg:,:x',
    ' MeSsAgE:,:x',
  ])('%j is a violation', text => {
    expect(codeOf(() => decodeFrame(text))).toBe('protocol-violation')
  })

  test('a separator in what others say belongs to the text', () => {
    expect(decodeFrame('MeSsAgE:,:a:,:b')).toEqual({ kind: 'message', text: 'a:,:b' })
    expect(decodeFrame('QuEsTiOn:,:1:,:a:,:b')).toEqual({ kind: 'question', id: 1, text: 'a:,:b' })
  })

  test('512 bytes are a frame, 513 a violation, and so is half a character before an end', () => {
    const text = 'x'.repeat(512 - TERMINATOR.length)
    expect(read(utf8(`${text}/EOL`))).toEqual([text])
    expect(read(utf8(`x${text}/EOL`))).toMatchObject([{ code: 'protocol-violation' }])
    expect(read(utf8('x'.repeat(513)))).toMatchObject([{ code: 'protocol-violation' }])
    expect(read(Uint8Array.of(0xc3, ...utf8('/EOL')))).toMatchObject([{ code: 'protocol-violation' }])
  })

  test('a byte order mark is text', () => {
    expect(read(utf8('\ufeffx/EOL'))).toEqual(['\ufeffx'])
  })
})

describe('texts on their way out', () => {
  const message = (text: string) => encodeText({ kind: 'message', text })

  test.each([
    ['a:,:b', 'invalid-data'],
    ['a/EOLb', 'invalid-data'],
    ['\ud800', 'invalid-data'],
    ['x'.repeat(499), 'too-large'],
    ['é'.repeat(250), 'too-large'],
    [`${'x'.repeat(117)}é`, 'invalid-data'],
    [`${'x'.repeat(116)}😀`, 'invalid-data'],
    [`${'x'.repeat(118 + 128 + 127)}é`, 'invalid-data'],
  ])('%j is refused with %s', (text, code) => {
    expect(codeOf(() => message(text))).toBe(code)
  })

  test.each([
    [''],
    ['x'.repeat(498)],
    [`${'x'.repeat(118)}é`],
    ['é'.repeat(200)],
    ['/EO'],
    ['/'],
    [':,'],
    [',:'],
    ['/EOl'],
  ])('%j is sent as it is', text => {
    expect(asText(message(text))).toBe(`MeSsAgE:,:${text}/EOL`)
  })

  test('what is no text is a TypeError', () => {
    expect(codeOf(() => message(5 as unknown as string))).toBe('TypeError')
  })

  test('whatever is let through survives the reads of 128 bytes, and means what it says', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, carriedText), text => {
        let bytes: Uint8Array
        try {
          bytes = message(text)
        } catch (error) {
          expect(['invalid-data', 'too-large']).toContain((error as EarshotError).code)
          return
        }
        expect(bytes.length).toBeLessThanOrEqual(512)
        const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
        for (let end = 128; end < bytes.length; end += 128) strict.decode(bytes.subarray(0, end))
        const [first] = strict.decode(bytes).split(TERMINATOR)
        expect(first!.split(SEPARATOR)).toEqual(['MeSsAgE', text])
      }),
    )
  })

  test('a question takes an id with which no character lies on a border', () => {
    // With an id of two digits the é is the bytes 127 and 128.
    const text = `${'x'.repeat(127 - 'QuEsTiOn:,:10:,:'.length)}é`
    expect(encodeQuestion(text, [10, 99, 100]).id).toBe(100)
    expect(encodeQuestion(text, [1]).id).toBe(1)
    expect(codeOf(() => encodeQuestion(text, [10, 11]))).toBe('invalid-data')
    expect(codeOf(() => encodeQuestion('x'.repeat(500), [5, 6]))).toBe('too-large')
    expect(codeOf(() => encodeQuestion('a:,:b', [5, 6]))).toBe('invalid-data')
    expect(codeOf(() => encodeQuestion('a', []))).toBe('limit-reached')
  })
})

describe('names', () => {
  test.each([['a'], ['Raspberry 3'], ['é'.repeat(62)], ['x'.repeat(248)], ['alive'], ['quitQUITquit']])(
    '%j can be used',
    name => {
      expect(checkNodeName(name)).toBe(name)
      expect(decodeAdvert(encodeAdvert('hello', name))).toEqual({ kind: 'hello', name })
    },
  )

  test.each([[''], ['a:,:b'], ['a/EOL'], ['x'.repeat(249)], ['\udc00'], ['toAll'], [`${'x'.repeat(127)}é`]])(
    '%j cannot be used',
    name => {
      expect(() => checkNodeName(name)).toThrow(RangeError)
    },
  )

  test('what is no text is a TypeError', () => {
    expect(() => checkNodeName(undefined as unknown as string)).toThrow(TypeError)
  })

  test('are ordered as Python does, by code points', () => {
    expect(isBefore('\uffee', '😀')).toBe(true) // By code units it is the other way round.
    expect(isBefore('😀', '\uffee')).toBe(false)
    fc.assert(
      fc.property(anyText, anyText, (a, b) => {
        // UTF-32 compares by code points.
        const [x, y] = [a, b].map(text => [...text].map(c => c.codePointAt(0)!.toString(16).padStart(6, '0')).join(''))
        expect(isBefore(a, b)).toBe(x! < y!)
      }),
    )
  })
})

describe('adverts', () => {
  test('whatever is encoded is decoded', () => {
    const name = anyText.filter(text => nameProblem(text) === undefined)
    fc.assert(
      fc.property(fc.constantFrom('hello', 'alive'), name, (kind, text) => {
        expect(decodeAdvert(encodeAdvert(kind, text))).toEqual({ kind, name: text })
      }),
    )
  })

  test('any bytes are an advert or a violation', () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), anyText.map(utf8))
    fc.assert(
      fc.property(bytes, any => {
        expect(['none', 'protocol-violation']).toContain(codeOf(() => decodeAdvert(any)))
      }),
    )
  })

  test.each([[''], ['hello'], ['hello:,:'], ['hello:,:a:,:b'], ['hello:,:a/EOL'], [`alive:,:${'x'.repeat(249)}`]])(
    '%j is a violation',
    text => {
      expect(codeOf(() => decodeAdvert(utf8(text)))).toBe('protocol-violation')
    },
  )

  test('a word that nobody knows counts as alive, as in the real program', () => {
    expect(decodeAdvert(utf8('bonjour:,:a'))).toEqual({ kind: 'alive', name: 'a' })
  })
})

test('a name is the first frame', () => {
  expect(asText(encodeName('alpha'))).toBe('alpha/EOL')
  expect(frameProblem(encodeName('alpha'))).toBeUndefined()
})
