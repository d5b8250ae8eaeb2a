import { describe, expect, test } from 'vitest'
import { type Admission, type Caller, type EarshotError, Identity, type Room } from '../../src/index.ts'
import { failureOf, heardBy, logOf, namesOf, onStage, peerOf } from './stage.ts'

describe('a secret', () => {
  test('lets in those who have it, and nobody else', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { secret: 'correct horse' })
      const bob = await stage.join('bob', { secret: 'correct horse' })
      const eve = await stage.join('eve', { secret: 'battery staple' })
      const mia = await stage.join('mia')
      await stage.met([ada, bob])
      await stage.advance(20_000)
      expect(namesOf(ada)).toEqual(['bob'])
      expect([...eve.peers, ...mia.peers]).toEqual([])
      const heard = heardBy(bob)
      await ada.send('between us', { receipt: true })
      expect(heard).toEqual(['between us'])
      for (const outsider of [eve, mia]) {
        const error = await failureOf(outsider.connect('ada'))
        expect(error).toMatchObject({ code: 'wrong-secret', hint: expect.stringContaining('secret') })
        expect(error['attempts']).toEqual(
          expect.arrayContaining([
            expect.objectContaining({ code: 'wrong-secret', via: expect.stringMatching(/^(mdns|beacon)$/) }),
          ]),
        )
      }
      expect(await failureOf(ada.connect('mia'))).toMatchObject({ code: 'wrong-secret' })
    }))

  test('that is wrong is a warning on the side that dials, once', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { secret: 'correct horse', listen: { port: 4112 } })
      const eve = await stage.join('eve', { secret: 'battery staple', peers: ['192.168.1.2:4112'] })
      const warnings: EarshotError[] = []
      eve.on('warning', warning => warnings.push(warning))
      await stage.advance(120_000)
      expect(warnings.map(({ code }) => code)).toEqual(['wrong-secret'])
      expect(warnings[0]!.message).toMatch(/^no connection to .*192\.168\.1\.2:4112/)
      expect(warnings[0]!.hint).toContain('secret')
      expect([...ada.peers, ...eve.peers]).toEqual([])
    }))

  test('is the same however its accents are typed', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { secret: 'caf\u00e9' })
      const bob = await stage.join('bob', { secret: 'cafe\u0301' })
      await stage.met([ada, bob])
    }))
})

describe('admit', () => {
  test('that denies is a warning on the side that dials, once for each reason', () =>
    onStage(async stage => {
      let reason = 'no-guests'
      await stage.join('ada', { admit: caller => caller.deny(reason, { retryAfterMs: 1_000 }) })
      const eve = await stage.join('eve', { visible: false })
      const warnings: EarshotError[] = []
      eve.on('warning', warning => warnings.push(warning))
      await stage.advance(120_000)
      reason = 'closed for today'
      await stage.advance(120_000)
      expect(warnings.map(warning => [warning.code, warning.reason])).toEqual([
        ['refused', 'no-guests'],
        ['refused', 'closed for today'],
      ])
      expect(warnings[0]!.message).toMatch(/^no connection to 'ada' at 192\.168\.1\.2:\d+: /)
    }))

  test('decides by what the caller says of itself', () =>
    onStage(async stage => {
      const callers: Caller[] = []
      const ada = await stage.join('ada', {
        admit: caller => {
          callers.push(caller)
          const { team } = caller.info as { team: string }
          return team === 'red' ? caller.accept() : caller.deny('wrong-team', { retryAfterMs: 600_000 })
        },
      })
      const bob = await stage.join('bob', { info: { team: 'red' }, hello: { age: 7 } })
      const eve = await stage.join('eve', { info: { team: 'blue' } })
      await stage.met([ada, bob])
      const error = await failureOf(eve.connect('ada'))
      expect(error).toMatchObject({ code: 'refused', reason: 'wrong-team' })
      expect(error['retryAfterMs']).toBeGreaterThan(599_000)
      expect(error['attempts']).toEqual([
        expect.objectContaining({ address: expect.stringMatching(/^192\.168\.1\.2:\d+$/), code: 'refused' }),
      ])
      await stage.advance(5_000)
      expect(namesOf(ada)).toEqual(['bob'])
      expect(callers.find(({ id }) => id === bob.self.id)).toMatchObject({
        name: 'bob',
        info: { team: 'red' },
        hello: { age: 7 },
        address: expect.stringMatching(/^192\.168\.1\.3:\d+$/),
      })
    }))

  test('is asked once for one peer, though both sides dial', () =>
    onStage(async stage => {
      const asked: string[] = []
      const admit = (caller: Caller) => {
        asked.push(caller.name)
        return caller.accept()
      }
      const [ada, bob] = await Promise.all([stage.join('ada', { admit }), stage.join('bob', { admit })])
      await stage.met([ada, bob])
      await stage.advance(10_000)
      expect(asked.sort()).toEqual(['ada', 'bob'])
    }))

  test.each(['smaller', 'larger'] as const)(
    'may take its time, as a person does, and is not asked again meanwhile (the caller has the %s id)',
    order =>
      onStage(async stage => {
        const [small, large] = [Identity.generate(), Identity.generate()].sort((a, b) => (a.id < b.id ? -1 : 1))
        const asked: string[] = []
        const ada = await stage.join('ada', {
          identity: order === 'smaller' ? large! : small!,
          admit: async caller => {
            asked.push(caller.name)
            await stage.advance(30_000)
            return caller.accept()
          },
        })
        const bob = await stage.join('bob', { identity: order === 'smaller' ? small! : large! })
        const [logOfAda, logOfBob] = [logOf(ada), logOf(bob)]
        await stage.advance(29_000)
        expect([logOfAda, logOfBob]).toEqual([[], []])
        await stage.met([ada, bob], 2_000)
        await stage.advance(60_000)
        expect(asked).toEqual(['bob'])
        expect([logOfAda, logOfBob]).toEqual([['peer bob'], ['peer ada']])
      }),
  )

  test('that denies is not bothered again before the time it named', () =>
    onStage(async stage => {
      let asked = 0
      const ada = await stage.join('ada', {
        admit: caller => {
          asked++
          return stage.net.now < 300_000 ? caller.deny('later', { retryAfterMs: 300_000 }) : caller.accept()
        },
      })
      const bob = await stage.join('bob')
      await stage.advance(10_000)
      const askedFirst = asked
      expect(askedFirst).toBeLessThanOrEqual(2)
      // What the denier says of itself anew changes nothing.
      ada.setInfo('news')
      await stage.advance(240_000)
      expect(asked).toBe(askedFirst)
      await stage.met([ada, bob], 180_000)
    }))

  test.each<[string, (caller: Caller) => Admission | Promise<Admission>]>([
    [
      'throws',
      () => {
        throw new Error('a bug')
      },
    ],
    ['rejects', () => Promise.reject(new Error('a bug'))],
    ['returns something else', () => true as never],
    ['promises something else', () => Promise.resolve(undefined as never)],
  ])('that %s keeps the caller out, and the program is told', (_, admit) =>
    onStage(async stage => {
      const ada = await stage.join('ada', { admit })
      const warnings: { code: string; cause: unknown }[] = []
      ada.on('warning', ({ code, cause }) => warnings.push({ code, cause }))
      const bob = await stage.join('bob')
      expect(await failureOf(bob.connect('ada'))).toMatchObject({ code: 'refused', reason: 'error' })
      await stage.advance(1_000)
      expect(ada.peers).toEqual([])
      expect(warnings[0]).toMatchObject({
        code: 'refused',
        cause: { message: expect.stringMatching(/a bug|admit must/) },
      })
    }),
  )

  test('is not asked for those whom the program itself wants', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { admit: caller => caller.deny('nobody') })
      const bob = await stage.join('bob')
      const peer = await ada.connect('bob')
      expect(peer.name).toBe('bob')
      expect(namesOf(bob)).toEqual(['ada'])
    }))

  test('on both sides must agree', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { admit: caller => caller.accept() })
      const bob = await stage.join('bob', { admit: caller => caller.deny('no') })
      await stage.advance(10_000)
      expect([...ada.peers, ...bob.peers]).toEqual([])
      expect(await failureOf(ada.connect('bob'))).toMatchObject({ code: 'refused', reason: 'no' })
    }))

  test('refuses words for the other side that are none', () =>
    onStage(async stage => {
      const thrown: unknown[] = []
      const tries: ((caller: Caller) => Admission)[] = [
        caller => caller.deny(''),
        caller => caller.deny('x'.repeat(513)),
        caller => caller.deny('x', { retryAfterMs: -1 }),
        caller => caller.deny('x', { retryAfterMs: Number.NaN }),
      ]
      await stage.join('ada', {
        admit: caller => {
          for (const attempt of tries) {
            try {
              attempt(caller)
            } catch (error) {
              thrown.push((error as Error).name)
            }
          }
          return caller.accept()
        },
      })
      const bob = await stage.join('bob')
      await bob.once('peer')
      expect(thrown).toEqual(tries.map(() => 'RangeError'))
    }))
})

describe('maxPeers', () => {
  test('is not exceeded, however many come at once, and a free place is taken', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { maxPeers: 2 })
      const others = await stage.joinAll('bob', 'eve', 'mia', 'zoe')
      let most = 0
      ada.on('peer', () => {
        most = Math.max(most, ada.peers.length)
      })
      await stage.until(() => ada.peers.length === 2)
      await stage.advance(20_000)
      expect(most).toBe(2)
      const outside = others.filter(room => !room.peers.some(({ name }) => name === 'ada'))
      expect(outside).toHaveLength(2)
      expect(await failureOf(outside[0]!.connect('ada'))).toMatchObject({ code: 'refused', reason: 'full' })
      expect(await failureOf(ada.connect(outside[0]!.self.id))).toMatchObject({ code: 'refused', reason: 'full' })
      const leaving = others.find(room => !outside.includes(room))!
      const startedAt = stage.net.now
      await leaving.close()
      await stage.until(() => ada.peers.length === 2)
      expect(stage.net.now - startedAt).toBeLessThan(8_000)
      expect(most).toBe(2)
    }))

  test('is not exceeded by a newcomer who meets many at once', () =>
    onStage(async stage => {
      const others = await stage.joinAll('bob', 'eve', 'mia', 'zoe', 'kim')
      await stage.met(others)
      const ada = await stage.join('ada', { maxPeers: 1 })
      let most = 0
      ada.on('peer', () => {
        most = Math.max(most, ada.peers.length)
      })
      await stage.advance(20_000)
      expect(most).toBe(1)
      expect(others.filter(room => room.peers.some(({ name }) => name === 'ada'))).toHaveLength(1)
    }))

  test('holds with an admit that makes everybody wait', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', {
        maxPeers: 1,
        admit: async caller => {
          await stage.advance(1_000)
          return caller.accept()
        },
      })
      await stage.joinAll('bob', 'eve', 'mia')
      await stage.advance(10_000)
      expect(ada.peers).toHaveLength(1)
    }))

  test('of 0 is a room for itself', () =>
    onStage(async stage => {
      const [ada, bob] = [await stage.join('ada', { maxPeers: 0 }), await stage.join('bob')]
      await stage.advance(10_000)
      expect([...ada.peers, ...bob.peers]).toEqual([])
    }))
})

describe('lock', () => {
  test('keeps those present and lets nobody in, until unlock', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      ada!.lock()
      const eve = await stage.join('eve')
      await stage.met([bob!, eve])
      await stage.advance(10_000)
      expect(namesOf(ada!)).toEqual(['bob'])
      expect(await failureOf(eve.connect('ada'))).toMatchObject({
        code: 'refused',
        reason: 'locked',
        retryAfterMs: expect.any(Number),
      })
      ada!.unlock()
      await stage.met([ada!, eve], 1_000)
    }))

  test('lets members come back after a broken link, and nobody else', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      ada!.lock()
      const log = logOf(ada!)
      stage.net.lan('home').isolate('bob')
      await stage.until(() => ada!.peers.length === 0, 90_000)
      const eve = await stage.join('eve')
      await stage.advance(5_000)
      stage.net.lan('home').heal()
      await stage.met([ada!, bob!], 70_000)
      await stage.advance(5_000)
      expect(namesOf(ada!)).toEqual(['bob'])
      expect(namesOf(eve)).toEqual(['bob'])
      expect(log.filter(line => line.startsWith('peer'))).toEqual(['peer bob', 'peer bob'])
    }))

  test.each<[string, (ada: Room, bob: Room) => Promise<void>]>([
    ['was kicked', (ada, bob) => peerOf(ada, bob).kick('out')],
    ['left by its own will', (_, bob) => bob.close()],
  ])('does not let a member back in who %s, until unlock', (_, part) =>
    onStage(async stage => {
      const identity = Identity.generate()
      const ada = await stage.join('ada')
      const bob = await stage.join('bob', { identity })
      await stage.met([ada, bob])
      ada.lock()
      await part(ada, bob)
      await stage.until(() => ada.peers.length === 0)
      await bob.close()
      const again = await stage.join('bob', { identity })
      expect(await failureOf(again.connect(ada.addresses[0]!))).toMatchObject({ code: 'refused', reason: 'locked' })
      await stage.advance(70_000)
      expect(ada.peers).toEqual([])
      ada.unlock()
      await stage.met([ada, again])
    }),
  )

  test('a second lock does not make members of those who came to nothing', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      ada!.lock()
      await bob!.close()
      ada!.lock()
      const eve = await stage.join('eve')
      await stage.advance(5_000)
      expect(ada!.peers).toEqual([])
      ada!.unlock()
      ada!.unlock()
      await stage.met([ada!, eve])
    }))
})

describe('kick', () => {
  test('ends it on both sides, with the code for the other one, and neither dials for a minute', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const [logOfAda, logOfBob] = [logOf(ada!), logOf(bob!)]
      await peerOf(ada!, bob!).kick('too-loud')
      expect(ada!.peers).toEqual([])
      await stage.advance(10)
      expect(logOfAda).toEqual(['peer bob', 'state bob here gone', 'gone bob kicked: too-loud'])
      expect(logOfBob).toEqual(['peer ada', 'state ada here gone', 'gone ada kicked: too-loud'])
      bob!.setInfo('look at me')
      ada!.setInfo('look at me, too')
      await stage.advance(55_000)
      expect(ada!.peers).toEqual([])
      await stage.met([ada!, bob!], 10_000)
    }))

  test('with a ban refuses the peer that long, whoever dials, and not longer', () =>
    onStage(async stage => {
      const [ada, bob, eve] = await stage.joinAll('ada', 'bob', 'eve')
      await stage.met([ada!, bob!, eve!])
      const kickedAt = stage.net.now
      await peerOf(ada!, bob!).kick('banned for a while', { banMs: 120_000 })
      const error = await failureOf(bob!.connect('ada'))
      expect(error).toMatchObject({ code: 'refused', reason: 'banned' })
      expect(error['retryAfterMs']).toBeGreaterThan(119_000)
      expect(await failureOf(ada!.connect('bob'))).toMatchObject({ code: 'refused', reason: 'banned' })
      await stage.advance(118_000 - (stage.net.now - kickedAt))
      expect(namesOf(ada!)).toEqual(['eve'])
      await stage.met([ada!, bob!, eve!], 10_000)
    }))

  test('in the moment of arrival leaves nothing behind', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      ada.on('peer', peer => void peer.kick('not you'))
      const bob = await stage.join('bob')
      const log = logOf(bob)
      await stage.advance(50_000)
      expect([...ada.peers, ...bob.peers]).toEqual([])
      expect(log).toEqual(['peer ada', 'state ada here gone', 'gone ada kicked: not you'])
    }))

  test('in the moment of arrival is what a `connect` tells', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { discovery: [] })
      ada.on('peer', peer => void peer.kick('not you'))
      const bob = await stage.join('bob', { discovery: [] })
      const log = logOf(bob)
      const outcome = await bob.connect(ada.addresses[0]!).then(
        ({ state }) => state,
        ({ code }) => code,
      )
      expect(outcome).toMatch(/gone|here|closed/)
      await stage.advance(1_000)
      expect(log).toEqual(['peer ada', 'state ada here gone', 'gone ada kicked: not you'])
    }))

  test('of a peer to whom much is being sent still ends within a second', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      // Nobody reads there, so that nothing flows any more.
      const reader = bob!.channel('bulk')[Symbol.asyncIterator]()
      void reader.next()
      const sending = Promise.allSettled(
        Array.from({ length: 50 }, () => ada!.channel('bulk').send(new Uint8Array(1_000_000), { to: 'bob' })),
      )
      await stage.advance(1_000)
      const kickedAt = stage.net.now
      await peerOf(ada!, bob!).kick()
      expect(stage.net.now - kickedAt).toBeLessThanOrEqual(1_100)
      const outcomes = await sending
      expect(outcomes.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'closed' } })
    }))

  test('takes nothing more from the peer, though the last words to it are still on their way', () =>
    onStage(
      async stage => {
        const [ada, bob] = await stage.joinAll('ada', 'bob')
        const heard = heardBy(ada!)
        ada!.answer('still there', () => true)
        await stage.met([ada!, bob!])
        void ada!.send(new Uint8Array(2_000_000), { to: 'bob' }).catch(() => {})
        await stage.advance(10)
        const kicked = peerOf(ada!, bob!).kick()
        const asking = failureOf(bob!.ask('ada', 'still there'))
        await bob!.send('but')
        await stage.advance(200)
        expect(bob!.peers).toHaveLength(1)
        expect(heard).toEqual([])
        expect(await asking).toMatchObject({ code: expect.stringMatching(/no-answer|closed/) })
        await kicked
      },
      { lan: { bitsPerSecond: 20_000_000 } },
    ))

  test('is idempotent, and while it lasts nothing is sent to nowhere', () =>
    onStage(async stage => {
      const [ada, bob, eve] = await stage.joinAll('ada', 'bob', 'eve')
      await stage.met([ada!, bob!, eve!])
      const peer = peerOf(ada!, bob!)
      const heard = heardBy(eve!)
      const kicked = Promise.all([peer.kick('one'), peer.kick('two')])
      expect(await failureOf(peer.send('x'))).toMatchObject({ code: expect.stringMatching(/closed|unknown-peer/) })
      await ada!.send('to the others', { receipt: true })
      await kicked
      expect(heard).toEqual(['to the others'])
      await peer.kick('three')
    }))

  test.each([
    ['code', ['']],
    ['code', ['x'.repeat(513)]],
    ['code', [7]],
    ['banMs', ['x', { banMs: -1 }]],
    ['banMs', ['x', { banMs: Number.NaN }]],
  ] as const)('refuses a wrong %s (%#)', (field, args) =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const error = await failureOf((peerOf(ada!, bob!).kick as (...args: unknown[]) => Promise<void>)(...args))
      expect(error.name).toMatch(/RangeError|TypeError/)
      expect(error.message).toContain(field)
      expect(peerOf(ada!, bob!).state).toBe('here')
    }),
  )

  test('can be for ever', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      await peerOf(ada!, bob!).kick('never again', { banMs: Number.POSITIVE_INFINITY })
      await stage.advance(3_000_000)
      expect([...ada!.peers, ...bob!.peers]).toEqual([])
    }))
})
