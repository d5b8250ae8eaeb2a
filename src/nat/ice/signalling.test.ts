import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { type SimulatedNetwork, simulate } from '../../testing/index.ts'
import { type Description, decodeDescription } from './description.ts'
import { UNKNOWN_NAT } from './nat-summary.ts'
import { type OwnDescription, Signalling } from './signalling.ts'

function own(id: number, password = id): OwnDescription {
  return {
    sessionId: new Uint8Array(16).fill(id),
    password: new Uint8Array(16).fill(password),
    direct: 'prefer',
    hasReliableUdp: true,
    isComplete: false,
    birthday: [],
    nat: { udp: UNKNOWN_NAT, tcp: UNKNOWN_NAT },
    candidates: [],
    predictions: [],
  }
}

class Party {
  readonly sent: Uint8Array[] = []
  readonly heard: { readonly remote: Description; readonly isNewSession: boolean }[] = []
  readonly violations: EarshotError[] = []
  readonly signalling: Signalling
  to: Party | undefined

  constructor(net: SimulatedNetwork, id: number) {
    const { clock } = net.host(`party-${id}-${Math.round(net.now)}`, { lans: [] }).network
    this.signalling = new Signalling(
      {
        clock,
        send: bytes => {
          this.sent.push(bytes)
          const { to } = this
          if (to) clock.setTimer(10, () => to.signalling.receive(bytes))
        },
        onRemote: (remote, isNewSession) => this.heard.push({ remote, isNewSession }),
        onViolation: error => this.violations.push(error),
      },
      own(id),
    )
  }
}

function setUp() {
  const net = simulate()
  const [a, b] = [new Party(net, 1), new Party(net, 2)] as const
  a.to = b
  b.to = a
  return { net, a, b }
}

describe('signalling', () => {
  test('tells each side what the other has, and then there is silence', async () => {
    const { net, a, b } = setUp()
    await net.advance(1_000)
    expect(b.heard).toMatchObject([{ isNewSession: true, remote: own(1) }])
    expect(a.heard).toMatchObject([{ isNewSession: true, remote: own(2) }])
    const before = a.sent.length + b.sent.length
    expect(before).toBeLessThanOrEqual(6)
    await net.advance(600_000)
    expect(a.sent.length + b.sent.length).toBe(before)
  })

  test('several changes of one turn are one message', async () => {
    const { net, a, b } = setUp()
    await net.advance(1_000)
    const before = a.sent.length
    a.signalling.update({ isComplete: true })
    a.signalling.update({ birthday: ['udp'] })
    await net.advance(1_000)
    expect(a.sent.length).toBe(before + 1)
    expect(b.heard.at(-1)).toMatchObject({ isNewSession: false, remote: { isComplete: true, birthday: ['udp'] } })
  })

  test('repeats what is lost, less and less often, and begins anew when somebody comes', async () => {
    const { net, a, b } = setUp()
    a.to = undefined
    b.to = undefined
    await net.advance(4_000)
    expect(a.sent.length).toBe(5)
    await net.advance(600_000)
    expect(a.sent.length).toBe(21)
    a.to = b
    b.to = a
    b.signalling.update({ isComplete: true })
    await net.advance(2_000)
    expect(b.heard).toHaveLength(1)
    expect(a.heard.at(-1)?.remote.isComplete).toBe(true)
  })

  test('old revisions, doubles and echoes of oneself change nothing', async () => {
    const { net, a, b } = setUp()
    await net.advance(1_000)
    const early = [...a.sent]
    a.signalling.update({ isComplete: true })
    await net.advance(1_000)
    const heard = b.heard.length
    for (const message of [...early, ...a.sent, ...b.sent]) b.signalling.receive(message)
    await net.advance(1_000)
    expect(b.heard).toHaveLength(heard)
    expect(a.heard).toHaveLength(1)
  })

  test('another program on the other side counts when it has proved to be of today', async () => {
    const { net, a, b } = setUp()
    await net.advance(1_000)
    b.signalling.close()
    const again = new Party(net, 3)
    again.to = a
    a.to = again
    await net.advance(1_000)
    expect(a.heard.map(({ remote, isNewSession }) => [remote.sessionId[0], isNewSession])).toEqual([
      [2, true],
      [3, true],
    ])
    expect(again.heard[0]).toMatchObject({ isNewSession: true, remote: own(1) })
    // Late messages of the program that has ended.
    const before = a.heard.length
    for (const message of b.sent) a.signalling.receive(message)
    await net.advance(1_000)
    expect(a.heard).toHaveLength(before)
  })

  test('a message that was held back does not displace who is there', async () => {
    const net = simulate()
    const old = new Party(net, 9)
    await net.advance(10)
    old.signalling.close()
    const [a, b] = [new Party(net, 1), new Party(net, 2)] as const
    a.to = b
    b.to = a
    await net.advance(1_000)
    for (const message of old.sent) a.signalling.receive(message)
    await net.advance(5_000)
    expect(a.heard.map(({ remote }) => remote.sessionId[0])).toEqual([2])
    // It gets an answer, which only a peer of today could use.
    expect(decodeDescription(a.sent.at(-1)!).sessionId[0]).toBe(1)
  })

  test('a new session of our own is told, with the other one kept', async () => {
    const { net, a, b } = setUp()
    await net.advance(1_000)
    a.signalling.renew(own(7))
    await net.advance(1_000)
    expect(b.heard.at(-1)).toMatchObject({ isNewSession: true, remote: own(7) })
    expect(a.heard).toHaveLength(1)
  })

  test('what is malformed is a violation, and no more', async () => {
    const { net, a, b } = setUp()
    a.signalling.receive(Uint8Array.of(1, 2, 3))
    await net.advance(1_000)
    expect(a.violations).toMatchObject([{ code: 'protocol-violation' }])
    expect(b.heard).toHaveLength(1)
    expect(a.violations[0]).toBeInstanceOf(EarshotError)
  })

  test('survives a channel that loses, delays, doubles and reorders', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const net = simulate({ seed })
      const { clock, random } = net.host('channel', { lans: [] }).network
      const parties = [new Party(net, 1), new Party(net, 2)] as const
      for (const [from, to] of [parties, [...parties].reverse()] as const) {
        Object.defineProperty(from!, 'to', {
          value: {
            signalling: {
              receive(bytes: Uint8Array) {
                const copies = random.fraction() < 0.5 ? 0 : random.fraction() < 0.3 ? 2 : 1
                for (let i = 0; i < copies; i++)
                  clock.setTimer(random.fraction() * 3_000, () => to!.signalling.receive(bytes))
              },
            },
          },
        })
      }
      for (let n = 0; n < 10; n++) {
        parties[n % 2]!.signalling.update({ predictions: [], isComplete: n >= 8 })
        await net.advance(700)
      }
      await net.advance(60_000)
      for (const { heard, violations } of parties) {
        expect(violations).toEqual([])
        expect(heard.at(-1)?.remote.isComplete, `seed ${seed}`).toBe(true)
        const revisions = heard.map(({ remote }) => remote.revision)
        expect(revisions).toEqual([...revisions].sort((x, y) => x - y))
      }
    }
  })
})
