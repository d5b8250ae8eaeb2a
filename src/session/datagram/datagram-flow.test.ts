import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ADA, BOB, derivedKeys, type FlowEnd, type FlowPair, flowPair } from '../../../test/session/flow-pair.ts'
import {
  DATAGRAM_BYTES,
  MAX_DATAGRAMS_PER_SECOND,
  MAX_FORGED_DATAGRAMS_PER_SECOND,
  MAX_LATEST_BYTES,
  MAX_PATH_RESPONSES_PER_SECOND,
  MAX_UNRELIABLE_BYTES,
  MAX_UNRELIABLE_QUEUE_MESSAGES,
} from '../../limits.ts'
import { DatagramKeys } from './datagram-keys.ts'
import { DatagramSealer, HEADER_BYTES, newDatagram } from './datagram-packet.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)
const bodies = ({ heard }: FlowEnd) => heard.map(({ body }) => [...body])
const firstBytes = ({ heard }: FlowEnd) => heard.map(({ body }) => body[0])

/** A pair whose path from ada to bob has been found good; what that took is forgotten. */
async function validPair(options?: Parameters<typeof flowPair>[0], seed?: number): Promise<FlowPair> {
  const pair = flowPair(options, seed)
  pair.ada.flow.sendUnreliable(0, 0, bytes(0))
  await pair.net.advance(100)
  expect(pair.ada.flow.stats.isValidated).toBe(true)
  for (const end of [pair.ada, pair.bob]) for (const log of [end.heard, end.sent, end.carried]) log.length = 0
  return pair
}

describe('the path', () => {
  test('is asked nothing while nobody sends', async () => {
    const { net, ada, bob } = flowPair()
    await net.advance(600_000)
    expect([ada.sent, bob.sent]).toEqual([[], []])
    expect(net.open()).toEqual([])
  })

  test('is asked with the first message by a datagram of full length, which the answer does not reach', async () => {
    const { net, ada, bob } = flowPair()
    ada.flow.sendUnreliable(0, 0, bytes(1))
    await net.advance(10)
    expect(ada.sent.map(({ datagram, to }) => [datagram.length, to])).toEqual([[DATAGRAM_BYTES, BOB]])
    expect(bob.sent).toHaveLength(1)
    expect(bob.sent[0]!.datagram.length).toBeLessThan(50)
    expect(ada.carried).toHaveLength(1)
    ada.flow.sendUnreliable(0, 0, bytes(2))
    await net.advance(10)
    expect(ada.carried).toHaveLength(1)
    expect(bodies(bob)).toEqual([[1], [2]])
    expect(ada.flow.stats).toMatchObject({ isValidated: true, sent: 2, dropped: 0 })
    expect(bob.flow.stats).toMatchObject({ isValidated: false, received: 2, sent: 1 })
  })

  test('that lets nothing through is left alone more and more, and everything rides the session', async () => {
    const { net, ada, bob } = flowPair({ loss: 1 })
    for (let i = 0; i < 600; i++) {
      ada.flow.sendUnreliable(0, 0, bytes(i % 256))
      await net.advance(100)
    }
    expect(bodies(bob)).toHaveLength(600)
    expect(ada.sent.length).toBeLessThan(11)
    expect(ada.flow.stats).toMatchObject({ isValidated: false, dropped: 0 })
  })

  test('that stops letting anything through is given up within 5 s, and taken again when it does', async () => {
    const { net, path, ada, bob } = await validPair()
    const send = async (forMs: number) => {
      const before = bob.heard.length
      for (let i = 0; i < forMs; i += 100) {
        ada.flow.sendUnreliable(0, 0, bytes(1))
        await net.advance(100)
      }
      return bob.heard.length - before
    }
    expect(await send(10_000)).toBe(100)
    path.loss = 1
    expect(100 - (await send(10_000))).toBeLessThanOrEqual(51)
    expect(ada.flow.stats.isValidated).toBe(false)
    expect(await send(10_000)).toBe(100)
    path.loss = 0
    expect(await send(40_000)).toBe(400)
    expect(ada.flow.stats.isValidated).toBe(true)
  })

  test('that is another one has to be asked again', async () => {
    const { net, ada } = await validPair()
    ada.remote = { address: '192.168.1.77', port: BOB.port }
    ada.flow.sendUnreliable(0, 0, bytes(1))
    await net.advance(10)
    expect(ada.carried).toHaveLength(1)
    expect(ada.flow.stats.isValidated).toBe(false)
    ada.remote = undefined
    ada.flow.sendUnreliable(0, 0, bytes(2))
    await net.advance(10)
    expect(ada.carried).toHaveLength(2)
    ada.remote = BOB
    for (let i = 0; i < 2; i++) {
      ada.flow.sendUnreliable(0, 0, bytes(3))
      await net.advance(10)
    }
    expect(ada.carried).toHaveLength(3)
    expect(ada.flow.stats.isValidated).toBe(true)
  })

  test('leads to the address of the session alone: authentic datagrams from elsewhere change nothing', async () => {
    const { net, ada, bob } = await validPair()
    bob.flow.sendUnreliable(0, 0, bytes(9))
    await net.advance(0)
    const { datagram } = bob.sent[0]!
    const elsewhere = { address: '203.0.113.9', port: 7 }
    const before = ada.sent.length
    ada.flow.onDatagram(datagram.slice(), elsewhere)
    expect(ada.flow.stats.received).toBe(2)
    ada.flow.sendUnreliable(0, 0, bytes(1))
    await net.advance(10_000)
    expect(ada.sent.length).toBeGreaterThan(before)
    expect(new Set(ada.sent.map(({ to }) => `${to.address}:${to.port}`))).toEqual(
      new Set([`${BOB.address}:${BOB.port}`]),
    )
  })

  test('is found behind a NAT that gave the other side another port, once something has come from there', async () => {
    const { net, ada, bob } = flowPair()
    ada.remote = { address: BOB.address, port: 9 }
    const send = async (from: FlowEnd) => {
      for (let i = 0; i < 20; i++) {
        from.flow.sendUnreliable(0, 0, bytes(i))
        await net.advance(100)
      }
    }
    await send(ada)
    expect(ada.flow.stats.isValidated).toBe(false)
    await send(bob)
    expect(bob.flow.stats.isValidated).toBe(true)
    await send(ada)
    expect(ada.flow.stats.isValidated).toBe(true)
    expect(ada.sent.at(-1)!.to).toEqual(BOB)
  })
})

describe("'unreliable'", () => {
  test('messages of one turn share datagrams', async () => {
    const { net, ada, bob } = await validPair()
    for (let i = 0; i < 100; i++) ada.flow.sendUnreliable(0, 1, new Uint8Array(30).fill(i))
    await net.advance(10)
    expect(firstBytes(bob)).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(ada.sent).toHaveLength(3)
    for (const { datagram } of ada.sent) expect(datagram.length).toBeLessThanOrEqual(DATAGRAM_BYTES)
  })

  test('of the largest size goes in one datagram', async () => {
    const { net, ada, bob } = await validPair()
    bob.labels = 1_024
    ada.flow.sendUnreliable(1_024, 0, new Uint8Array(1))
    await net.advance(10)
    ada.sent.length = 0
    ada.flow.sendUnreliable(1_024, 0, new Uint8Array(MAX_UNRELIABLE_BYTES))
    await net.advance(10)
    expect(bob.heard.at(-1)!.body).toEqual(new Uint8Array(MAX_UNRELIABLE_BYTES))
    expect(ada.sent).toHaveLength(1)
    expect(ada.sent[0]!.datagram.length).toBeLessThanOrEqual(DATAGRAM_BYTES)
  })

  test('does not wait for the session when the other side has learned the label meanwhile', async () => {
    const { net, path, ada, bob } = await validPair()
    path.isSessionReady = false
    bob.labels = 1
    ada.flow.sendUnreliable(1, 0, bytes(1))
    await net.advance(10)
    expect(bodies(bob)).toEqual([[1]])
    expect(ada.carried).toEqual([])
  })

  test('rides the session while the other side may not know the label yet', async () => {
    const { net, ada, bob } = await validPair()
    ada.flow.sendUnreliable(1, 0, bytes(1))
    await net.advance(10)
    expect(ada.carried).toHaveLength(1)
    // It has been asked at once, but bob has not been told the label.
    ada.flow.sendUnreliable(1, 0, bytes(2))
    bob.labels = 1
    await net.advance(10)
    ada.flow.sendUnreliable(1, 0, bytes(3))
    await net.advance(10)
    expect(ada.carried).toHaveLength(2)
    expect(bob.heard.map(({ label, body }) => [label, body[0]])).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
    ])
    expect(bob.violations).toEqual([])
  })

  test('waits for a session that takes nothing, bounded: the oldest are dropped, and counted', async () => {
    const { net, path, ada, bob } = flowPair({ loss: 1, isSessionReady: false })
    const sent = MAX_UNRELIABLE_QUEUE_MESSAGES + 500
    for (let i = 0; i < sent; i++) ada.flow.sendUnreliable(0, 0, bytes(i >> 8, i))
    await net.advance(100)
    expect(ada.flow.stats.dropped).toBe(500)
    for (let i = 0; i < 300; i++) ada.flow.sendUnreliable(0, 0, new Uint8Array(MAX_UNRELIABLE_BYTES))
    await net.advance(100)
    expect(ada.flow.stats.dropped).toBe(sent + 300 - 225)
    path.isSessionReady = true
    ada.flow.onSessionReady()
    await net.advance(100)
    expect(bob.heard).toHaveLength(225)
  })

  test('waits for a socket that takes nothing, in the same way', async () => {
    const { net, ada, bob } = await validPair()
    ada.isSocketReady = false
    for (let i = 0; i < 3; i++) {
      ada.flow.sendUnreliable(0, 0, bytes(i))
      await net.advance(1)
    }
    expect(ada.sent).toHaveLength(1)
    ada.isSocketReady = true
    ada.flow.onSocketReady()
    await net.advance(10)
    expect(bodies(bob)).toEqual([[0], [1], [2]])
    expect(ada.sent).toHaveLength(2)
  })

  test('is the bytes as they were when it was sent', async () => {
    const { net, ada, bob } = await validPair()
    ada.isSocketReady = false
    const mine = bytes(1)
    for (const value of [1, 2, 3]) {
      mine[0] = value
      ada.flow.sendUnreliable(0, 0, mine)
      ada.flow.sendLatest(0, 0, mine)
      mine[0] = 99
      if (value === 1) await net.advance(10)
    }
    ada.isSocketReady = true
    ada.flow.onSocketReady()
    await net.advance(10)
    expect(bodies(bob).flat().sort()).toEqual([1, 1, 2, 3, 3])
  })
})

describe("'latest'", () => {
  test('sends the last value of a turn, and of the time in which it had to wait', async () => {
    const { net, path, ada, bob } = await validPair()
    for (let i = 0; i < 10; i++) ada.flow.sendLatest(0, 0, bytes(i))
    await net.advance(10)
    expect(bodies(bob)).toEqual([[9]])
    path.loss = 1
    ada.remote = undefined
    path.isSessionReady = false
    for (let i = 10; i < 20; i++) {
      ada.flow.sendLatest(0, 0, bytes(i))
      await net.advance(10)
    }
    path.isSessionReady = true
    ada.flow.onSessionReady()
    await net.advance(10)
    expect(bodies(bob)).toEqual([[9], [19]])
    expect(ada.flow.stats.dropped).toBe(18)
  })

  test('goes in fragments where it is large, up to the limit', async () => {
    const { net, ada, bob } = await validPair()
    for (const length of [1_150, 1_160, 1_170, 5_000, MAX_LATEST_BYTES]) {
      const value = Uint8Array.from({ length }, (_, i) => i)
      ada.flow.sendLatest(0, 0, value)
      await net.advance(10)
      expect(bob.heard.at(-1)!.body).toEqual(value)
    }
    expect(ada.carried).toEqual([])
    for (const { datagram } of ada.sent) expect(datagram.length).toBeLessThanOrEqual(DATAGRAM_BYTES)
  })

  test('makes sure of the last value of a row, and of none that a newer one followed', async () => {
    const { net, path, ada, bob } = await validPair()
    for (let i = 0; i < 10; i++) {
      ada.flow.sendLatest(0, 0, bytes(i))
      await net.advance(100)
    }
    expect(ada.carried).toHaveLength(0)
    path.loss = 1
    ada.flow.sendLatest(0, 0, bytes(10))
    await net.advance(50)
    expect(firstBytes(bob).at(-1)).toBe(9)
    await net.advance(450)
    expect(firstBytes(bob)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(ada.carried).toHaveLength(1)
    await net.advance(60_000)
    expect(ada.carried).toHaveLength(1)
    expect(net.open()).toEqual([])
  })

  test('never hands over an older value after a newer one, and always the last one, whatever the path does', async () => {
    const scenario = fc.record({
      seed: fc.nat(),
      loss: fc.double({ min: 0, max: 0.6, noNaN: true }),
      doubled: fc.double({ min: 0, max: 0.5, noNaN: true }),
      jitterMs: fc.nat(300),
      sessionDelayMs: fc.nat(300),
      values: fc.array(
        fc.record({
          label: fc.nat(2),
          length: fc.oneof({ weight: 4, arbitrary: fc.nat(100) }, { weight: 1, arbitrary: fc.nat(6_000) }),
          pauseMs: fc.oneof(fc.constant(0), fc.nat(60), fc.nat(700)),
          event: fc.constantFrom(...(['nothing', 'nothing', 'block', 'pass', 'new path', 'busy', 'ready'] as const)),
        }),
        { minLength: 1, maxLength: 60 },
      ),
    })
    await fc.assert(
      fc.asyncProperty(scenario, async ({ seed, values, loss, ...options }) => {
        const { net, path, ada, bob } = flowPair({ ...options, loss }, seed)
        bob.labels = 2
        const last = new Map<number, number>()
        for (const [index, { label, length, pauseMs, event }] of values.entries()) {
          if (event === 'block' || event === 'pass') path.loss = event === 'block' ? 1 : loss
          if (event === 'new path') ada.remote = ada.remote ? undefined : BOB
          if (event === 'busy' || event === 'ready') path.isSessionReady = event === 'ready'
          if (event === 'ready') ada.flow.onSessionReady()
          const value = new Uint8Array(4 + length)
          new DataView(value.buffer).setUint32(0, index)
          ada.flow.sendLatest(label, 0, value)
          last.set(label, index)
          await net.advance(pauseMs)
        }
        path.isSessionReady = true
        ada.flow.onSessionReady()
        await net.advance(2_000)
        for (const [label, index] of last) {
          const seen = bob.heard
            .filter(each => each.label === label)
            .map(({ body }) => new DataView(body.buffer, body.byteOffset).getUint32(0))
          for (let i = 1; i < seen.length; i++) expect(seen[i]).toBeGreaterThan(seen[i - 1]!)
          expect(seen.at(-1)).toBe(index)
        }
        expect(bob.violations).toEqual([])
        expect(net.open()).toEqual([])
      }),
      { numRuns: 150 },
    )
  })
})

describe('what is not in order', () => {
  const forged = (i: number) => {
    const datagram = new Uint8Array(60)
    new DataView(datagram.buffer).setUint32(9, 1_000 + i)
    return datagram
  }

  test('replayed or forged, is counted and changes nothing', async () => {
    const { net, ada, bob } = await validPair()
    ada.flow.sendUnreliable(0, 0, bytes(1))
    await net.advance(10)
    const { datagram } = ada.sent[0]!
    for (let i = 0; i < 5; i++) bob.flow.onDatagram(datagram.slice(), ADA)
    for (let i = 0; i < 7; i++) bob.flow.onDatagram(forged(i), ADA)
    expect(bodies(bob)).toEqual([[1]])
    expect(bob.flow.stats).toMatchObject({ replayed: 5, forged: 7, received: 2 })
    expect(bob.violations).toEqual([])
  })

  test('in a flood costs arithmetic for so many a second, and none for the rest', async () => {
    const { net, ada, bob } = await validPair()
    for (let i = 0; i < 100_000; i++) bob.flow.onDatagram(forged(i), ADA)
    expect(bob.flow.stats.forged).toBe(100_000)
    ada.flow.sendUnreliable(0, 0, bytes(1))
    await net.advance(10)
    expect(bodies(bob)).toEqual([])
    await net.advance(1_000)
    for (let i = 0; i < MAX_FORGED_DATAGRAMS_PER_SECOND - 1; i++) bob.flow.onDatagram(forged(i), ADA)
    ada.flow.sendUnreliable(0, 0, bytes(2))
    await net.advance(10)
    expect(bodies(bob)).toEqual([[2]])
  })

  test('too many, though authentic, are not opened', async () => {
    const { net, ada, bob } = await validPair()
    ada.flow.sendUnreliable(0, 0, bytes(1))
    await net.advance(10)
    const { datagram } = ada.sent[0]!
    for (let i = 0; i < MAX_DATAGRAMS_PER_SECOND; i++) bob.flow.onDatagram(datagram, ADA)
    ada.flow.sendUnreliable(0, 0, bytes(2))
    await net.advance(10)
    expect(bodies(bob)).toEqual([[1]])
    await net.advance(1_000)
    ada.flow.sendUnreliable(0, 0, bytes(3))
    await net.advance(10)
    expect(bodies(bob)).toEqual([[1], [3]])
  })

  test('of challenges is answered so many times a second', async () => {
    const { net, bob } = flowPair({}, 7)
    const sealer = new DatagramSealer(new DatagramKeys(derivedKeys(7), 'initiator').sending)
    const challenges = Uint8Array.from({ length: 580 }, (_, i) => (i % 2 === 0 ? 1 : i % 64))
    const datagram = newDatagram()
    for (let second = 1; second <= 2; second++) {
      datagram.set(challenges, HEADER_BYTES)
      bob.flow.onDatagram(Uint8Array.from(sealer.seal(datagram, challenges.length)), ADA)
      expect(bob.sent).toHaveLength(second * MAX_PATH_RESPONSES_PER_SECOND)
      await net.advance(1_000)
    }
    expect(bob.violations).toEqual([])
  })

  test.each([
    ['a frame of unknown type', bytes(0x20)],
    ['a message cut off', bytes(0x10, 0, 0, 5, 1)],
    ['a label that was never told', bytes(0x10, 1, 0, 0)],
    ['a fragment on such a label', Uint8Array.from([0x14, 1, 1, 2, 1, 1, 7])],
  ])('%s, sealed by the peer itself, is its violation', (_, plaintext) => {
    const { bob } = flowPair({}, 7)
    const derived = derivedKeys(7)
    const sealer = new DatagramSealer(new DatagramKeys(derived, 'initiator').sending)
    const datagram = newDatagram()
    datagram.set(plaintext, HEADER_BYTES)
    bob.flow.onDatagram(Uint8Array.from(sealer.seal(datagram, plaintext.length)), ADA)
    expect(bob.violations).toMatchObject([{ code: 'protocol-violation' }])
    expect(bob.heard).toEqual([])
  })

  test.each([
    ['unreliable', 0, MAX_UNRELIABLE_BYTES],
    ['latest', 1, MAX_LATEST_BYTES],
  ])('of %s on the session, too large, is a violation', (_, sequence, limit) => {
    const { bob } = flowPair()
    bob.flow.onCarried(0, sequence, 0, new Uint8Array(limit))
    expect(() => bob.flow.onCarried(0, sequence + 1, 0, new Uint8Array(MAX_LATEST_BYTES + 1))).toThrow(
      expect.objectContaining({ code: 'protocol-violation' }),
    )
    expect(() => bob.flow.onCarried(0, sequence && 2, 0, new Uint8Array(limit + 1))).toThrow(
      expect.objectContaining({ code: 'protocol-violation' }),
    )
    expect(bob.heard).toHaveLength(1)
  })

  test('after the end does nothing any more', async () => {
    const { net, ada } = await validPair()
    ada.flow.sendUnreliable(0, 0, bytes(1))
    ada.flow.sendLatest(0, 0, bytes(1))
    ada.flow.close()
    ada.flow.sendUnreliable(0, 0, bytes(1))
    ada.flow.sendLatest(0, 0, bytes(1))
    ada.flow.onSessionReady()
    ada.flow.onSocketReady()
    await net.advance(10_000)
    expect(ada.sent).toEqual([])
    expect(ada.carried).toEqual([])
    expect(net.open()).toEqual([])
  })
})
