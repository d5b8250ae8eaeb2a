import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { child, childText, escapeXml, parseXml, type XmlElement } from './xml.ts'

describe('XML', () => {
  test('is elements with their text', () => {
    const root = parseXml(
      '\ufeff<?xml version="1.0"?>\n<!-- <b> --><a x="1>2" y=\'"\'><s:b> one <i/>two</s:b><c/><b>three</b></a>\n\0',
    )

    expect(root.name).toBe('a')
    expect(root.children.map(({ name }) => name)).toEqual(['b', 'c', 'b'])
    expect([childText(root, 'b'), childText(root, 'c'), childText(root, 'd')]).toEqual(['one two', '', undefined])
    expect(child(child(root, 'b'), 'i')).toEqual({ name: 'i', children: [], text: '' })
  })

  test.each([
    ['a &lt; b &amp;&amp; c &gt; d', 'a < b && c > d'],
    ['&#65;&#x42;', 'AB'],
    ['AT&T', 'AT&T'],
    ['&nbsp; &#x110000;', '&nbsp; &#x110000;'],
    ['<![CDATA[<b>&amp;]]>', '<b>&amp;'],
  ])('%s is %s', (source, text) => {
    expect(parseXml(`<a>${source}</a>`).text).toBe(text)
  })

  test.each([
    ['', 'there is no element'],
    ['text', 'text stands outside'],
    ['<a>', '<a> has no end'],
    ['<a></b>', '</b> ends nothing'],
    ['<a></a></a>', '</a> ends nothing'],
    ['<a></a><b/>', 'a second root element'],
    ['<a b="', 'a tag has no end'],
    ['<a <b>', 'a tag has no end'],
    ['<a><!-- </a>', "'-->' is missing"],
    ['<1/>', 'a tag has no name'],
    ['<!DOCTYPE a><a/>', 'a document type is not allowed'],
    ['<a><!ENTITY b "c"></a>', 'a document type is not allowed'],
  ])('%j is refused: %s', (source, message) => {
    expect(() => parseXml(source)).toThrow(message)
  })

  test('has bounds', () => {
    const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth)
    expect(parseXml(nested(32)).name).toBe('a')
    expect(() => parseXml(nested(33))).toThrow('nested more than 32 deep')
    expect(parseXml(`<a>${'<b/>'.repeat(4_095)}</a>`).children).toHaveLength(4_095)
    expect(() => parseXml(`<a>${'<b/>'.repeat(4_096)}</a>`)).toThrow('more than 4096 elements')
  })

  test('text goes through', () => {
    const graphemes = fc.string({ unit: 'grapheme' }).map(each => each.trim())
    fc.assert(fc.property(graphemes, value => void expect(parseXml(`<a>${escapeXml(value)}</a>`).text).toBe(value)))
  })

  const name = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_.-]{0,8}$/)
  const text = fc.string().map(each => each.trim())
  const { element } = fc.letrec<{ element: XmlElement }>(tie => ({
    element: fc.oneof(
      { maxDepth: 4 },
      fc.record({ name, children: fc.constant([]), text }),
      fc.record({ name, children: fc.array(tie('element'), { maxLength: 3 }), text }),
    ),
  }))
  const encode = ({ name, children, text }: XmlElement): string =>
    `<${name}>${escapeXml(text)}${children.map(encode).join('')}</${name}>`

  test('is what was written, and nothing where it is cut off', () => {
    fc.assert(
      fc.property(element, value => {
        const source = encode(value)
        expect(parseXml(source)).toEqual(value)
        for (let length = 0; length < source.length; length++)
          expect(() => parseXml(source.slice(0, length))).toThrow('XML at')
      }),
    )
  })

  test('any text is a document or a protocol violation', () => {
    const token = fc.constantFrom(
      '<a>',
      '</a>',
      '<a/>',
      '<',
      '>',
      '/',
      '"',
      "'",
      '&',
      '&#',
      ';',
      '<!--',
      '-->',
      '<![CDATA[',
      ']]>',
      '<?',
      '?>',
      'x',
    )
    const source = fc.oneof(
      fc.string(),
      fc.array(token).map(tokens => tokens.join('')),
    )
    fc.assert(
      fc.property(source, text => {
        try {
          parseXml(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol-violation' })
        }
      }),
      { numRuns: 3_000 },
    )
  })
})
