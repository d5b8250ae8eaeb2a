/** A session over several connections, between two hosts whose simulated network breaks between them. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asPath, type End, RawPeer, RecordingSession, reconnect, type Stage, stage } from '../../test/session/stage.ts'
import { simulate } from '../testing/index.ts'
import { encodeGoodbye, Frame, Payload } from './frame.ts'
import { encodePathRecord } from './path-record.ts'
import { Paths, type PathsHandlers } from './paths.ts'
import type { SessionConnection } from './session.ts'

async function pair(options = {}): Promise<Stage & { ada2: RecordingSession; bob2: RecordingSession }> {
  const set = await stage(options)
  return Object.assign(set, { ada2: new RecordingSession(set.ada), bob2: new RecordingSession(set.bob) })
}

const NOBODY: PathsHandlers = {
  onRecord() {},
  onGoodbye() {},
  onHeard() {},
  onWritable() {},
  onPathChosen() {},
  onPathClosed() {},
  onViolation() {},
}

/** One more connection under both sessions. */
async function join(
  set: { net: Stage['net']; ada: End; bob: End },
  ada: RecordingSession,
  bob: RecordingSession,
  properties: Partial<SessionConnection> = {},
) {
  const [received, receivedThere] = [ada.session.offer.received, bob.session.offer.received]
  const ends = await reconnect(set)
  ada.session.join({ ...asPath(ends.ada), ...properties }, receivedThere)
  bob.session.join({ ...asPath(ends.bob), ...properties }, received)
  return ends
}

/** As if between other addresses: there no side ends a path because it is replaced. */
const elsewhere = (networks: string | undefined) => ({ networks, decides: false })

const message = (n: number, size = 10) => [0, Payload.message, 0, n, new Uint8Array(size)] as const
const numbers = (session: RecordingSession) => session.payloads.map(({ b }) => b)
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i)

describe('a session whose connection breaks', () => {
  test('goes on over another one: each record arrives once, in order, both ways', async () => {
    const set = await pair()
    const { ada2: ada, bob2: bob } = set
    for (let i = 0; i < 50; i++) {
      ada.session.send(...message(i))
      bob.session.send(...message(i, 20_000))
      if (i === 25) await set.net.advance(0.3)
    }
    set.ada.tcp.destroy()
    await set.net.advance(10)
    expect([ada.session.presence, bob.session.presence]).toEqual(['away', 'away'])
    for (let i = 50; i < 60; i++) ada.session.send(...message(i))
    await set.net.advance(5_000)
    await join(set, ada, bob)
    await set.net.advance(3_000)

    expect(numbers(bob)).toEqual(upTo(60))
    expect(numbers(ada)).toEqual(upTo(50))
    expect([ada.session.unacknowledgedBytes, bob.session.unacknowledgedBytes]).toEqual([0, 0])
    expect([ada.ends, bob.ends]).toEqual([[], []])
    expect(ada.presences.map(([presence]) => presence)).toEqual(['away', 'here'])
  })

  test('goes on when the next one breaks, too, at any moment', async () => {
    const set = await pair({ seed: 5 })
    const { ada2: ada, bob2: bob } = set
    let ends: { ada: End; bob: End } = set
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 10; i++) ada.session.send(...message(round * 10 + i, 30_000))
      await set.net.advance(round * 0.05)
      ends[round % 2 === 0 ? 'ada' : 'bob'].tcp.destroy()
      await set.net.advance(5)
      ends = await join(set, ada, bob)
    }
    await set.net.advance(3_000)
    expect(numbers(bob)).toEqual(upTo(300))
  })

  test('lets large messages and what waits for credit go on where they were', async () => {
    const set = await pair()
    const { ada2: ada, bob2: bob } = set
    const sends = upTo(5).map(i => ada.session.send(...message(i, 3_000_000)))
    await set.net.advance(0.7)
    set.bob.tcp.destroy()
    await set.net.advance(5_000)
    await join(set, ada, bob)
    await set.net.advance(3_000)
    await Promise.all(sends)
    expect(bob.payloads.map(({ b, body }) => [b, body.length])).toEqual(upTo(5).map(i => [i, 3_000_000]))
  })

  test('keeps a bounded number of bytes for a peer that does not acknowledge', async () => {
    const set = await stage()
    const ada = new RecordingSession(set.ada)
    const raw = new RawPeer(set.bob)
    const written: number[] = []
    for (let i = 0; i < 4_000; i++) {
      ada.session.send(...message(i, 16_000))?.catch(() => {})
      if (i % 20 === 19) {
        raw.send([0x06, 0, 0x80, 0x04, 0x93, 0xe0])
        await set.net.advance(5)
      }
      written.push(ada.session.unacknowledgedBytes)
    }
    expect(Math.max(...written)).toBeGreaterThan(32_000_000)
    expect(Math.max(...written)).toBeLessThan(33_554_432 + 1_048_576)
    raw.send(encodePathRecord({ kind: 'acknowledgement', received: 500 }))
    await set.net.advance(5)
    expect(ada.session.unacknowledgedBytes).toBeLessThan(33_554_432)
    expect(ada.ends).toEqual([])
  })

  test('keeps a bounded number of records, too: each costs more than its bytes', () => {
    const paths = new Paths(simulate().host('ada').network.clock, NOBODY)
    paths.add({
      connection: { sendRecord: () => true } as never,
      rank: 0,
      networks: undefined,
      isInitiator: true,
      receivedByPeer: undefined,
    })
    let sent = 0
    while (sent < 200_000 && paths.send(Uint8Array.of(0x0d, 0))) sent++
    expect(sent).toBeGreaterThan(50_000)
    expect(sent).toBeLessThan(200_000)
  })
})

describe('two paths', () => {
  test('between the same addresses: the new one is used, and the old one ends', async () => {
    const set = await pair()
    const { ada2: ada, bob2: bob } = set
    await set.net.advance(2_000)
    const ends = await join(set, ada, bob)
    expect(ada.session.paths).toHaveLength(2)
    for (let i = 0; i < 10; i++) ada.session.send(...message(i))
    await set.net.advance(2_000)
    expect(numbers(bob)).toEqual(upTo(10))
    expect(ada.session.paths.map(({ connection }) => connection)).toEqual([ends.ada.connection])
    expect([...ada.presences, ...bob.presences]).toEqual([])
  })

  test('of which one is silent: what is sent leaves on the other, and nothing is lost', async () => {
    const set = await pair()
    const { ada2: ada, bob2: bob } = set
    const ends = await reconnect(set)
    ada.session.join(asPath(ends.ada, 1), 0)
    bob.session.join({ ...asPath(ends.bob, 1), decides: false }, 0)
    ada.session.send(...message(0))
    await set.net.advance(10)
    // What is read no more looks like a cable that was pulled.
    set.bob.tcp.pause()
    ends.bob.tcp.pause()
    await set.net.advance(10)
    ends.bob.tcp.resume()
    for (let i = 1; i < 10; i++) ada.session.send(...message(i))
    await set.net.advance(6_000)
    expect(numbers(bob)).toEqual(upTo(10))
  })
})

describe('paths that connect the same networks', () => {
  const connections = (session: RecordingSession) => session.session.paths.map(({ connection }) => connection)

  test('become one, which stays, and what was under way on the others arrives', async () => {
    const set = await pair({ delayMs: 20 })
    const { ada2: ada, bob2: bob } = set
    const first = await join(set, ada, bob, elsewhere('1-1'))
    const second = await join(set, ada, bob, elsewhere('1-1'))
    // The two sides do not send on the same one.
    set.bob.tcp.destroy()
    await set.net.advance(50)
    for (let i = 0; i < 200; i++) {
      ada.session.send(...message(i, 2_000))
      bob.session.send(...message(i, 2_000))
      await set.net.advance(10)
    }
    await set.net.advance(1_000)
    const left = connections(bob)
    expect([[first.bob.connection], [second.bob.connection]]).toContainEqual(left)
    await set.net.advance(60_000)
    expect(connections(bob)).toEqual(left)
    expect(connections(ada)).toHaveLength(1)
    expect([numbers(ada), numbers(bob)]).toEqual([upTo(200), upTo(200)])
    expect([...ada.presences, ...bob.presences]).toEqual([])
  })

  test('become one by the word of the side that decides, and of no other', async () => {
    const set = await stage()
    const [ada, raw] = [new RecordingSession(set.ada), new RawPeer(set.bob)]
    for (let i = 0; i < 2; i++) {
      const ends = await reconnect(set)
      const peer = new RawPeer(ends.bob)
      ada.session.join({ ...asPath(ends.ada), ...elsewhere('1-1') }, 0)
      peer.send(encodePathRecord({ kind: 'start', number: 0 }))
    }
    await set.net.advance(3_000)
    expect(ada.session.paths).toHaveLength(3)
    expect(raw.closes).toEqual([])
  })

  test('stay where the better one is not heard', async () => {
    const set = await pair()
    const { ada2: ada, bob2: bob } = set
    const worse = await join(set, ada, bob, elsewhere('1-1'))
    const better = await reconnect(set)
    bob.session.join({ ...asPath(better.bob, -1), ...elsewhere('1-1') }, 0)
    await set.net.advance(3_000)
    expect(connections(bob)).toContain(worse.bob.connection)
    ada.session.join({ ...asPath(better.ada, -1), ...elsewhere('1-1') }, 0)
    await set.net.advance(3_000)
    expect(connections(bob)).toEqual([set.bob.connection, better.bob.connection])
  })

  test('stay beside those that connect others, and those of which that is not known', async () => {
    const set = await pair()
    const { ada2: ada, bob2: bob } = set
    for (const networks of ['1-2', '2-1', undefined]) await join(set, ada, bob, elsewhere(networks))
    await set.net.advance(60_000)
    expect([ada.session.paths.length, bob.session.paths.length]).toEqual([4, 4])
  })

  test('whatever joins and breaks: nothing is lost, and each pair of networks keeps one', async () => {
    const event = fc.record({
      kind: fc.constantFrom('join', 'join', 'break'),
      at: fc.nat(3),
      networks: fc.constantFrom('1-1', '1-2', undefined),
      rank: fc.nat(1),
      thenMs: fc.constantFrom(0, 0.5, 30, 700, 3_000),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1_000_000),
        fc.constantFrom(0.2, 20),
        fc.array(event, { maxLength: 12 }),
        async (seed, delayMs, events) => {
          const set = await pair({ seed, delayMs })
          const { ada2: ada, bob2: bob } = set
          let sent = 0
          for (const { kind, at, networks, rank, thenMs } of events) {
            const { paths } = bob.session
            if (kind === 'break' && paths.length > 1) paths[at % paths.length]!.abort()
            else if (paths.length < 4) await join(set, ada, bob, { ...elsewhere(networks), rank })
            ada.session.send(...message(sent, 5_000))
            bob.session.send(...message(sent++, 5_000))
            await set.net.advance(thenMs)
          }
          if (bob.session.presence === 'away') await join(set, ada, bob, elsewhere('1-1'))
          await set.net.advance(10_000)
          expect([numbers(ada), numbers(bob)]).toEqual([upTo(sent), upTo(sent)])
          const known = bob.session.paths.flatMap(({ networks }) => networks ?? [])
          expect(new Set(known).size).toBe(known.length)
          expect(bob.session.paths.length).toBeGreaterThan(0)
        },
      ),
      { numRuns: 100 },
    )
  })
})

test('what has arrived is acknowledged again where the path broke on which that was said', async () => {
  const set = await pair()
  const { ada2: ada, bob2: bob } = set
  const ends = await reconnect(set)
  ada.session.join(asPath(ends.ada, -1), 0)
  bob.session.join({ ...asPath(ends.bob, -1), decides: false }, 0)
  await set.net.advance(3_000)
  ends.ada.tcp.pause()
  for (let i = 0; i < 3; i++) ada.session.send(...message(i, 60_000))
  await set.net.advance(100)
  expect(numbers(bob)).toEqual(upTo(3))
  expect(ada.session.unacknowledgedBytes).toBeGreaterThan(180_000)
  ends.ada.tcp.destroy()
  await set.net.advance(5_000)
  expect(ada.session.unacknowledgedBytes).toBe(0)
})

describe('a peer that takes back its admit', () => {
  test('has ended the session, and says why as in the greeting', async () => {
    const set = await stage()
    const [target, raw] = [new RecordingSession(set.ada), new RawPeer(set.bob)]
    raw.send(encodeGoodbye({ code: 'refused', reason: 'locked', retryAfterMs: 5_000 }))
    await set.net.advance(100)
    expect(target.ends).toMatchObject([{ code: 'refused', reason: 'locked', retryAfterMs: 5_000, byPeer: true }])
  })

  test('because there are paths enough has ended that path alone', async () => {
    const set = await pair()
    const { ada2: ada, bob2: bob } = set
    const ends = await reconnect(set)
    const raw = new RawPeer(ends.bob)
    ada.session.join(asPath(ends.ada, -1), 0)
    raw.send(encodeGoodbye({ code: 'duplicate', reason: '', retryAfterMs: 0 }))
    await set.net.advance(2_000)
    for (let i = 0; i < 10; i++) ada.session.send(...message(i))
    await set.net.advance(100)
    expect(ada.session.paths).toHaveLength(1)
    expect(numbers(bob)).toEqual(upTo(10))
    expect([ada.ends, bob.ends]).toEqual([[], []])
  })
})

describe('a peer that breaks the rules of paths', () => {
  async function besieged() {
    const set = await stage()
    return { set, target: new RecordingSession(set.ada), raw: new RawPeer(set.bob) }
  }

  test.each<[string, Uint8Array]>([
    ['acknowledges what was not sent', encodePathRecord({ kind: 'acknowledgement', received: 1 })],
    ['starts beyond what has arrived', encodePathRecord({ kind: 'start', number: 1 })],
    ['sends an empty path record', Uint8Array.of(0)],
    ['sends an unknown path frame', Uint8Array.of(0, 9)],
    ['says goodbye for a reason that there is none', Uint8Array.of(0, 3, 99, 0, 0)],
  ])('and %s ends its session', async (_, record) => {
    const { set, target, raw } = await besieged()
    raw.send(record)
    await set.net.advance(2_000)
    expect(target.ends).toMatchObject([{ code: 'protocol-violation', byPeer: false }])
    expect(raw.of('goodbye')).toHaveLength(1)
  })

  test('and says goodbye as if the session had not begun, after it has, ends its session', async () => {
    const { set, target, raw } = await besieged()
    raw.send([0x0d, 0])
    raw.send(encodeGoodbye({ code: 'closed', reason: '', retryAfterMs: 0 }))
    await set.net.advance(2_000)
    expect(target.ends).toMatchObject([{ code: 'protocol-violation', byPeer: false }])
  })

  test('and acknowledges in its hello what was never sent ends its session', async () => {
    const { set, target } = await besieged()
    const ends = await reconnect(set)
    const raw = new RawPeer(ends.bob)
    target.session.join(asPath(ends.ada), 1)
    await set.net.advance(2_000)
    expect(target.ends).toMatchObject([{ code: 'protocol-violation' }])
    expect(raw.closes).toHaveLength(1)
  })

  test('and sends records on a second path before it has said where they start ends its session', async () => {
    const { set, target } = await besieged()
    const ends = await reconnect(set)
    const raw = new RawPeer(ends.bob)
    target.session.join(asPath(ends.ada, 5), 0)
    raw.send([0x0d, 0])
    await set.net.advance(2_000)
    expect(target.ends).toMatchObject([{ code: 'protocol-violation' }])
  })

  test('and asks for thousands of signs of life in one record gets one answer, to the newest', async () => {
    const { set, target, raw } = await besieged()
    const ping = Uint8Array.of(4, 7)
    const record = new Uint8Array(60_001)
    for (let i = 1; i < record.length; i += 2) record.set(ping, i)
    record[record.length - 1] = 9
    raw.send(record)
    await set.net.advance(100)
    const pongs = raw.of('number').filter(({ type }) => type === Frame.pong)
    expect(pongs.map(({ value }) => value)).toEqual([9])
    expect(target.ends).toEqual([])
  })

  test('and starts again and again is heard once', async () => {
    const { set, target, raw } = await besieged()
    for (let i = 0; i < 3; i++) {
      raw.send(encodePathRecord({ kind: 'start', number: 0 }))
      for (let n = 0; n <= i; n++) raw.send([0x10, 0, n, 1, n])
    }
    await set.net.advance(100)
    expect(numbers(target)).toEqual([0, 1, 2])
    expect(target.ends).toEqual([])
  })
})
