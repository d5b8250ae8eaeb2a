/** Dials a peer, from TCP to the answer to HELLO. */

import { EarshotError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Network, SocketAddress } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import type { Header } from './header.ts'
import { encodeHello, type Hello } from './hello.ts'
import { Link } from './link.ts'

export interface DialOptions {
  readonly clock: Clock
  readonly network: Network
  /** For the whole of it. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Makes HELLO, when it is known from which address; it is sent in the same turn. */
  readonly hello: (local: SocketAddress) => Hello
  /** HELLO has no answer, and is not waited for any more: see {@link Link.abandon}. */
  readonly onUnanswered: (link: Link) => void
}

/** Rejects with `unreachable`, `timeout`, `refused` for DENY, `protocol-violation`, `lost`, or the signal's reason. */
export async function dial(remote: SocketAddress, options: DialOptions): Promise<Link> {
  const { clock, network, timeoutMs, signal } = options
  const startedAt = clock.now()
  const link = new Link(await network.connectTcp(remote, { timeoutMs, signal }))
  // Also where it is not wanted any more: the program must read something before it sees the end.
  link.write(encodeHello(options.hello(link.local)))
  const leftMs = Math.max(0, timeoutMs - (clock.now() - startedAt))
  let answer: Header
  try {
    answer = await link.readHeader({ clock, timeoutMs: leftMs, signal })
  } catch (error) {
    const isUnanswered = !link.isClosed && link.queue.length === 0 && !isViolation(error)
    if (isUnanswered) options.onUnanswered(link)
    else link.reset()
    throw error
  }
  if (answer.type === 'ACCEPT') return link
  link.reset()
  if (answer.type === 'DENY') throw denied(remote)
  throw new EarshotError('protocol-violation', `${formatSocketAddress(remote)} answered HELLO with ${answer.type}`)
}

function isViolation(error: unknown): boolean {
  return error instanceof EarshotError && error.code === 'protocol-violation'
}

function denied(remote: SocketAddress): EarshotError {
  return new EarshotError('refused', `${formatSocketAddress(remote)} denied the connection`, {
    hint: 'Its handler of offers decided so; peerpy tells no reason.',
  })
}
