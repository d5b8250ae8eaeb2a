import { describe, expect, test } from 'vitest'
import { failureOf, heardBy, onStage, peerOf } from './stage.ts'

describe('send', () => {
  test('reaches one, several or all, named by object, id, short id or name', () =>
    onStage(async stage => {
      const rooms = await stage.joinAll('ada', 'bob', 'eve', 'mia')
      const [ada, bob, eve, mia] = rooms as [(typeof rooms)[0], (typeof rooms)[0], (typeof rooms)[0], (typeof rooms)[0]]
      await stage.met(rooms)
      const heard = { bob: heardBy(bob), eve: heardBy(eve), mia: heardBy(mia) }
      await ada.send('to all')
      await ada.send('to bob', { to: peerOf(ada, bob) })
      await ada.send('to bob and eve', { to: [bob.self.id, 'eve'] })
      await ada.send('to mia once', { to: ['mia', mia.self.id, mia.self.id.slice(0, 8)] })
      await ada.send('to nobody', { to: [] })
      await peerOf(ada, eve).send('to eve')
      await stage.advance(10)
      expect(heard).toEqual({
        bob: ['to all', 'to bob', 'to bob and eve'],
        eve: ['to all', 'to bob and eve', 'to eve'],
        mia: ['to all', 'to mia once'],
      })
    }))

  test('to somebody who is not there rejects, and reaches none of the others', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const heard = heardBy(bob!)
      const error = await failureOf(ada!.send('x', { to: ['bob', 'nobody'] }))
      expect(error).toMatchObject({ code: 'unknown-peer', hint: expect.stringContaining('room.peers') })
      const gone = peerOf(ada!, bob!)
      await bob!.close()
      const calls = [gone.send('y'), gone.send('y', { receipt: true }), ada!.send('y', { to: gone }), gone.ping()]
      const asks = [gone.ask('y'), ada!.ask(gone, 'y')]
      for (const call of [...calls, ...asks]) expect(await failureOf(call)).toMatchObject({ code: 'closed' })
      expect(await failureOf(ada!.send('y', { to: 'bob' }))).toMatchObject({ code: 'unknown-peer' })
      expect(heard).toEqual([])
    }))

  test('names those who could be meant where several bear the name', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      const one = await stage.join('bob', { on: stage.host('one').network })
      const two = await stage.join('bob', { on: stage.host('two').network })
      await stage.met([ada, one, two])
      const error = await failureOf(ada.send('x', { to: 'bob' }))
      expect(error).toMatchObject({ code: 'unknown-peer', hint: 'Use the id of the one you mean.' })
      expect(error.message).toContain(one.self.id.slice(0, 8))
      expect(error.message).toContain(two.self.id.slice(0, 8))
    }))

  test('carries every kind of value unchanged', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      const heard = heardBy(bob!)
      await stage.met([ada!, bob!])
      const values = [
        '',
        'text \u{1f600}',
        new Uint8Array([0, 255]),
        null,
        undefined,
        -0,
        Number.NaN,
        12.5,
        true,
        2n ** 70n,
        [1, [2, { three: [3] }]],
        { a: { b: undefined } },
        new Map<unknown, unknown>([[{ x: 1 }, new Set([1, 'a'])]]),
        new Date(1_700_000_000_000),
        new Float32Array([1.5, -2]),
      ]
      for (const value of values) await ada!.send(value)
      await stage.advance(10)
      expect(heard).toEqual(values)
    }))

  test('refuses with a TypeError what cannot be sent, and says where it is', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const error = await failureOf(ada!.send({ list: [1, () => 0] }))
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toMatch(/list\[1\]/)
      const cycle: unknown[] = []
      cycle.push(cycle)
      expect(await failureOf(ada!.send(cycle))).toBeInstanceOf(RangeError)
    }))

  test('after the room was left rejects with closed', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      await ada.close()
      expect(await failureOf(ada.send('x'))).toMatchObject({ code: 'closed' })
      expect(await failureOf(ada.connect('192.168.1.3:4'))).toMatchObject({ code: 'closed' })
    }))

  test('with an aborted signal sends nothing and rejects with its reason', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const heard = heardBy(bob!)
      const reason = new Error('no more')
      expect(await failureOf(ada!.send('x', { signal: AbortSignal.abort(reason) }))).toBe(reason)
      await stage.advance(10)
      expect(heard).toEqual([])
    }))
})

describe('a row of messages', () => {
  test.each(['as-written', 'random'] as const)('of 10,000 arrives once each and in order (%s)', segmentation =>
    onStage(
      async stage => {
        const [ada, bob] = await stage.joinAll('ada', 'bob')
        const heard = heardBy(bob!)
        await stage.met([ada!, bob!])
        for (let i = 0; i < 10_000; i++) await ada!.send({ i })
        await stage.until(() => heard.length >= 10_000)
        await stage.advance(1_000)
        expect(heard.map(data => (data as { i: number }).i)).toEqual(Array.from({ length: 10_000 }, (_, i) => i))
      },
      { segmentation },
    ),
  )

  test('arrives whole and in order on a LAN that loses and swaps packets', () =>
    onStage(
      async stage => {
        const [ada, bob] = await stage.joinAll('ada', 'bob')
        const heard = heardBy(bob!)
        await stage.met([ada!, bob!])
        const sent = Array.from({ length: 500 }, (_, i) => `${i} ${'x'.repeat((i * 37) % 3_000)}`)
        await Promise.all(sent.map(text => ada!.send(text)))
        await stage.until(() => heard.length >= sent.length, 120_000)
        expect(heard).toEqual(sent)
      },
      { seed: 7, lan: { loss: 0.05, delayMs: 5, jitterMs: 20 } },
    ))

  test('without waiting is held back by flow control, and arrives', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      const heard = heardBy(bob!)
      await stage.met([ada!, bob!])
      const text = 'y'.repeat(1_000)
      const accepted = Promise.all(Array.from({ length: 5_000 }, (_, i) => ada!.send(`${i} ${text}`)))
      expect(peerOf(ada!, bob!).stats().queuedBytes).toBeGreaterThan(1_000_000)
      await accepted
      await stage.until(() => heard.length === 5_000)
      expect(heard.map(data => Number.parseInt(data as string, 10))).toEqual([...Array(5_000).keys()])
      expect(peerOf(ada!, bob!).stats().queuedBytes).toBe(0)
    }))

  test('beyond all bounds rejects with limit-reached, and what was accepted arrives', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      const heard = heardBy(bob!)
      await stage.met([ada!, bob!])
      const bytes = new Uint8Array(8_000_000)
      const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => ada!.send(bytes)))
      const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
      expect(refused.length).toBeGreaterThan(0)
      expect(refused[0]!.reason).toMatchObject({ code: 'limit-reached', hint: expect.any(String) })
      await stage.until(() => heard.length === 12 - refused.length)
    }))
})

describe('large messages', () => {
  test.each([1_000_000, 10_000_000])('of %i bytes of JSON arrive whole', bytes =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      const heard = heardBy(bob!)
      await stage.met([ada!, bob!])
      const value = Array.from({ length: bytes / 50 }, (_, i) => ({ i, text: 'abcdefghij'.repeat(3) }))
      await ada!.send(value, { receipt: true })
      expect(heard).toHaveLength(1)
      expect(JSON.stringify(heard[0])).toBe(JSON.stringify(value))
    }),
  )

  test('beyond the limit are refused where they are sent', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const error = await failureOf(ada!.send(new Uint8Array(17_000_000)))
      expect(error).toMatchObject({ code: 'too-large' })
      expect(error.message).toMatch(/16777216|16,777,216/)
      const heard = heardBy(bob!)
      await ada!.send('still here', { receipt: true })
      expect(heard).toEqual(['still here'])
    }))

  test('do not hold up small ones of another channel, nor questions', () =>
    onStage(
      async stage => {
        const [ada, bob] = await stage.joinAll('ada', 'bob')
        bob!.answer('now', () => stage.net.now)
        const order: string[] = []
        bob!.on('message', ({ channel }) => order.push(channel || 'bulk'))
        await stage.met([ada!, bob!])
        const bulk = ada!.send(new Uint8Array(10_000_000))
        await stage.advance(20)
        const askedAt = stage.net.now
        const answeredAt = (await ada!.ask(bob!.self.id, 'now', undefined, { timeoutMs: 20_000 })) as number
        await ada!.channel('urgent').send('now!', { receipt: true })
        expect(order).toEqual(['urgent'])
        expect(answeredAt - askedAt).toBeLessThan(500)
        await bulk
        await stage.until(() => order.length === 2)
      },
      { lan: { bitsPerSecond: 20_000_000 } },
    ))
})

describe('a receipt', () => {
  test('comes when every receiving application has the message', () =>
    onStage(
      async stage => {
        const rooms = await stage.joinAll('ada', 'bob', 'eve')
        await stage.met(rooms)
        const [ada, bob, eve] = rooms
        const heardByBob = heardBy(bob!)
        let isDone = false
        const sent = ada!.send('x', { receipt: true }).then(() => {
          isDone = true
        })
        await stage.advance(1_000)
        expect([heardByBob, isDone]).toEqual([['x'], false])
        const heardByEve = heardBy(eve!)
        await sent
        expect(heardByEve).toEqual(['x'])
      },
      { lan: { delayMs: 10 } },
    ))

  test('with nobody there comes at once', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      await ada.send('x', { receipt: true })
    }))

  test('rejects where the receiver leaves before anybody heard', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const receipt = failureOf(peerOf(ada!, bob!).send('x', { receipt: true }))
      await stage.advance(100)
      await bob!.close()
      expect(await receipt).toMatchObject({ code: 'closed' })
    }))

  test('can be given up', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const stop = new AbortController()
      const receipt = failureOf(ada!.send('x', { receipt: true, signal: stop.signal }))
      await stage.advance(100)
      stop.abort(new Error('enough'))
      expect(await receipt).toMatchObject({ message: 'enough' })
    }))
})

describe('those who listen late', () => {
  test('get the messages that waited, in order, then the later ones', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      for (let i = 0; i < 5; i++) await ada!.send(i)
      await stage.advance(100)
      const heard = heardBy(bob!)
      expect(heard).toEqual([0, 1, 2, 3, 4])
      await ada!.send(5, { receipt: true })
      expect(heard).toEqual([0, 1, 2, 3, 4, 5])
      // A second listener came too late for them.
      expect(heardBy(bob!)).toEqual([])
    }))

  test('and for one message only leave the others waiting', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      for (let i = 0; i < 3; i++) await ada!.send(i)
      await stage.advance(100)
      expect((await bob!.once('message')).data).toBe(0)
      expect((await bob!.once('message')).data).toBe(1)
      expect(heardBy(bob!)).toEqual([2])
    }))

  test('get the messages of one who has left since', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      await ada!.send('last words')
      await ada!.close()
      const { data, from } = await bob!.once('message')
      expect([data, from.name, from.state]).toEqual(['last words', 'ada', 'gone'])
    }))

  test('are warned where too many waited: the oldest were dropped, and their senders know', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const first = failureOf(ada!.send('first', { receipt: true }))
      for (let i = 0; i < 1_000; i++) await ada!.send(i)
      await stage.advance(100)
      expect(await first).toMatchObject({ code: 'limit-reached' })
      const warnings: unknown[] = []
      bob!.on('warning', warning => warnings.push(warning))
      expect(warnings).toEqual([expect.objectContaining({ code: 'limit-reached', hint: expect.any(String) })])
      const heard = heardBy(bob!)
      expect([heard.length, heard.at(0), heard.at(-1)]).toEqual([1_000, 0, 999])
    }))

  test('are there for the messages of a peer that spoke at once', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      ada.on('peer', peer => {
        for (let i = 0; i < 3; i++) void peer.send(i)
      })
      const bob = await stage.join('bob')
      await bob.once('peer')
      const heard = heardBy(bob)
      await stage.advance(100)
      expect(heard).toEqual([0, 1, 2])
    }))
})

test('a listener that throws hurts nobody else, and its error is not swallowed', async () => {
  const played = onStage(async stage => {
    const [ada, bob] = await stage.joinAll('ada', 'bob')
    await stage.met([ada!, bob!])
    bob!.on('message', () => {
      throw new Error('a bug in the program')
    })
    const heard = heardBy(bob!)
    await ada!.send('x')
    bob!.on('message', () => expect(heard).toEqual(['x']))
    await stage.advance(100)
  })
  await expect(played).rejects.toThrow('a bug in the program')
})
