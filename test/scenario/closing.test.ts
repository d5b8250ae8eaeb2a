import { describe, expect, test } from 'vitest'
import { Identity, join } from '../../src/index.ts'
import { simulate } from '../../src/testing/index.ts'
import { failureOf, heardBy, logOf, onStage, peerOf } from './stage.ts'

describe('close', () => {
  test('says goodbye: the others know within a second', () =>
    onStage(async stage => {
      const rooms = await stage.joinAll('ada', 'bob', 'eve')
      const [ada, bob, eve] = rooms
      await stage.met(rooms)
      const logs = [logOf(bob!), logOf(eve!)]
      const log = logOf(ada!)
      const startedAt = stage.net.now
      await ada!.close()
      expect(stage.net.now - startedAt).toBeLessThan(1_000)
      await stage.advance(10)
      for (const of of logs) {
        expect(of.slice(2)).toEqual(['state ada here gone', 'gone ada closed'])
      }
      expect(ada!.peers).toEqual([])
      // It is not the others who went.
      expect(log.filter(line => line.startsWith('gone'))).toEqual([])
    }))

  test('leaves nothing open at once, not only after a while', () =>
    onStage(async stage => {
      const rooms = await stage.joinAll('ada', 'bob', 'eve')
      await stage.met(rooms)
      await rooms[0]!.close()
      expect(stage.host('ada').open()).toEqual([])
    }))

  test('is idempotent, and `closed` tells', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      let isClosed = false
      void ada.closed.then(() => {
        isClosed = true
      })
      await stage.advance(100)
      expect(isClosed).toBe(false)
      await Promise.all([ada.close(), ada.close(), ada[Symbol.asyncDispose]()])
      await ada.close()
      expect(await ada.closed).toBeUndefined()
      expect(isClosed).toBe(true)
    }))

  test('delivers what was sent before', () =>
    onStage(
      async stage => {
        const [ada, bob] = await stage.joinAll('ada', 'bob')
        const heard = heardBy(bob!)
        await stage.met([ada!, bob!])
        for (let i = 0; i < 2_000; i++) void ada!.send(`${i} ${'x'.repeat(500)}`).catch(() => {})
        await ada!.close()
        await stage.advance(100)
        expect(heard).toHaveLength(2_000)
      },
      { lan: { bitsPerSecond: 100_000_000 } },
    ))

  test('takes a second at most, though a peer does not read', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const reading = bob!.channel('bulk')[Symbol.asyncIterator]()
      void reading.next()
      const sends = Array.from({ length: 20 }, () =>
        ada!.channel('bulk').send(new Uint8Array(1_000_000), { to: 'bob' }),
      )
      const outcomes = Promise.allSettled(sends)
      await stage.advance(100)
      const startedAt = stage.net.now
      await ada!.close()
      expect(stage.net.now - startedAt).toBeLessThan(1_100)
      expect((await outcomes).at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'closed' } })
      expect(stage.host('ada').open()).toEqual([])
    }))

  test('takes a second at most, though a peer is dead', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      stage.host('bob').stop()
      await ada!.send('into the void')
      const startedAt = stage.net.now
      await ada!.close()
      expect(stage.net.now - startedAt).toBeLessThan(1_100)
      expect(stage.host('ada').open()).toEqual([])
    }))

  test('in the middle of everything ends everything', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      bob!.answer('never', () => new Promise(() => {}))
      bob!.answer('stream', async function* () {
        yield 1
        await new Promise(() => {})
      })
      await stage.met([ada!, bob!])
      stage.host('silent').stop()
      const reading = (async () => {
        for await (const _ of ada!.askStream('bob', 'stream', 0, { timeoutMs: 60_000 }));
      })()
      const open = [
        failureOf(ada!.ask('bob', 'never', 0, { timeoutMs: 60_000 })),
        failureOf(ada!.once('warning')),
        failureOf(ada!.once('message', { timeoutMs: 60_000 })),
        failureOf(ada!.connect('192.168.1.4:4', { timeoutMs: 60_000 })),
        failureOf(ada!.connect('nobody', { timeoutMs: 60_000 })),
        failureOf(ada!.send('nobody listens', { receipt: true })),
        failureOf(reading),
      ]
      const all = ada!.askAll('never', 0, { timeoutMs: 60_000 })
      const answer = all.next()
      await stage.advance(200)
      await ada!.close()
      expect((await Promise.all(open)).map(({ code }) => code)).toEqual(open.map(() => 'closed'))
      expect((await answer).value).toMatchObject({ ok: false, error: { code: 'closed' } })
      expect(await failureOf(ada!.once('peer'))).toMatchObject({ code: 'closed' })
      expect(stage.host('ada').open()).toEqual([])
    }))

  test('while peers are just coming in leaves nothing behind, at whatever moment', () =>
    onStage(
      async stage => {
        for (let ms = 0; ms < 60; ms += 3) {
          const host = stage.host(`host-${ms}`)
          const [ada, bob] = await Promise.all([
            stage.join('ada', { on: stage.host(`other-${ms}`).network, service: `room-${ms}` }),
            stage.join('bob', { on: host.network, service: `room-${ms}` }),
          ])
          await stage.advance(ms)
          await bob.close()
          expect(host.open()).toEqual([])
          await stage.advance(2_000)
          expect([host.open(), bob.peers, ada.peers]).toEqual([[], [], []])
          await ada.close()
        }
      },
      { lan: { delayMs: 5 } },
    ))

  test('while an `admit` is thinking lets it think for nothing', () =>
    onStage(async stage => {
      let answer: (() => void) | undefined
      const ada = await stage.join('ada', {
        admit: caller => new Promise(resolve => (answer = () => resolve(caller.accept()))),
      })
      const bob = await stage.join('bob')
      await stage.until(() => answer !== undefined)
      await ada.close()
      expect(stage.host('ada').open()).toEqual([])
      answer!()
      await stage.advance(1_000)
      expect([...ada.peers, ...bob.peers]).toEqual([])
    }))

  test('right after a kick waits for the goodbye of that, too', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const log = logOf(bob!)
      void peerOf(ada!, bob!).kick('bye')
      await ada!.close()
      expect(stage.host('ada').open()).toEqual([])
      expect(log).toContain('gone ada kicked: bye')
    }))

  test('in a listener of the room itself works', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      bob!.on('message', () => void bob!.close())
      bob!.on('peer-gone', () => void bob!.close())
      await stage.met([ada!, bob!])
      await ada!.send('go')
      await bob!.closed
      await stage.until(() => ada!.peers.length === 0)
    }))
})

describe('the signal of a room', () => {
  test('that is aborted leaves the room at once; `closed` has the reason', () =>
    onStage(async stage => {
      const stop = new AbortController()
      const ada = await stage.join('ada', { signal: stop.signal })
      const bob = await stage.join('bob')
      await stage.met([ada, bob])
      const log = logOf(bob)
      stop.abort(new Error('enough'))
      expect(await ada.closed).toMatchObject({ message: 'enough' })
      expect(stage.host('ada').open()).toEqual([])
      await stage.until(() => log.length === 4, 1_000)
      expect(log.slice(1)).toEqual([
        'state ada here away',
        'state ada away gone',
        'gone ada lost: the program has ended',
      ])
    }))

  test('that is aborted already lets nobody in', () =>
    onStage(async stage => {
      const reason = new Error('too late')
      expect(await failureOf(stage.join('ada', { signal: AbortSignal.abort(reason) }))).toBe(reason)
      expect(stage.host('ada').open()).toEqual([])
    }))

  test('that is aborted while joining rejects with its reason and leaves nothing open', async () => {
    const net = simulate()
    const stop = new AbortController()
    const joining = join('chat', { network: net.host('ada').network, signal: stop.signal })
    stop.abort(new Error('changed my mind'))
    expect(await failureOf(net.until(joining))).toMatchObject({ message: 'changed my mind' })
    await net.advance(100)
    expect(net.open()).toEqual([])
  })

  test('is let go with the room', () =>
    onStage(async stage => {
      const stop = new AbortController()
      const ada = await stage.join('ada', { signal: stop.signal })
      await ada.close()
      stop.abort(new Error('much later'))
      expect(await ada.closed).toBeUndefined()
    }))
})

test('a port that is taken is told by `join`, and nothing stays open', () =>
  onStage(async stage => {
    const host = stage.host('ada')
    await stage.join('one', { on: host.network, listen: { port: 4112 } })
    const other = host.launch()
    expect(await failureOf(stage.join('two', { on: other, listen: { port: 4112 } }))).toMatchObject({
      code: 'address-in-use',
      hint: expect.any(String),
    })
    expect([other.timersDueAt, other.watcherCount]).toEqual([[], 0])
  }))

test('a room can be joined and left over and over, under one identity', () =>
  onStage(async stage => {
    const bob = await stage.join('bob')
    const log = logOf(bob)
    const { network } = stage.host('ada')
    const identity = Identity.generate()
    for (let i = 0; i < 10; i++) {
      const ada = await stage.join('ada', { on: network, identity })
      await stage.met([ada, bob], 2_000)
      await ada.close()
    }
    await stage.advance(1_000)
    expect(log.filter(line => line === 'peer ada')).toHaveLength(10)
    expect(log.filter(line => line === 'gone ada closed')).toHaveLength(10)
    expect(stage.host('ada').open()).toEqual([])
  }))
