/** One HTTP request to a router, and its response: no redirects, no second request on the connection, no patience. */

import { EarshotError, protocolViolation } from '../../../errors.ts'
import type { SocketAddress, TcpConnection } from '../../../platform/network.ts'
import type { Platform } from '../../../platform/platform.ts'
import { formatSocketAddress } from '../../../platform/socket-address.ts'
import { ANSWER_TIMEOUT_MS } from '../probe.ts'
import { type HttpResponse, HttpResponseReader } from './http-response.ts'

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly to: SocketAddress
  /** The address of this host to ask from. @default as the system chooses */
  readonly localAddress?: string | undefined
  /** With query: `/rootDesc.xml`. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Gets this host's address, as the router will see it. */
  readonly body?: (localAddress: string) => string
  readonly signal: AbortSignal
}

export interface HttpExchange extends HttpResponse {
  /** The address of this host that the router has seen. */
  readonly localAddress: string
}

/** Rejects with `unreachable`, `timeout`, `protocol-violation`, or `signal.reason`. */
export async function requestHttp(platform: Platform, request: HttpRequest): Promise<HttpExchange> {
  const { clock, network } = platform
  const { to, signal, localAddress } = request
  const startedAt = clock.now()
  const from = localAddress === undefined ? {} : { localAddress }
  const connection = await network.connectTcp(to, { timeoutMs: ANSWER_TIMEOUT_MS, signal, ...from })
  const timeoutMs = Math.max(1, ANSWER_TIMEOUT_MS - (clock.now() - startedAt))
  return exchange(platform, connection, { request, timeoutMs })
}

function exchange(
  { clock }: Platform,
  connection: TcpConnection,
  { request, timeoutMs }: { readonly request: HttpRequest; readonly timeoutMs: number },
): Promise<HttpExchange> {
  const server = formatSocketAddress(connection.remote)
  return new Promise((resolve, reject) => {
    const reader = new HttpResponseReader()
    const settle = () => {
      deadline.cancel()
      request.signal.removeEventListener('abort', onAbort)
      connection.destroy()
    }
    const fail = (reason: unknown) => {
      settle()
      reject(reason)
    }
    const attempt = (read: () => HttpResponse | undefined) => {
      try {
        const response = read()
        if (response === undefined) return
        settle()
        resolve({ ...response, localAddress: connection.local.address })
      } catch (error) {
        fail(error)
      }
    }
    const onAbort = () => fail(request.signal.reason)
    const deadline = clock.setTimer(timeoutMs, () => fail(tooSlow(server)))
    request.signal.addEventListener('abort', onAbort)
    connection.start({
      onData: bytes => attempt(() => reader.push(bytes)),
      onDrain() {},
      onEnd: () => attempt(() => reader.end()),
      onClose: error => fail(error ?? protocolViolation(`${server} closed the connection within its HTTP response`)),
    })
    connection.write(encodeRequest(request, connection.local.address))
    if (request.signal.aborted) onAbort()
  })
}

function encodeRequest({ method, to, path, headers = {}, body }: HttpRequest, localAddress: string): Uint8Array {
  const encoder = new TextEncoder()
  const content = body === undefined ? undefined : encoder.encode(body(localAddress))
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${hostField(to)}`,
    'Connection: close',
    'User-Agent: earshot UPnP/1.1',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(content === undefined ? [] : [`Content-Length: ${content.length}`]),
  ]
  const head = encoder.encode(`${lines.join('\r\n')}\r\n\r\n`)
  const bytes = new Uint8Array(head.length + (content?.length ?? 0))
  bytes.set(head)
  if (content !== undefined) bytes.set(content, head.length)
  return bytes
}

/** RFC 6874 section 3: a zone means nothing to the other side. */
function hostField({ address, port }: SocketAddress): string {
  return formatSocketAddress({ address: address.split('%')[0]!, port })
}

function tooSlow(server: string): EarshotError {
  return new EarshotError('timeout', `${server} did not finish its HTTP response within ${ANSWER_TIMEOUT_MS} ms`)
}
