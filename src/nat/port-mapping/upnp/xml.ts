/**
 * XML as routers write it: elements and texts. Attributes and namespaces are left out, they carry nothing here. Whoever wrote
 * it may be hostile: no document type, so no entities of its own; depth and number of elements are bounded, and it is
 * read once from front to back.
 */

import { protocolViolation } from '../../../errors.ts'
import { MAX_XML_DEPTH, MAX_XML_ELEMENTS } from '../../../limits.ts'

export interface XmlElement {
  /** Without namespace prefix. */
  readonly name: string
  readonly children: readonly XmlElement[]
  /** Its own text, trimmed; that of elements inside is theirs. */
  readonly text: string
}

interface OpenElement {
  readonly name: string
  readonly children: XmlElement[]
  readonly texts: string[]
}

/** The root element. Throws `protocol-violation`. */
export function parseXml(source: string): XmlElement {
  return new XmlReader(source).read()
}

/** The first child of that name. */
export function child(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find(candidate => candidate.name === name)
}

/** The text of the first child of that name. */
export function childText(element: XmlElement | undefined, name: string): string | undefined {
  return child(element, name)?.text
}

/** Text as it stands between tags. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, character => `&#${character.charCodeAt(0)};`)
}

const NAME = /[\p{L}_][\p{L}\p{N}_.:-]*/uy
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }
/** Some routers end their documents with zero bytes. */
const BLANK = /^[\s\0\ufeff]*$/

class XmlReader {
  readonly #source: string
  readonly #open: OpenElement[] = []
  #at = 0
  #elements = 0
  #root: XmlElement | undefined

  constructor(source: string) {
    this.#source = source
  }

  read(): XmlElement {
    while (this.#at < this.#source.length) this.#readNext()
    if (this.#open.length > 0) throw this.#violation(`<${this.#open.at(-1)!.name}> has no end`)
    if (this.#root === undefined) throw this.#violation('there is no element')
    return this.#root
  }

  #readNext(): void {
    const source = this.#source
    if (source[this.#at] !== '<') this.#readText()
    else if (source.startsWith('<!--', this.#at)) this.#skipPast('-->', 4)
    else if (source.startsWith('<?', this.#at)) this.#skipPast('?>', 2)
    else if (source.startsWith('<![CDATA[', this.#at)) this.#addText(this.#skipPast(']]>', 9))
    else if (source.startsWith('<!', this.#at)) throw this.#violation('a document type is not allowed')
    else if (source[this.#at + 1] === '/') this.#readEnd()
    else this.#readStart()
  }

  #readText(): void {
    const end = this.#source.indexOf('<', this.#at)
    const text = this.#source.slice(this.#at, end < 0 ? this.#source.length : end)
    this.#addText(unescapeXml(text))
    this.#at += text.length
  }

  #addText(text: string): void {
    const parent = this.#open.at(-1)
    if (parent !== undefined) parent.texts.push(text)
    else if (!BLANK.test(text)) throw this.#violation('text stands outside of the root element')
  }

  #readStart(): void {
    const name = this.#readName(1)
    const isEmpty = this.#skipAttributes()
    this.#elements += 1
    if (this.#elements > MAX_XML_ELEMENTS) throw this.#violation(`there are more than ${MAX_XML_ELEMENTS} elements`)
    if (this.#open.length === MAX_XML_DEPTH)
      throw this.#violation(`elements are nested more than ${MAX_XML_DEPTH} deep`)
    if (this.#open.length === 0 && this.#root !== undefined) throw this.#violation('there is a second root element')
    this.#open.push({ name, children: [], texts: [] })
    if (isEmpty) this.#close()
  }

  #readEnd(): void {
    const name = this.#readName(2)
    const open = this.#open.at(-1)
    if (open?.name !== name) throw this.#violation(`</${name}> ends nothing that is open`)
    this.#skipPast('>', 0)
    this.#close()
  }

  #close(): void {
    const { name, children, texts } = this.#open.pop()!
    const element = { name, children, text: texts.join('').trim() }
    const parent = this.#open.at(-1)
    if (parent === undefined) this.#root = element
    else parent.children.push(element)
  }

  #readName(skipped: number): string {
    NAME.lastIndex = this.#at + skipped
    const name = NAME.exec(this.#source)?.[0]
    if (name === undefined) throw this.#violation('a tag has no name')
    this.#at = NAME.lastIndex
    return name.slice(name.lastIndexOf(':') + 1)
  }

  /** To the end of the tag; true where it is an empty element. A `>` in quotes does not end it. */
  #skipAttributes(): boolean {
    for (let quote = ''; this.#at < this.#source.length; this.#at++) {
      const character = this.#source[this.#at]!
      if (quote !== '') quote = character === quote ? '' : quote
      else if (character === '"' || character === "'") quote = character
      else if (character === '<') break
      else if (character === '>') return this.#source[this.#at++ - 1] === '/'
    }
    throw this.#violation('a tag has no end')
  }

  /** What is between here and `end`, which is passed. */
  #skipPast(end: string, skipped: number): string {
    const from = this.#at + skipped
    const at = this.#source.indexOf(end, from)
    if (at < 0) throw this.#violation(`'${end}' is missing`)
    this.#at = at + end.length
    return this.#source.slice(from, at)
  }

  #violation(what: string): Error {
    return protocolViolation(`XML at offset ${this.#at}: ${what}`)
  }
}

/** An ampersand that begins no entity is one: routers do not escape the names people give them. */
function unescapeXml(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{1,8}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? whole
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
