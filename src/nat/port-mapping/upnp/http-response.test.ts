import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type HttpResponse, HttpResponseReader } from './http-response.ts'

const encode = (text: string) => new TextEncoder().encode(text)

/** Reads `bytes` in pieces of those lengths, and the end of the connection behind them. */
function read(bytes: Uint8Array, pieces: readonly number[] = []): HttpResponse {
  const reader = new HttpResponseReader()
  let offset = 0
  for (const length of [...pieces, bytes.length]) {
    const response = reader.push(bytes.subarray(offset, offset + length))
    if (response !== undefined) return response
    offset += length
    if (offset >= bytes.length) break
  }
  return reader.end()
}

const bodyOf = (text: string, pieces?: readonly number[]) => new TextDecoder().decode(read(encode(text), pieces).body)

describe('an HTTP response', () => {
  test.each([
    ['by its length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n'],
    ['to the end of the connection', 'HTTP/1.0 200\r\n\r\nhello'],
    ['with bare line feeds', 'HTTP/1.1 200 OK\ncontent-length:5\n\nhello'],
  ])('is read %s', (_, text) => {
    expect(bodyOf(text)).toBe('hello')
    // A byte at a time.
    expect(
      bodyOf(
        text,
        Array.from(text, () => 1),
      ),
    ).toBe('hello')
  })

  test('has status and reason', () => {
    expect(read(encode('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'))).toMatchObject({
      status: 404,
      reason: 'Not Found',
    })
  })

  test.each([
    ['SSH-2.0-x\r\n\r\n', 'no status line'],
    ['HTTP/1.1 200 OK\r\nnonsense\r\n\r\n', 'a header field has no name'.replace('a ', 'an HTTP ')],
    ['HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', 'content length that is no number'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n', 'other than chunked'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 'chunk has no size'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n', 'chunk has no end'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel', 'was cut off'],
    ['HTTP/1.1 200 OK\r\n', 'was cut off'],
    [`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(101)}\r\n`, 'more than 100 header fields'],
    [`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(131_072)}`, 'longer than 131072 bytes'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nx', 'was cut off'],
  ])('%j is refused: %s', (text, message) => {
    expect(() => read(encode(text))).toThrow(message)
  })

  test('is the same in whatever pieces it comes', () => {
    const body = fc.array(fc.string(), { maxLength: 4 })
    fc.assert(
      fc.property(body, fc.array(fc.nat(9)), (parts, pieces) => {
        const chunks = parts
          .filter(part => part !== '')
          .map(part => `${encode(part).length.toString(16)}\r\n${part}\r\n`)
        const text = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join('')}0\r\n\r\n`
        expect(bodyOf(text, pieces)).toBe(parts.join(''))
      }),
    )
  })

  test('any bytes in any pieces are one or a protocol violation', () => {
    const token = fc.constantFrom(
      'HTTP/1.1 200 OK',
      '\r\n',
      '\n',
      '\r',
      'Content-Length: 3',
      'Transfer-Encoding: chunked',
      ':',
      '0',
      '3',
      'abc',
    )
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(token).map(tokens => encode(tokens.join(''))),
    )
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(20)), (source, pieces) => {
        try {
          read(source, pieces)
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol-violation' })
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('a byte at a time takes no longer than its length allows', () => {
    const reader = new HttpResponseReader()
    const startedAt = performance.now()
    reader.push(encode('HTTP/1.1 200 OK\r\nA: '))
    for (let i = 0; i < 100_000; i++) reader.push(Uint8Array.of(0x61))
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })
})
