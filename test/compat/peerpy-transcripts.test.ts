/** The recorded transcripts: our peer in the place of one side, the other side played with its borders and times. */

import { describe, expect, test } from 'vitest'
import { decodeDataHeader } from '../../src/compat/peerpy/data-header.ts'
import { DISCOVERY_PORT } from '../../src/compat/peerpy/discovery-packet.ts'
import { decodeHeader } from '../../src/compat/peerpy/header.ts'
import { type DataType, decodeDataType, decodeHello } from '../../src/compat/peerpy/hello.ts'
import { decodePayload } from '../../src/compat/peerpy/payload.ts'
import type { PeerpyConnection } from '../../src/compat/peerpy.ts'
import { all, failureOf, logOf, onPeerpyStage, type PeerpyStage } from './peerpy-stage.ts'
import { ADDRESSES, atTheirTimes, joined, readTranscript, segmentsOf, type TranscriptLine } from './transcript.ts'

const TALKS = ['peerpy-02-json', 'peerpy-03-bytes']
/** The programs ran with this time-out. */
const TIMEOUT_MS = 1_000

interface Said {
  readonly ms: number
  readonly value: unknown
}

/** What one side's application sent, and when. */
function saidBy(lines: readonly TranscriptLine[], host: string): readonly Said[] {
  const own = lines.filter(({ from, kind }) => from.host === host && kind === 'DATA')
  return own.flatMap(({ ms, bytes }, i) => {
    const isHeader = bytes.length === 128 && decodeHeader(bytes).type === 'DATA'
    if (!isHeader) return []
    const { dataType } = decodeDataHeader(decodeHeader(bytes))
    return [{ ms, value: decodePayload(decodeDataType(dataType), own[i + 1]!.bytes) }]
  })
}

function valuesSaidBy(lines: readonly TranscriptLine[], host: string): readonly unknown[] {
  return saidBy(lines, host).map(({ value }) => value)
}

function dataTypeOf(lines: readonly TranscriptLine[]): DataType {
  return decodeHello(decodeHeader(segmentsOf(lines, 'A')[0]!)).dataType
}

function portOf(lines: readonly TranscriptLine[]): { readonly server: number; readonly announced: number } {
  const announced = decodeHello(decodeHeader(segmentsOf(lines, 'A')[0]!)).peerName.split(':')[1]
  return { server: lines[0]!.to.port, announced: Number(announced) }
}

/** Our application says what the other one said, at its times. */
function sayAll(stage: PeerpyStage, host: string, said: readonly Said[], connection: PeerpyConnection): void {
  for (const { ms, value } of said) {
    stage.host(host).network.clock.setTimer(ms - stage.net.now, () => void connection.send(value))
  }
}

describe.each(TALKS)('%s', name => {
  const lines = readTranscript(name)
  const { server, announced } = portOf(lines)
  const lastMs = Math.max(...lines.filter(({ kind }) => kind === 'DATA').map(({ ms }) => ms))

  test('we are A, who dials: every byte is A’s, and B’s messages arrive', async () => {
    await onPeerpyStage(async stage => {
      const heard: unknown[] = []
      const a = await stage.listen('A', { port: announced, timeoutMs: TIMEOUT_MS })
      const { address, called } = await stage.accept('B', server)
      a.on('data', ({ data }) => heard.push(data))
      const connecting = a.connect(address, { dataType: dataTypeOf(lines) })
      const b = await called
      const fromB = lines.filter(({ from, kind }) => from.host === 'B' && kind === 'DATA')
      atTheirTimes(stage.host('B').network.clock, fromB, ({ bytes }) => b.say(bytes))
      const connection = await connecting
      sayAll(stage, 'A', saidBy(lines, 'A'), connection)
      await stage.net.advance(lastMs + 20 - stage.net.now)
      await connection.close()

      expect(heard).toEqual(valuesSaidBy(lines, 'B'))
      // The PING after a second of silence too.
      expect(joined(stage.segmentsFrom('A'))).toBe(joined(segmentsOf(lines, 'A')))
      expect(stage.flagsFrom('A').at(-1)).toBe('rst')
    })
  })

  test('we are B, who accepts: every byte is B’s, and A’s messages arrive', async () => {
    await onPeerpyStage(async stage => {
      stage.host('A')
      const heard: unknown[] = []
      const b = await stage.listen('B', { port: server, timeoutMs: TIMEOUT_MS })
      b.on('data', ({ data }) => heard.push(data))
      const a = await stage.dial('A', b.address)
      const fromA = lines.filter(({ from, kind }) => from.host === 'A' && ['DATA', 'FIN'].includes(kind))
      b.on('connection', connection => sayAll(stage, 'B', saidBy(lines, 'B'), connection))
      const log = logOf(b)
      atTheirTimes(stage.host('A').network.clock, fromA, ({ kind, bytes }) =>
        kind === 'FIN' ? a.tcp.end() : a.say(bytes),
      )
      await stage.net.advance(lastMs + 200)

      expect(heard).toEqual(valuesSaidBy(lines, 'A'))
      expect(joined(stage.segmentsFrom('B'))).toBe(joined(segmentsOf(lines, 'B')))
      expect(log.at(-1)).toBe(`close ${ADDRESSES['A']}:${announced} orderly`)
    })
  })

  test('header and payload leave together, for the program reads each with one call', async () => {
    await onPeerpyStage(async stage => {
      stage.host('A')
      const b = await stage.listen('B', { port: server })
      const a = await stage.listen('A', { port: announced })
      const connection = await a.connect(b.address, { dataType: dataTypeOf(lines) })
      await Promise.all(valuesSaidBy(lines, 'A').map(value => connection.send(value)))
      await stage.net.advance(50)
      const segments = stage.segmentsFrom('A').filter(bytes => Buffer.from(bytes).toString('latin1').startsWith('DATA'))

      expect(segments).toHaveLength(valuesSaidBy(lines, 'A').length)
      for (const segment of segments) {
        const { sizeBytes } = decodeDataHeader(decodeHeader(segment.subarray(0, 128)))
        expect(segment).toHaveLength(128 + sizeBytes)
      }
    })
  })
})

describe('peerpy-05-deny', () => {
  const lines = readTranscript('peerpy-05-deny')
  const { server, announced } = portOf(lines)

  test('we are A: denied', async () => {
    await onPeerpyStage(async stage => {
      const a = await stage.listen('A', { port: announced })
      const { address, called } = await stage.accept('B', server)
      const failing = failureOf(a.connect(address))
      const b = await called
      await stage.until(() => b.received.length > 0)
      b.say(segmentsOf(lines, 'B')[0]!)
      b.tcp.end()

      expect(await failing).toMatchObject({ code: 'refused', message: `${address} denied the connection` })
      expect(joined(stage.segmentsFrom('A'))).toBe(joined(segmentsOf(lines, 'A')))
      expect(a.connections).toEqual([])
    })
  })

  test('we are B: DENY, then FIN', async () => {
    await onPeerpyStage(async stage => {
      stage.host('A')
      const b = await stage.listen('B', { port: server, admit: () => false })
      const log = logOf(b)
      const a = await stage.dial('A', b.address)
      a.say(segmentsOf(lines, 'A')[0]!)
      await stage.until(() => a.ends.length > 0)
      a.tcp.end()
      await stage.net.advance(20)

      expect(joined(stage.segmentsFrom('B'))).toBe(joined(segmentsOf(lines, 'B')))
      expect(a.ends).toEqual(['end', 'closed'])
      expect(log).toEqual([`listen ${b.address}`, `offer ${ADDRESSES['A']}:${announced} json strict`])
    })
  })
})

describe('peerpy-01-discovery', () => {
  const lines = readTranscript('peerpy-01-discovery')
  const pings = lines.filter(({ from }) => from.host === 'A')
  const pongs = lines.filter(({ from }) => from.host !== 'A')

  test('we are A: the same PINGs, and B and C are found; later only B', async () => {
    await onPeerpyStage(async stage => {
      const a = await stage.listen('A', { invisible: true })
      for (const name of ['B', 'C']) {
        const { network } = stage.host(name).network
        let round = 0
        const socket = await network.openUdp(
          { address: '0.0.0.0', port: DISCOVERY_PORT, sharePort: true, broadcast: true },
          {
            onDatagram: () => {
              const answers = pongs.filter(({ from, ms }) => from.host === name && ms > 1_000 === round > 0)
              round++
              for (const { bytes } of answers) socket.send(bytes, { address: ADDRESSES['A']!, port: DISCOVERY_PORT })
            },
            onError() {},
          },
        )
      }
      const startedAt = stage.net.now
      expect((await all(a.discover())).sort()).toEqual(['10.77.0.2:51002', '10.77.0.3:51003'])
      // Half a second after the last PONG, as the program.
      expect(stage.net.now - startedAt).toBeGreaterThanOrEqual(500)
      expect(stage.net.now - startedAt).toBeLessThan(520)
      expect(await all(a.discover())).toEqual(['10.77.0.2:51002'])

      const sent = stage.packets.filter(({ host, protocol }) => host === 'A' && protocol === 'udp')
      expect(sent.map(({ from, to }) => `${from} > ${to}`)).toEqual([
        '10.77.0.1:1024 > 255.255.255.255:1024',
        '10.77.0.1:1024 > 255.255.255.255:1024',
      ])
      expect(sent.map(({ bytes }) => joined([bytes]))).toEqual(pings.map(({ bytes }) => joined([bytes])))
    })
  })

  test('we are B and C: the same PONGs, none from C once it is invisible', async () => {
    await onPeerpyStage(async stage => {
      const { network } = stage.host('A').network
      await stage.listen('B', { port: 51_002 })
      const c = await stage.listen('C', { port: 51_003 })
      const heard: string[] = []
      const socket = await network.openUdp(
        { address: ADDRESSES['A']!, port: DISCOVERY_PORT, sharePort: true, broadcast: true },
        {
          onDatagram: (bytes, remote) => heard.push(`${remote.address}:${remote.port} ${joined([bytes])}`),
          onError() {},
        },
      )
      atTheirTimes(stage.host('A').network.clock, pings, ({ bytes }) =>
        socket.send(bytes, { address: '255.255.255.255', port: DISCOVERY_PORT }),
      )
      await stage.net.advance(600)
      c.invisible = true
      await stage.net.advance(800)

      expect(heard.sort()).toEqual(
        pongs.map(({ from, bytes }) => `${ADDRESSES[from.host]}:1024 ${joined([bytes])}`).sort(),
      )
    })
  })
})
