/** Two rooms that meet by two texts, without any rendezvous, in virtual time. */

import { describe, expect, test } from 'vitest'
import { type ConnectAnswer, type ConnectOffer, join as joinNear, type Room } from '../../src/index.ts'
import { MAX_OPEN_OFFERS, OFFER_LIFETIME_MS } from '../../src/limits.ts'
import type { NatKind, SimulatedHost } from '../../src/testing/index.ts'
import { TURN } from '../nat/ice-stage.ts'
import { InternetStage, type JoinFar } from './internet-stage.ts'
import { failureOf, heardBy, peerOf } from './stage.ts'

/** Without a rendezvous, in a room that is open. */
function join(stage: InternetStage, host: SimulatedHost, far: JoinFar = {}): Promise<Room> {
  return stage.join(host, { secret: undefined, ...far, internet: { rendezvous: [], ...far.internet } })
}

async function pair(stage: InternetStage, a: NatKind | 'public', b: NatKind | 'public', far: JoinFar = {}) {
  const ada = await join(stage, stage.behind('ada', a), far)
  const bob = await join(stage, stage.behind('bob', b), far)
  return { ada, bob }
}

interface Texts {
  readonly offer: ConnectOffer
  readonly answer: ConnectAnswer
}

/** Both texts, carried as slowly as people do it. */
async function exchange(stage: InternetStage, ada: Room, bob: Room, carryMs = 150_000): Promise<Texts> {
  const offer = await ada.offer()
  await stage.net.advance(carryMs)
  const answer = await bob.answerOffer(offer.text)
  await stage.net.advance(carryMs)
  return { offer, answer }
}

async function expectTalk(stage: InternetStage, ada: Room, bob: Room): Promise<void> {
  const [byAda, byBob] = [heardBy(ada), heardBy(bob)]
  await peerOf(ada, bob).send('from ada')
  await peerOf(bob, ada).send('from bob')
  await stage.until(() => byAda.length + byBob.length === 2)
  expect([byAda, byBob]).toEqual([['from bob'], ['from ada']])
}

describe('two rooms that exchange two texts', () => {
  test.each([
    ['port-restricted', 'port-restricted'],
    ['full-cone', 'symmetric'],
    ['symmetric', 'full-cone'],
    ['restricted', 'symmetric'],
    ['public', 'port-restricted'],
    ['port-restricted', 'public'],
    ['udp-blocked', 'public'],
    ['public', 'udp-blocked'],
    ['udp-blocked', 'udp-blocked'],
    ['none', 'none'],
  ] as const)('are connected: %s with %s', async (a, b) => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { ada, bob } = await pair(stage, a, b)
      const { offer, answer } = await exchange(stage, ada, bob)
      expect(offer.text).toMatch(/^earshot:[\w-]{200,500}$/)
      expect(answer.text).toMatch(/^earshot:[\w-]{200,500}$/)
      expect(answer.from).toEqual({ id: ada.self.id, name: 'ada' })
      const startedAt = stage.net.now
      const [peer, other] = [await offer.accept(answer.text), await answer.peer]
      expect(stage.net.now - startedAt).toBeLessThan(12_000)
      expect([peer.id, peer.name, other.id]).toEqual([bob.self.id, 'bob', ada.self.id])
      expect([peer.path.kind, other.path.kind]).toEqual(['direct', 'direct'])
      await expectTalk(stage, ada, bob)
    })
  })

  test('talk over a relay where there is nothing else', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      await stage.serveTurn()
      const { ada, bob } = await pair(stage, 'symmetric', 'symmetric')
      const { offer, answer } = await exchange(stage, ada, bob)
      expect((await offer.accept(answer.text)).path.kind).toBe('relay')
      await answer.peer
      await expectTalk(stage, ada, bob)
    })
  })

  test('go on directly where a relay came first, and give it back', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      await stage.serveTurn()
      const { ada, bob } = await pair(stage, 'restricted', 'symmetric')
      const { offer, answer } = await exchange(stage, ada, bob)
      const kinds = [(await offer.accept(answer.text)).path.kind]
      ada.on('path', ({ path }) => kinds.push(path.kind))
      await stage.until(() => kinds.at(-1) === 'direct')
      expect(kinds).toEqual(['relay', 'direct'])
      await stage.net.advance(60_000)
      const toRelay = new Set<string>()
      stage.net.trace(({ host, to, protocol }) => {
        if (protocol === 'tcp' && to.startsWith(`${TURN}:`)) toRelay.add(host)
      })
      await stage.net.advance(120_000)
      expect([...toRelay]).toEqual([])
      await expectTalk(stage, ada, bob)
    })
  })

  test('are connected in a LAN without any server', async () => {
    await InternetStage.play({}, async stage => {
      const nowhere: JoinFar = { discovery: [], internet: { stun: [] } }
      const ada = await join(stage, stage.behind('ada', 'symmetric'), nowhere)
      const bob = await join(stage, stage.net.host('bob', { lans: ['ada-gw'] }), nowhere)
      const { offer, answer } = await exchange(stage, ada, bob)
      expect((await offer.accept(answer.text)).path.kind).toBe('lan')
      await answer.peer
      await expectTalk(stage, ada, bob)
    })
  })

  test('need the same secret, where they have one', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const ada = await join(stage, stage.behind('ada', 'full-cone'), { secret: 'one' })
      const bob = await join(stage, stage.behind('bob', 'full-cone'), { secret: 'one' })
      const eve = await join(stage, stage.behind('eve', 'full-cone'), { secret: 'two' })
      const first = await exchange(stage, ada, eve)
      expect(await failureOf(first.offer.accept(first.answer.text))).toMatchObject({ code: 'wrong-secret' })
      const second = await exchange(stage, ada, bob)
      expect(await second.offer.accept(second.answer.text)).toMatchObject({ name: 'bob' })
      expect(ada.peers.map(({ name }) => name)).toEqual(['bob'])
      await first.answer.close()
    })
  })

  test('stay connected when both texts are closed, and part like all others', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { ada, bob } = await pair(stage, 'port-restricted', 'port-restricted')
      const { offer, answer } = await exchange(stage, ada, bob)
      await offer.accept(answer.text)
      await answer.peer
      await Promise.all([offer.close(), answer.close()])
      await stage.net.advance(2 * OFFER_LIFETIME_MS)
      await expectTalk(stage, ada, bob)
      const gone: string[] = []
      ada.on('peer-gone', ({ code }) => gone.push(code))
      await bob.close()
      await stage.until(() => gone.length > 0)
      expect(gone).toEqual(['closed'])
      await stage.net.advance(10_000)
    })
  })
})

describe('a text', () => {
  test('is understood with what mail programs put into it', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { ada, bob } = await pair(stage, 'full-cone', 'full-cone')
      const offer = await ada.offer()
      const quoted = `Hi Bob,\n\n> ${offer.text.match(/.{1,60}/g)!.join('\r\n> ')}\r\n`
      const answer = await bob.answerOffer(quoted)
      const folded = ` ${answer.text.match(/.{1,7}/g)!.join(' \u200b')} \nYours, Bob`
      expect(await offer.accept(folded)).toMatchObject({ name: 'bob' })
    })
  })

  test('that is wrong says why, and does not use up the offer', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { ada, bob } = await pair(stage, 'full-cone', 'full-cone')
      const { offer, answer } = await exchange(stage, ada, bob, 1_000)
      const { text } = answer
      const flipped = `${text.slice(0, 90)}${text[90] === 'A' ? 'B' : 'A'}${text.slice(91)}`
      for (const [wrong, code, message] of [
        ['', 'invalid-data', /there is no 'earshot:…'/],
        ['earshot:', 'invalid-data', /cut off right behind its beginning/],
        [text.slice(0, -1), 'invalid-data', new RegExp(`cut off: ${text.length - 1} of ${text.length} characters`)],
        [flipped, 'invalid-data', /a character of the text was changed/],
        ['x'.repeat(20_000), 'invalid-data', /at most 16384 characters/],
        [offer.text, 'refused', /this offer is our own/],
      ] as const) {
        expect(await failureOf(offer.accept(wrong)), wrong).toMatchObject({
          code,
          message: expect.stringMatching(message),
        })
      }
      expect(await failureOf(ada.answerOffer(text))).toMatchObject({
        code: 'invalid-data',
        message: "this is the answer of 'bob', and an offer is needed",
      })
      expect(await failureOf(bob.answerOffer(text))).toMatchObject({ code: 'refused', reason: 'self' })
      expect(await offer.accept(text)).toMatchObject({ name: 'bob' })
    })
  })

  test('of another service, or for another offer, is refused, and each offer is for one', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { ada, bob } = await pair(stage, 'full-cone', 'full-cone')
      const eve = await join(stage, stage.behind('eve', 'full-cone'), { service: 'other' })
      const cyd = await join(stage, stage.behind('cyd', 'full-cone'))
      const foreign = await eve.offer()
      expect(await failureOf(ada.answerOffer(foreign.text))).toMatchObject({
        code: 'wrong-service',
        message: expect.stringMatching(/^'eve' \(\w{8}\) is in a room of another service$/),
      })
      const [old, offer] = [await ada.offer(), await ada.offer()]
      const toOld = await bob.answerOffer(old.text)
      expect(await failureOf(offer.accept(toOld.text))).toMatchObject({
        code: 'closed',
        message: "the answer of 'bob' is to another offer",
      })
      const [ofBob, ofCyd] = [await bob.answerOffer(offer.text), await cyd.answerOffer(offer.text)]
      await offer.accept(ofBob.text)
      // Again, and by somebody else who has read the offer.
      for (const { text } of [ofBob, ofCyd])
        expect(await failureOf(offer.accept(text))).toMatchObject({
          code: 'closed',
          message: expect.stringMatching(/answered already/),
        })
      expect(ada.peers.map(({ name }) => name)).toEqual(['bob'])
      await Promise.all([foreign, old, toOld, ofCyd].map(each => each.close()))
    })
  })

  test('does not last for ever', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { ada, bob } = await pair(stage, 'full-cone', 'full-cone')
      const { offer, answer } = await exchange(stage, ada, bob, 1_000)
      await stage.net.advance(OFFER_LIFETIME_MS)
      const expired = { code: 'timeout', message: expect.stringMatching(/within 10 minutes/) }
      expect(await failureOf(offer.accept(answer.text))).toMatchObject(expired)
      expect(await failureOf(answer.peer)).toMatchObject(expired)
      await stage.net.advance(OFFER_LIFETIME_MS)
      expect(await failureOf(bob.answerOffer(offer.text))).toMatchObject({
        code: 'timeout',
        message: "the offer of 'ada' is 20 minutes old, and lasts 10",
      })
    })
  })

  test('is given up by close, by a signal, and with the room', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { ada, bob } = await pair(stage, 'full-cone', 'full-cone')
      const before = stage.net.open().length
      const controller = new AbortController()
      const aborted = await ada.offer({ signal: controller.signal })
      const answer = await bob.answerOffer(aborted.text, { signal: controller.signal })
      const reason = new Error('not today')
      controller.abort(reason)
      expect(await failureOf(aborted.accept(answer.text))).toBe(reason)
      expect(await failureOf(answer.peer)).toBe(reason)
      expect(await failureOf(ada.offer({ signal: controller.signal }))).toBe(reason)
      const offers = []
      for (let i = 0; i < MAX_OPEN_OFFERS; i++) offers.push(await ada.offer())
      expect(await failureOf(ada.offer())).toMatchObject({ code: 'limit-reached' })
      const last = offers.pop()!
      await last.close()
      expect(await failureOf(last.accept(answer.text))).toMatchObject({ code: 'closed' })
      await Promise.all(offers.map(offer => offer.close()))
      await stage.net.advance(5_000)
      expect(stage.net.open().length).toBeLessThanOrEqual(before)
      const open = await ada.offer()
      const making = failureOf(ada.offer())
      await ada.close()
      expect(await making).toMatchObject({ code: 'closed' })
      expect(await failureOf(open.accept(answer.text))).toMatchObject({ code: 'closed' })
      expect(await failureOf(ada.offer())).toMatchObject({ code: 'closed' })
    })
  })

  test('that leads nowhere says what was tried, on the side that can know', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { ada, bob } = await pair(stage, 'symmetric', 'symmetric')
      const { offer, answer } = await exchange(stage, ada, bob, 1_000)
      const error = await failureOf(offer.accept(answer.text))
      expect(error).toMatchObject({
        code: 'unreachable',
        message: expect.stringMatching(/^no path to \w{8} over the Internet: here the NAT's mapping is/),
        attempts: expect.arrayContaining([expect.objectContaining({ via: 'direct udp check' })]),
      })
      await answer.close()
      expect(await failureOf(answer.peer)).toMatchObject({ code: 'closed' })
    })
  })

  test('is not made where there is no network', async () => {
    await InternetStage.play({}, async stage => {
      const host = stage.behind('ada', 'none')
      const ada = await join(stage, host)
      host.detach('eth0')
      expect(await failureOf(ada.offer())).toMatchObject({ code: 'no-network' })
    })
  })

  test('needs the option internet', async () => {
    await InternetStage.play({}, async stage => {
      const host = stage.behind('ada', 'none')
      const ada = await joinNear('chat', { network: host.network })
      expect(await failureOf(ada.offer())).toMatchObject({
        name: 'RangeError',
        message: expect.stringMatching(/offers need `internet`/),
      })
      await ada.close()
    })
  })
})

describe('whoever answers', () => {
  test('sends few packets to an address that an offer names, as long as it waits', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { ada, bob } = await pair(stage, 'port-restricted', 'port-restricted')
      const offer = await ada.offer()
      const answer = await bob.answerOffer(offer.text)
      // Nobody is there any more.
      await ada.close()
      const packets = new Map<string, number>()
      const stop = stage.net.trace(({ host, protocol, to }) => {
        const key = `${protocol} ${to}`
        if (host === 'bob' && to.startsWith('203.0.113.')) packets.set(key, (packets.get(key) ?? 0) + 1)
      })
      await stage.net.advance(OFFER_LIFETIME_MS)
      stop()
      expect(await failureOf(answer.peer)).toMatchObject({ code: 'timeout' })
      // UDP, and a port that takes part in simultaneous open.
      expect([...packets.keys()].map(key => key.split(' ')[0]).sort()).toEqual(['tcp', 'udp'])
      expect(Math.max(...packets.values())).toBeLessThan(250)
    })
  })
})
