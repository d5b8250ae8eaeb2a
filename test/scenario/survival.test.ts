/** Sessions outlive their connections: what was sent while there was none arrives, once and in order. */

import { describe, expect, test } from 'vitest'
import { Identity } from '../../src/identity/identity.ts'
import type { Peer, Room } from '../../src/index.ts'
import { heardBy, logOf, onStage, peerOf, type Stage } from './stage.ts'

interface Pair {
  readonly ada: Room
  readonly bob: Room
  /** How each sees the other. */
  readonly bobAtAda: Peer
  readonly adaAtBob: Peer
}

async function pair(stage: Stage): Promise<Pair> {
  const [ada, bob] = await stage.joinAll('ada', 'bob')
  await stage.met([ada!, bob!])
  return { ada: ada!, bob: bob!, bobAtAda: peerOf(ada!, bob!), adaAtBob: peerOf(bob!, ada!) }
}

const goneIn = (log: readonly string[]) => log.filter(line => line.startsWith('gone'))

describe('a link that breaks', () => {
  test.each<[string, (stage: Stage) => void, (stage: Stage) => void]>([
    ['is cut', ({ net }) => net.lan('home').isolate('bob'), ({ net }) => net.lan('home').heal()],
    [
      'goes down here',
      stage => stage.host('ada').interface('eth0').down(),
      stage => stage.host('ada').interface('eth0').up(),
    ],
    [
      'goes down there',
      stage => stage.host('bob').interface('eth0').down(),
      stage => stage.host('bob').interface('eth0').up(),
    ],
    ['is asleep there', stage => stage.host('bob').sleep(), stage => stage.host('bob').wake()],
  ])('because it %s three times costs no message, and the peer stays the same', (_, breaks, mends) =>
    onStage(async stage => {
      const { ada, bob, bobAtAda, adaAtBob } = await pair(stage)
      const [logOfAda, logOfBob] = [logOf(ada), logOf(bob)]
      const [toAda, toBob] = [heardBy(ada), heardBy(bob)]
      let count = 0
      const talk = async (ms: number) => {
        for (let i = 0; i < ms / 10; i++) {
          void bobAtAda.send(count)
          void adaAtBob.send(count++)
          await stage.advance(10)
        }
      }
      for (let round = 0; round < 3; round++) {
        await talk(1_000)
        breaks(stage)
        await talk(20_000)
        mends(stage)
        await talk(5_000)
      }
      await stage.until(() => toAda.length === count && toBob.length === count, 10_000)
      const numbers = Array.from({ length: count }, (_, i) => i)
      expect(toBob).toEqual(numbers)
      expect(toAda).toEqual(numbers)
      expect([goneIn(logOfAda), goneIn(logOfBob)]).toEqual([[], []])
      expect([peerOf(ada, bob), peerOf(bob, ada)]).toEqual([bobAtAda, adaAtBob])
    }),
  )

  test('keeps questions, receipts and large messages going', () =>
    onStage(async stage => {
      const { bob, bobAtAda } = await pair(stage)
      const { clock } = stage.host('bob').network
      bob.answer('double', n => new Promise(resolve => clock.setTimer(5_000, () => resolve((n as number) * 2))))
      const heard = heardBy(bob)
      const answer = bobAtAda.ask('double', 21, { timeoutMs: 60_000 })
      const large = bobAtAda.send('x'.repeat(5_000_000), { receipt: true })
      await stage.advance(1)
      stage.net.lan('home').isolate('bob')
      await stage.advance(25_000)
      expect(bobAtAda.state).toBe('away')
      stage.net.lan('home').heal()
      expect(await answer).toBe(42)
      await large
      expect((heard[0] as string).length).toBe(5_000_000)
      expect(heard).toHaveLength(1)
    }))

  test('is mended within 3 s of its return, and says so', () =>
    onStage(async stage => {
      const { ada, bobAtAda } = await pair(stage)
      const log = logOf(ada)
      stage.host('ada').interface('eth0').down()
      await stage.until(() => bobAtAda.state === 'away')
      await stage.advance(20_000)
      stage.host('ada').interface('eth0').up()
      expect(await stage.until(() => bobAtAda.state === 'here')).toBeLessThan(3_000)
      expect(log).toEqual(['peer bob', 'state bob here away', 'state bob away here'])
    }))

  test('and was dialled from the other side is found again from either', () =>
    onStage(async stage => {
      const bob = await stage.join('bob', { discovery: [] })
      const ada = await stage.join('ada', { discovery: [], peers: [bob.addresses[0]!] })
      await stage.met([ada, bob])
      const peer = peerOf(bob, ada)
      stage.net.lan('home').isolate('ada')
      await stage.until(() => peer.state === 'away')
      stage.net.lan('home').heal()
      await stage.until(() => peer.state === 'here')
      expect(peerOf(bob, ada)).toBe(peer)
    }))

  test('with a goodbye in between is the end: the session is not taken up again', () =>
    onStage(async stage => {
      const { ada, bob, bobAtAda } = await pair(stage)
      const log = logOf(ada)
      stage.net.lan('home').isolate('bob')
      await stage.until(() => bobAtAda.state === 'away')
      await bob.close()
      stage.net.lan('home').heal()
      await stage.until(() => bobAtAda.state === 'gone')
      expect(goneIn(log)).toEqual(['gone bob lost: the program has ended'])
    }))
})

describe('the outbox of a peer that is away', () => {
  test('is bounded: send waits, or rejects where that was asked; all that was accepted goes when it is back', () =>
    onStage(async stage => {
      const { bob, bobAtAda } = await pair(stage)
      const heard = heardBy(bob)
      stage.net.lan('home').isolate('bob')
      await stage.until(() => bobAtAda.state === 'away')
      let [accepted, rejected] = [0, 0]
      for (let i = 0; i < 200; i++) {
        await bobAtAda.send(`${accepted}:${'x'.repeat(10_000)}`, { whenFull: 'reject' }).then(
          () => accepted++,
          error => {
            expect(error).toMatchObject({ code: 'limit-reached' })
            rejected++
          },
        )
      }
      expect(accepted).toBeGreaterThan(80)
      expect(rejected).toBeGreaterThan(80)
      const waiting = bobAtAda.send(`${accepted}:${'x'.repeat(10_000)}`).then(() => 'sent')
      expect(await Promise.race([waiting, stage.advance(1_000).then(() => 'waits')])).toBe('waits')
      stage.net.lan('home').heal()
      expect(await waiting).toBe('sent')
      await stage.until(() => heard.length === accepted + 1)
      expect(heard.map(text => Number.parseInt(text as string, 10))).toEqual(
        Array.from({ length: accepted + 1 }, (_, i) => i),
      )
    }))
})

describe('a program', () => {
  test('that starts anew has a new session, and what was sent to the old one is not given to it', () =>
    onStage(async stage => {
      const { Identity } = await import('../../src/index.ts')
      const identity = Identity.generate()
      const ada = await stage.join('ada')
      const bob = await stage.join('bob', { identity })
      await stage.met([ada, bob])
      const log = logOf(ada)
      const old = peerOf(ada, bob)
      stage.host('bob').kill()
      void old.send('for the old one').catch(() => {})
      stage.host('bob2')
      const again = await stage.join('bob', { identity, on: stage.host('bob2').network })
      const heard = heardBy(again)
      await stage.met([ada, again])
      expect(peerOf(ada, again)).not.toBe(old)
      await ada.send('hello')
      await stage.until(() => heard.length > 0)
      expect(heard).toEqual(['hello'])
      expect(goneIn(log)).toHaveLength(1)
    }))
})

describe('two paths', () => {
  test('are one session; losing the better one costs no message, and it is taken up again', () =>
    onStage(async stage => {
      stage.net.lan('garden')
      for (const name of ['ada', 'bob']) {
        stage.host(name).attach(stage.net.lan('garden'), { name: 'wlan0', kind: 'wireless' })
      }
      const [ada, bob] = [await stage.join('ada'), await stage.join('bob')]
      await stage.met([ada, bob])
      const [logOfAda, heard] = [logOf(ada), heardBy(bob)]
      const paths: string[] = []
      ada.on('path', ({ path }) => paths.push(path.interface ?? ''))
      await stage.advance(5_000)
      let count = 0
      const talk = async (ms: number) => {
        for (let i = 0; i < ms / 10; i++) {
          void ada.send(count++)
          await stage.advance(10)
        }
      }
      await talk(1_000)
      expect(peerOf(ada, bob).path.interface).toBe('eth0')
      stage.net.lan('home').isolate('bob')
      await talk(8_000)
      expect(peerOf(ada, bob).path.interface).toBe('wlan0')
      stage.net.lan('home').heal()
      await talk(40_000)
      expect(peerOf(ada, bob).path.interface).toBe('eth0')
      await stage.until(() => heard.length === count, 5_000)
      expect(heard).toEqual(Array.from({ length: count }, (_, i) => i))
      expect(logOfAda).toEqual(['peer bob'])
      expect(paths).toEqual(['wlan0', 'eth0'])
    }))

  test('from a wire and a radio to one wire stay: for one side they are one network, for the other two', () =>
    onStage(async stage => {
      const identities = [1, 2].map(seed => new Identity(new Uint8Array(32).fill(seed)))
      // The one with the smaller id has two interfaces and looks for paths, the other one decides which of them stay.
      const [smaller, larger] = identities.sort((a, b) => (a.id < b.id ? -1 : 1))
      const radio = { kind: 'wireless', addresses: ['fe80::99/64'] } as const
      stage.host('ada').attach(stage.net.lan('home'), radio)
      const ada = await stage.join('ada', { identity: smaller! })
      const bob = await stage.join('bob', { identity: larger! })
      await stage.met([ada, bob])
      const { session } = peerOf(ada, bob).messenger
      await stage.until(() => session.paths.length === 2)
      const paths = [...session.paths]
      await stage.advance(120_000)
      expect(session.paths).toEqual(paths)
      expect(peerOf(ada, bob).path.interface).toBe('eth0')
    }))

  test('that are slow and full are not left for each other: what waits in one would be sent on the other again', () =>
    onStage(async stage => {
      // What the systems on the way hold of a path is two seconds of it.
      const options = { bitsPerSecond: 700_000, delayMs: 5 }
      for (const [lan, card] of [['garden', 'wlan0'] as const, ['field', 'wlan1'] as const]) {
        stage.net.lan(lan, options)
        for (const name of ['ada', 'bob']) stage.host(name).attach(stage.net.lan(lan), { name: card, kind: 'wireless' })
      }
      for (const name of ['ada', 'bob']) stage.host(name).interface('eth0').down()
      const { ada, bob, bobAtAda } = await pair(stage)
      await stage.until(() => bobAtAda.messenger.session.paths.length === 2)
      await stage.advance(5_000)
      const paths: string[] = []
      ada.on('path', ({ path }) => paths.push(path.interface ?? ''))
      const heard = heardBy(bob)
      const startedAt = stage.net.now
      for (let i = 0; i < 20; i++) void bobAtAda.send(new Uint8Array(100_000))
      await stage.until(() => heard.length === 20, 200_000)
      expect(paths).toEqual([])
      expect(stage.net.now - startedAt).toBeLessThan(25_000)
    }))
})
