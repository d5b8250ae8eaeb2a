/** Attacks on sessions that survive: who takes up a session that is not its own, or its own in ways nobody meant. */

import { describe, expect, test } from 'vitest'
import { Identity, type Room } from '../../src/index.ts'
import { MAX_PATHS } from '../../src/limits.ts'
import type { SocketAddress } from '../../src/platform/network.ts'
import { Intruder } from './intruder.ts'
import { failureOf, heardBy, logOf, onStage, peerOf, type Stage } from './stage.ts'

const PORT = 4112
const ADA: SocketAddress = { address: '192.168.1.2', port: PORT }

function connectionsOf(stage: Stage, host: string): number {
  return stage
    .host(host)
    .open()
    .filter(({ kind }) => kind === 'tcp connection').length
}

/** Many identities: some are larger than ada's, which makes her the one who gives in, and some smaller. */
async function bothKinds(ada: Room, attack: (identity: Identity) => Promise<void>): Promise<void> {
  for (const isLarger of [true, false]) {
    let identity = Identity.generate()
    while (identity.id > ada.self.id !== isLarger) identity = Identity.generate()
    await attack(identity)
  }
}

describe('a peer that takes up its own session', () => {
  test.each(['one instance', 'ever new instances'])('with %s has no more than the paths it may have', kind =>
    onStage(async stage => {
      const ada = await stage.join('ada', { listen: { port: PORT }, discovery: [] })
      const mallory = stage.host('mallory').network
      await bothKinds(ada, async identity => {
        const instance = new Uint8Array(8)
        const first = await Intruder.enter(mallory, ADA, { identity, hello: { instance } })
        // Silent for so long that one more path is welcome.
        await stage.advance(3_500)
        const session = { id: first.sessionId, received: 0 }
        const hello = kind === 'one instance' ? { instance, session } : { session }
        const others = []
        for (let i = 0; i < 20; i++) others.push(await Intruder.knock(mallory, ADA, { identity, hello }))
        await stage.advance(100)
        for (const other of others) other.admit()
        await stage.advance(100)
        expect(connectionsOf(stage, 'ada')).toBeLessThanOrEqual(MAX_PATHS)
        for (const each of [first, ...others]) each.leave()
        await stage.advance(70_000)
      })
    }),
  )
})

describe('a session', () => {
  test.each<[string, (id: Uint8Array) => { readonly id: Uint8Array; readonly received: number }]>([
    ['is not taken up by another identity that knows its name', id => ({ id, received: 0 })],
    ['nor by one that has half of it', id => ({ id: id.map((byte, i) => (i < 8 ? byte : 0)), received: 0 })],
    ['nor harmed by one that acknowledges its records', id => ({ id, received: 1_000_000 })],
  ])('%s', (_, offer) =>
    onStage(async stage => {
      const ada = await stage.join('ada', { listen: { port: PORT } })
      const bob = await stage.join('bob')
      await stage.met([ada, bob])
      const [peer, log, heard] = [peerOf(ada, bob), logOf(ada), heardBy(bob)]
      const session = offer(peer.messenger.session.id)
      await Intruder.enter(stage.host('mallory').network, ADA, { hello: { session, instance: peer.instance } })
      await stage.advance(1_000)
      await peer.send('still you', { receipt: true })
      expect(heard).toEqual(['still you'])
      expect(log).toEqual(['peer bob', 'peer mallory'])
      expect(peer.messenger.session.paths).toHaveLength(1)
    }),
  )

  test('does not end, and nobody is dialled again and again, when the wall clock jumps by hours', () =>
    onStage(async stage => {
      const { clock, network, random } = stage.host('ada').network
      let [offsetMs, dials] = [0, 0]
      const ada = await stage.join('ada', {
        on: {
          ...stage.host('ada').network,
          random,
          clock: {
            now: () => clock.now(),
            wallTime: () => clock.wallTime() + offsetMs,
            setTimer: (ms, fn) => clock.setTimer(ms, fn),
            afterTurn: fn => clock.afterTurn(fn),
          },
          network: new Proxy(network, {
            get(target, key) {
              if (key === 'connectTcp') dials++
              const value = Reflect.get(target, key)
              return typeof value === 'function' ? value.bind(target) : value
            },
          }),
        },
      })
      const [bob, eve] = [await stage.join('bob'), await stage.join('eve', { admit: caller => caller.deny('not you') })]
      await stage.met([ada, bob])
      await stage.advance(5_000)
      const [log, before] = [logOf(ada), dials]
      for (let jump = 0; jump < 60; jump++) {
        offsetMs += jump % 3 === 2 ? -7_200_000 : 3_600_000
        await stage.advance(5_000)
      }
      expect(log.filter(line => !line.startsWith('warning'))).toEqual(['peer bob'])
      expect(dials - before).toBeLessThan(60)
      expect(eve.peers).toEqual([])
    }))
})

/** Two rooms, of which the one has the larger id or the smaller. */
async function adaAndBob(
  stage: Stage,
  adaIsLarger: boolean,
  options: { readonly ofAda?: object; readonly ofBob?: object } = {},
): Promise<{ ada: Room; bob: Room }> {
  let identities = [Identity.generate(), Identity.generate()] as const
  if (identities[0].id > identities[1].id !== adaIsLarger) identities = [identities[1], identities[0]]
  const ada = await stage.join('ada', { identity: identities[0], ...options.ofAda })
  const bob = await stage.join('bob', { identity: identities[1], ...options.ofBob })
  await stage.met([ada, bob])
  return { ada, bob }
}

const parting = (log: readonly string[]) => log.filter(line => /^gone|^peer/.test(line))

describe.each([true, false])('a peer that is away, with the kicking side the larger: %s,', adaIsLarger => {
  test.each([0, 120_000])('and kicked meanwhile, banned for %i ms, hears of it when it is back', banMs =>
    onStage(async stage => {
      const { ada, bob } = await adaAndBob(stage, adaIsLarger)
      const logs = [logOf(ada), logOf(bob)] as const
      stage.net.lan('home').isolate('bob')
      await stage.until(() => peerOf(ada, bob).state === 'away')
      await peerOf(ada, bob).kick('out', { banMs })
      stage.net.lan('home').heal()
      await stage.advance(20_000)
      expect(parting(logs[1])).toEqual(['peer ada', 'gone ada kicked: out'])
      expect(parting(logs[0])).toEqual(['peer bob', 'gone bob kicked: out'])
      await stage.advance(60_000)
      expect(bob.peers.length).toBe(banMs === 0 ? 1 : 0)
    }),
  )

  test('and was kicked before anybody noticed that the link is dead, hears of it, too', () =>
    onStage(async stage => {
      const { ada, bob } = await adaAndBob(stage, adaIsLarger)
      const log = logOf(bob)
      stage.net.lan('home').isolate('bob')
      await stage.advance(500)
      await peerOf(ada, bob).kick('out')
      await stage.until(() => peerOf(bob, ada).state === 'away')
      stage.net.lan('home').heal()
      await stage.advance(10_000)
      expect(parting(log)).toEqual(['peer ada', 'gone ada kicked: out'])
    }))

  test('and is refused by a room that has given it up is gone at once', () =>
    onStage(async stage => {
      const { ada, bob } = await adaAndBob(stage, adaIsLarger, { ofAda: { awayTimeoutMs: 5_000 } })
      const log = logOf(bob)
      stage.net.lan('home').isolate('bob')
      await stage.until(() => ada.peers.length === 0, 40_000)
      ada.lock()
      const receipt = failureOf(peerOf(bob, ada).send('kept', { receipt: true }))
      stage.net.lan('home').heal()
      await stage.advance(8_000)
      expect(parting(log)).toEqual(['peer ada', 'gone ada lost: locked'])
      expect(await receipt).toMatchObject({ code: 'closed', reason: 'locked' })
    }))

  test('and given up on one side only begins anew, and what waited for it is rejected', () =>
    onStage(async stage => {
      const { ada, bob } = await adaAndBob(stage, adaIsLarger, { ofAda: { awayTimeoutMs: 0 } })
      const [logOfAda, logOfBob, heard] = [logOf(ada), logOf(bob), heardBy(ada)]
      stage.net.lan('home').isolate('bob')
      await stage.until(() => ada.peers.length === 0, 40_000)
      const peer = peerOf(bob, ada)
      const stream = peer.open('pipe')
      const writer = stream.writable.getWriter()
      const failures = Promise.all([
        failureOf(peer.send('kept', { receipt: true })),
        failureOf(peer.ask('question', 1, { timeoutMs: 100_000 })),
        failureOf(writer.write(new Uint8Array(1_000_000))),
        failureOf(stream.readable.getReader().read()),
      ])
      stage.net.lan('home').heal()
      await stage.advance(10_000)
      expect((await failures).map(({ code }) => code)).toEqual(['lost', 'lost', 'lost', 'lost'])
      expect(parting(logOfBob)).toEqual(['peer ada', 'gone ada lost: the peer had lost the session', 'peer ada'])
      expect(parting(logOfAda)).toEqual(['peer bob', 'gone bob lost: the peer was away for too long', 'peer bob'])
      expect(heard).toEqual([])
    }))

  test('does not hold up the closing of the room', () =>
    onStage(async stage => {
      const { ada, bob } = await adaAndBob(stage, adaIsLarger)
      stage.net.lan('home').isolate('bob')
      await stage.until(() => peerOf(ada, bob).state === 'away')
      void peerOf(ada, bob)
        .send('x'.repeat(1_000_000))
        .catch(() => {})
      const startedAt = stage.net.now
      await ada.close()
      expect(stage.net.now - startedAt).toBeLessThan(1_100)
      stage.net.lan('home').heal()
    }))

  test('while both machines sleep for an hour is here again when they wake', () =>
    onStage(async stage => {
      const { ada, bob } = await adaAndBob(stage, adaIsLarger)
      const [logOfAda, logOfBob, heard] = [logOf(ada), logOf(bob), heardBy(bob)]
      stage.net.lan('home').isolate('bob')
      await stage.until(() => peerOf(ada, bob).state === 'away' && peerOf(bob, ada).state === 'away')
      const receipt = peerOf(ada, bob).send('kept', { receipt: true })
      for (const name of ['ada', 'bob']) stage.host(name).sleep()
      await stage.advance(3_600_000 - 100_000)
      stage.net.lan('home').heal()
      for (const name of ['ada', 'bob']) stage.host(name).wake()
      await stage.advance(10_000)
      expect([parting(logOfAda), parting(logOfBob)]).toEqual([['peer bob'], ['peer ada']])
      await receipt
      expect(heard).toEqual(['kept'])
    }))
})

test('a link that goes up and down five times a second for a minute costs no message, and no more than it should', () =>
  onStage(async stage => {
    const { ada, bob } = await adaAndBob(stage, true)
    const [logOfAda, heard] = [logOf(ada), heardBy(bob)]
    let [count, most] = [0, 0]
    for (let round = 0; round < 150; round++) {
      for (const name of ['down', 'up'] as const) {
        stage.host('ada').interface('eth0')[name]()
        void peerOf(ada, bob).send(count++)
        await stage.advance(200)
        most = Math.max(most, stage.host('ada').open().length)
      }
    }
    await stage.until(() => heard.length === count)
    expect(heard).toEqual(Array.from({ length: count }, (_, i) => i))
    expect(parting(logOfAda)).toEqual(['peer bob'])
    expect(most).toBeLessThan(60)
  }))

test('whatever is under way when links break, again and again, comes once and whole', () =>
  onStage(async stage => {
    const { ada, bob } = await adaAndBob(stage, false)
    const peer = peerOf(ada, bob)
    bob.accept('mirror', ({ readable, writable }) => readable.pipeTo(writable))
    bob.accept('cancelled', async ({ readable, writable }) => {
      const reader = readable.getReader()
      await reader.read()
      await Promise.all([reader.cancel('enough'), writable.close()])
    })
    bob.answer('double', n => (n as number) * 2)
    bob.answer('count', async function* (n) {
      for (let i = 0; i < (n as number); i++) yield { i, text: 'x'.repeat(i * 50) }
    })
    const heard = heardBy(bob)
    let [isOver, value] = [false, 0]
    const done: Promise<unknown>[] = []
    const mirrored = async (length: number) => {
      const { readable, writable } = peer.open('mirror', { header: { length } })
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff)
      const writer = writable.getWriter()
      void writer.write(bytes).then(() => writer.close())
      const chunks: Uint8Array[] = []
      for await (const chunk of readable) chunks.push(chunk)
      expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
    }
    const cancelled = async () => {
      const { readable, writable } = peer.open('cancelled')
      const writer = writable.getWriter()
      const failure = failureOf(
        (async () => {
          for (;;) await writer.write(new Uint8Array(50_000))
        })(),
      )
      expect(await readable.getReader().read()).toMatchObject({ done: true })
      expect(await failure).toMatchObject({ code: 'reset', reason: 'enough' })
    }
    const counted = async (n: number) => {
      let next = 0
      for await (const item of peer.askStream('count', n, { timeoutMs: 600_000 })) {
        expect((item as { i: number }).i).toBe(next++)
      }
      expect(next).toBe(n)
    }
    done.push(mirrored(3_000_000))
    for (let round = 0; round < 40; round++) {
      const link = stage.host(round % 2 === 0 ? 'ada' : 'bob').interface('eth0')
      for (let i = 0; i < 5; i++) {
        const n = value++
        done.push(peer.send(n, { receipt: true }), mirrored(n * 300), cancelled(), counted(n % 60))
        done.push(peer.ask('double', n, { timeoutMs: 600_000 }).then(answer => expect(answer).toBe(n * 2)))
        await stage.advance(0.3 + ((round * 7) % 11))
      }
      link.down()
      await stage.advance(round % 3 === 0 ? 100 : 14_000)
      link.up()
      await stage.until(() => peer.state === 'here')
    }
    void Promise.all(done).then(() => {
      isOver = true
    })
    await stage.until(() => isOver, 60_000)
    await Promise.all(done)
    expect(heard).toEqual(Array.from({ length: value }, (_, i) => i))
    expect(peerOf(ada, bob)).toBe(peer)
    await stage.advance(2_000)
    expect(peer.stats()).toMatchObject({ queuedBytes: 0, unacknowledgedBytes: 0 })
  }))
