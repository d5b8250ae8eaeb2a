/**
 * Whether a TURN server relays, and how fast. Rooms use relayed TCP (RFC 6062): two allocations are made, and a word goes from
 * one through the server to the other and back. Where the URI says UDP, relayed datagrams are tried as well, with one
 * allocation that sends to itself.
 */

import { EarshotError } from '../errors.ts'
import { formatStunUri, parseStunUri } from '../nat/stun/stun-uri.ts'
import { allocateOn, allocateTcpOn } from '../nat/turn/allocate.ts'
import { checkAllocateOptions, checkAllocateTcpOptions } from '../nat/turn/allocate-options.ts'
import type { TcpAllocation } from '../nat/turn/tcp-allocation.ts'
import type { TcpConnection } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'
import { formatSocketAddress } from '../platform/socket-address.ts'
import { type Finding, failure, finding } from './finding.ts'
import { within } from './within.ts'

export interface RelayCheckParts {
  readonly platform: Platform
  readonly server: string
  readonly username: string
  readonly credential: string
  readonly timeoutMs: number
  readonly trustedCertificates: readonly string[] | undefined
  readonly signal: AbortSignal | undefined
}

interface Measured {
  readonly allocateMs: number
  readonly roundTripMs: number
  readonly relayed: string
}

const WORD = new TextEncoder().encode('is this relayed?')
/** From one datagram to the next: any of them may get lost. */
const REPEAT_MS = 250

export async function checkRelay(parts: RelayCheckParts): Promise<readonly Finding[]> {
  const uri = parseStunUri(parts.server)
  const isUdp = uri.transport === 'udp'
  const overTcp = isUdp ? formatStunUri({ ...uri, transport: 'tcp' }) : parts.server
  // One after the other: some servers give each user one allocation.
  const tcp = await attempt(overTcp, 'TCP', 'problem', parts, () => relayTcp({ ...parts, server: overTcp }))
  if (!isUdp) return [tcp]
  // Rooms do without it.
  return [tcp, await attempt(parts.server, 'UDP', 'note', parts, () => relayUdp(parts))]
}

async function attempt(
  server: string,
  transport: 'TCP' | 'UDP',
  verdict: 'problem' | 'note',
  { timeoutMs, signal, platform }: RelayCheckParts,
  measure: () => Promise<Measured>,
): Promise<Finding> {
  const common = { check: 'relay', subject: server } as const
  try {
    const measured = await within(platform.clock, 2 * timeoutMs, signal, measure())
    const message = `relays ${transport}: allocated in ${Math.round(measured.allocateMs)} ms, a round trip through it takes ${Math.round(measured.roundTripMs)} ms`
    return finding({ ...common, verdict: 'ok', message, details: { relays: transport.toLowerCase(), ...measured } })
  } catch (error) {
    signal?.throwIfAborted()
    const details = { relays: transport.toLowerCase() }
    const message = `does not relay ${transport}: ${(error as Error).message}`
    const hint = hintFor(error, transport)
    return failure({ ...common, verdict, message, details, ...(hint && { hint }) }, error)
  }
}

function hintFor(error: unknown, transport: 'TCP' | 'UDP'): string | undefined {
  if (!(error instanceof EarshotError)) return undefined
  const { code, reason = '', hint } = error
  if (code === 'refused' && /^(401|441)/.test(reason))
    return 'Check user and password (turn:USER:PASSWORD@HOST, or EARSHOT_TURN_USER and EARSHOT_TURN_PASSWORD).'
  if (code === 'refused' && transport === 'TCP' && reason.startsWith('442')) {
    return 'Rooms need a server that relays TCP (RFC 6062), such as coturn without --no-tcp-relay.'
  }
  if (code === 'limit-reached') return 'The server allows this user too few allocations: two are needed to try it.'
  return hint ?? 'Check its name and port, and whether a firewall drops what is sent there.'
}

async function relayTcp(parts: RelayCheckParts): Promise<Measured> {
  const { clock } = parts.platform
  const startedAt = clock.now()
  const first = await openTcp(parts, echo)
  const allocateMs = clock.now() - startedAt
  try {
    const second = await openTcp(parts, connection => connection.destroy())
    try {
      await first.permit(second.relayedAddress.address)
      const connection = await second.connect(first.relayedAddress)
      const roundTripMs = await roundTrip(parts.platform, connection)
      return { allocateMs, roundTripMs, relayed: formatSocketAddress(first.relayedAddress) }
    } finally {
      await second.close()
    }
  } finally {
    await first.close()
  }
}

function openTcp(parts: RelayCheckParts, onConnection: (connection: TcpConnection) => void): Promise<TcpAllocation> {
  const options = { ...optionsOf(parts), onConnection }
  return allocateTcpOn(parts.platform, checkAllocateTcpOptions(options), options)
}

function echo(connection: TcpConnection): void {
  connection.start({
    onData: bytes => void connection.write(bytes),
    onDrain() {},
    onEnd: () => connection.end(),
    onClose() {},
  })
}

function roundTrip({ clock }: Platform, connection: TcpConnection): Promise<number> {
  const startedAt = clock.now()
  return new Promise((resolve, reject) => {
    let left = WORD.length
    connection.start({
      onData: bytes => {
        left -= bytes.length
        if (left > 0) return
        resolve(clock.now() - startedAt)
        connection.destroy()
      },
      onDrain() {},
      onEnd() {},
      onClose: error =>
        reject(error ?? new EarshotError('lost', 'the relayed connection ended before anything came back')),
    })
    connection.write(WORD)
  })
}

async function relayUdp(parts: RelayCheckParts): Promise<Measured> {
  const { clock } = parts.platform
  const startedAt = clock.now()
  let onBack = (): void => {}
  const back = new Promise<void>(resolve => {
    onBack = resolve
  })
  const options = { ...optionsOf(parts), onDatagram: () => onBack() }
  const allocation = await allocateOn(parts.platform, checkAllocateOptions(options), options)
  const allocateMs = clock.now() - startedAt
  let repeat = clock.setTimer(0, () => {})
  try {
    await allocation.permit(allocation.relayedAddress.address)
    let sentAt = clock.now()
    const send = (): void => {
      sentAt = clock.now()
      allocation.send(WORD, allocation.relayedAddress)
      repeat = clock.setTimer(REPEAT_MS, send)
    }
    send()
    await within(clock, parts.timeoutMs, parts.signal, back, 'what was sent through the relay did not come back')
    return { allocateMs, roundTripMs: clock.now() - sentAt, relayed: formatSocketAddress(allocation.relayedAddress) }
  } finally {
    repeat.cancel()
    await allocation.close()
  }
}

function optionsOf({ server, username, credential, timeoutMs, trustedCertificates, signal }: RelayCheckParts) {
  return {
    server,
    username,
    credential,
    timeoutMs,
    ...(trustedCertificates && { trustedCertificates }),
    ...(signal && { signal }),
  }
}
