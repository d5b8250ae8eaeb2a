/**
 * Reads one HTTP/1.1 response as its bytes arrive (RFC 9112): by length, in chunks, or to the end of the connection. The
 * other side is whoever answered: everything together is bounded, and nothing is looked at twice.
 */

import { protocolViolation } from '../../../errors.ts'
import { MAX_HTTP_HEADERS, MAX_UPNP_RESPONSE_BYTES } from '../../../limits.ts'

export interface HttpResponse {
  readonly status: number
  readonly reason: string
  readonly body: Uint8Array
}

type Framing =
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunks' }
  | { readonly kind: 'to-the-end' }

interface Head {
  readonly status: number
  readonly reason: string
  readonly framing: Framing
}

const CR = 0x0d
const LF = 0x0a
const NO_BYTES: Uint8Array = new Uint8Array(0)
const latin1 = new TextDecoder('latin1')

export class HttpResponseReader {
  readonly #bytes = new Uint8Array(MAX_UPNP_RESPONSE_BYTES)
  #length = 0
  /** Where the next line begins, and how far its end was looked for. */
  #lineStart = 0
  #lineSearched = 0
  readonly #lines: string[] = []
  #head: Head | undefined
  readonly #chunks: Uint8Array[] = []
  /** Of the chunk whose data come next; `undefined` where its size does. */
  #chunkBytes: number | undefined

  /** Takes what came; the response, once it is complete. Throws `protocol-violation`. */
  push(bytes: Uint8Array): HttpResponse | undefined {
    if (this.#length + bytes.length > MAX_UPNP_RESPONSE_BYTES)
      throw protocolViolation(`an HTTP response is longer than ${MAX_UPNP_RESPONSE_BYTES} bytes`)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
    return this.#advance()
  }

  /** The connection ended: what came is all there is. */
  end(): HttpResponse {
    if (this.#head?.framing.kind !== 'to-the-end') throw protocolViolation('an HTTP response was cut off')
    return this.#complete(this.#bytes.slice(this.#lineStart, this.#length))
  }

  #advance(): HttpResponse | undefined {
    this.#head ??= this.#readHead()
    const framing = this.#head?.framing
    if (framing?.kind === 'chunks') return this.#readChunks()
    if (framing?.kind !== 'length' || this.#length - this.#lineStart < framing.bytes) return undefined
    return this.#complete(this.#bytes.slice(this.#lineStart, this.#lineStart + framing.bytes))
  }

  #complete(body: Uint8Array): HttpResponse {
    const { status, reason } = this.#head!
    return { status, reason, body }
  }

  #readHead(): Head | undefined {
    for (let line = this.#readLine(); line !== undefined; line = this.#readLine()) {
      if (line !== '') this.#lines.push(line)
      else if (this.#lines.length > 0) return decodeHead(this.#lines)
      if (this.#lines.length > MAX_HTTP_HEADERS + 1)
        throw protocolViolation(`an HTTP response has more than ${MAX_HTTP_HEADERS} header fields`)
    }
    return undefined
  }

  /** RFC 9112 section 7.1. */
  #readChunks(): HttpResponse | undefined {
    for (;;) {
      if (this.#chunkBytes === undefined) {
        const line = this.#readLine()
        if (line === undefined) return undefined
        this.#chunkBytes = chunkSize(line)
        if (this.#chunkBytes === 0) return this.#complete(joined(this.#chunks))
      }
      const end = this.#lineStart + this.#chunkBytes
      // Its line break comes behind it.
      if (this.#length < end + 2) return undefined
      this.#chunks.push(this.#bytes.slice(this.#lineStart, end))
      if (this.#bytes[end] !== CR || this.#bytes[end + 1] !== LF) throw protocolViolation('an HTTP chunk has no end')
      this.#lineStart = end + 2
      this.#lineSearched = this.#lineStart
      this.#chunkBytes = undefined
    }
  }

  /** The next line without its line break; `undefined` where it has not come to its end. */
  #readLine(): string | undefined {
    const at = this.#bytes.subarray(0, this.#length).indexOf(LF, Math.max(this.#lineSearched, this.#lineStart))
    this.#lineSearched = this.#length
    if (at < 0) return undefined
    const end = at > this.#lineStart && this.#bytes[at - 1] === CR ? at - 1 : at
    const line = latin1.decode(this.#bytes.subarray(this.#lineStart, end))
    this.#lineStart = at + 1
    this.#lineSearched = this.#lineStart
    return line
  }
}

function decodeHead([statusLine = '', ...lines]: readonly string[]): Head {
  const status = /^HTTP\/1\.[01] (?<status>[1-5]\d\d)(?: (?<reason>.*))?$/.exec(statusLine)?.groups
  if (status === undefined) throw protocolViolation('an HTTP response has no status line')
  const framing = framingOf(new Map(lines.map(headerField)))
  return { status: Number(status['status']), reason: status['reason'] ?? '', framing }
}

function headerField(line: string): [string, string] {
  const at = line.indexOf(':')
  if (at <= 0) throw protocolViolation('an HTTP header field has no name')
  return [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()]
}

/** RFC 9112 section 6.3. */
function framingOf(fields: ReadonlyMap<string, string>): Framing {
  const encoding = fields.get('transfer-encoding')?.toLowerCase()
  if (encoding === 'chunked') return { kind: 'chunks' }
  if (encoding !== undefined && encoding !== 'identity')
    throw protocolViolation('an HTTP response has a transfer encoding other than chunked')
  const length = fields.get('content-length')
  if (length === undefined) return { kind: 'to-the-end' }
  if (!/^\d{1,9}$/.test(length)) throw protocolViolation('an HTTP response has a content length that is no number')
  return { kind: 'length', bytes: Number(length) }
}

function chunkSize(line: string): number {
  const digits = /^[0-9a-f]{1,8}(?=$|[\s;])/i.exec(line)?.[0]
  if (digits === undefined) throw protocolViolation('an HTTP chunk has no size')
  return Number.parseInt(digits, 16)
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 0) return NO_BYTES
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}
