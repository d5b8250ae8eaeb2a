import { describe, expect, test } from 'vitest'
import { generateIdentity } from '../../src/identity/identity.ts'
import { SeededRandom } from '../../src/testing/index.ts'
import { heardBy, logOf, namesOf, onStage, peerOf } from './stage.ts'

describe('a peer', () => {
  test('whose process is killed is gone at once: its system hangs up', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const log = logOf(ada!)
      stage.host('bob').kill()
      expect(await stage.until(() => ada!.peers.length === 0)).toBeLessThan(1_000)
      expect(log.at(-1)).toMatch(/^gone bob lost/)
    }))

  test('whose power is cut is quiet within 5 s, away within 15 s, and gone a minute later', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      await stage.advance(7_300)
      const log = logOf(ada!)
      const peer = peerOf(ada!, bob!)
      stage.host('bob').stop()
      expect(await stage.until(() => peer.state === 'quiet')).toBeLessThanOrEqual(5_000)
      expect(ada!.peers).toEqual([peer])
      expect(await stage.until(() => peer.state === 'away')).toBeLessThanOrEqual(10_000)
      const away = await stage.until(() => peer.state === 'gone', 90_000)
      expect(away).toBeGreaterThan(59_000)
      expect(away).toBeLessThan(62_000)
      expect(log).toEqual([
        'peer bob',
        'state bob here quiet',
        'state bob quiet away',
        'state bob away gone',
        'gone bob lost: the peer was away for too long',
      ])
    }))

  test('that is away is given up after the time that the application asked for', () =>
    onStage(async stage => {
      const [ada, bob] = [await stage.join('ada', { awayTimeoutMs: 5_000 }), await stage.join('bob')]
      await stage.met([ada, bob])
      const peer = peerOf(ada, bob)
      stage.host('bob').stop()
      await stage.until(() => peer.state === 'away')
      expect(await stage.until(() => peer.state === 'gone')).toBeLessThan(7_000)
    }))

  test('that says nothing for long is still here, as long as it lives', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const logs = [logOf(ada!), logOf(bob!)]
      await stage.advance(600_000)
      expect(logs).toEqual([['peer bob'], ['peer ada']])
    }))

  test('that is quiet and comes back is here again, and nothing was lost', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const log = logOf(ada!)
      const heard = heardBy(bob!)
      stage.net.lan('home').isolate('bob')
      await stage.advance(1_000)
      await ada!.send('are you there?')
      await stage.until(() => peerOf(ada!, bob!).state === 'quiet')
      await stage.advance(2_000)
      stage.net.lan('home').heal()
      await stage.until(() => peerOf(ada!, bob!).state === 'here', 8_000)
      await stage.advance(5_000)
      expect(heard).toEqual(['are you there?'])
      expect(log).toEqual(['peer bob', 'state bob here quiet', 'state bob quiet here'])
    }))

  test('that is restarted with its identity is `restarted`, and a new peer', () =>
    onStage(async stage => {
      // The ids decide who dials: a fresh identity would make each run another one.
      const identity = generateIdentity(new SeededRandom(1))
      const ada = await stage.join('ada')
      const before = await stage.join('bob', { identity })
      await stage.met([ada, before])
      const log = logOf(ada)
      const old = peerOf(ada, before)
      stage.host('bob').stop()
      await stage.advance(2_000)
      stage.host('bob').start()
      const after = await stage.join('bob', { identity, on: stage.host('bob').network, hello: 'second life' })
      await stage.until(() => ada.peers.some(({ hello }) => hello === 'second life'), 2_000)
      const now = peerOf(ada, after)
      expect(now).not.toBe(old)
      expect([old.state, now.state]).toEqual(['gone', 'here'])
      expect(log.filter(line => !line.startsWith('state'))).toEqual([
        'peer bob',
        expect.stringMatching(/^gone bob restarted/),
        'peer bob',
      ])
      await stage.advance(30_000)
      expect(ada.peers).toEqual([now])
      const heard = heardBy(after)
      await ada.send('welcome back', { receipt: true })
      expect(heard).toEqual(['welcome back'])
    }))

  test('that is killed and restarted at once is there again within a second', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      const before = await stage.join('bob')
      await stage.met([ada, before])
      stage.host('bob').kill()
      stage.host('bob').start()
      const after = await stage.join('bob', { on: stage.host('bob').network })
      expect(await stage.met([ada, after], 1_000)).toBeLessThan(1_000)
      await stage.until(() => ada.peers.length === 1)
    }))

  test('that is frozen and killed for the others comes back when it thaws', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const [logOfAda, logOfBob] = [logOf(ada!), logOf(bob!)]
      stage.host('bob').sleep()
      await stage.advance(3_600_000 / 2)
      expect(ada!.peers).toEqual([])
      stage.host('bob').wake()
      expect(await stage.met([ada!, bob!], 30_000)).toBeLessThan(15_000)
      await stage.advance(10_000)
      expect(logOfAda.filter(line => line.startsWith('peer'))).toHaveLength(2)
      expect(logOfBob.filter(line => line.startsWith('peer'))).toHaveLength(2)
      expect([namesOf(ada!), namesOf(bob!)]).toEqual([['bob'], ['ada']])
    }))

  test('that sleeps a moment is not lost', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const logs = [logOf(ada!), logOf(bob!)]
      const heard = heardBy(bob!)
      stage.host('bob').sleep()
      await ada!.send('good morning')
      await stage.advance(8_000)
      stage.host('bob').wake()
      await stage.advance(20_000)
      expect(heard).toEqual(['good morning'])
      expect(logs.flat().filter(line => line.startsWith('gone'))).toEqual([])
    }))
})

describe('a network', () => {
  test('that is parted makes two rooms, and healed one again', () =>
    onStage(async stage => {
      const rooms = await stage.joinAll('ada', 'bob', 'eve', 'mia')
      const [ada, bob, eve, mia] = rooms
      await stage.met(rooms)
      stage.net.lan('home').partition(['ada', 'bob'], ['eve', 'mia'])
      await stage.until(() => rooms.every(room => room.peers.length === 1), 90_000)
      expect([namesOf(ada!), namesOf(eve!)]).toEqual([['bob'], ['mia']])
      await stage.advance(20_000)
      stage.net.lan('home').heal()
      await stage.met(rooms, 60_000)
      const heard = [heardBy(bob!), heardBy(eve!), heardBy(mia!)]
      await ada!.send('together again', { receipt: true })
      expect(heard).toEqual([['together again'], ['together again'], ['together again']])
    }))

  test('that was parted for an hour is one again within a minute', () =>
    onStage(async stage => {
      const rooms = await stage.joinAll('ada', 'bob')
      await stage.met(rooms)
      stage.net.lan('home').partition(['ada'], ['bob'])
      await stage.advance(1_800_000)
      stage.net.lan('home').heal()
      await stage.met(rooms, 70_000)
    }))

  test('that loses a tenth of all packets still makes a room', () =>
    onStage(
      async stage => {
        const rooms = await stage.joinAll('ada', 'bob', 'eve')
        await stage.met(rooms, 60_000)
        const logs = rooms.map(logOf)
        const heard = heardBy(rooms[1]!)
        for (let i = 0; i < 20; i++) await rooms[0]!.send(i)
        await stage.until(() => heard.length === 20, 60_000)
        await stage.advance(60_000)
        expect(logs.flat().filter(line => line.startsWith('gone'))).toEqual([])
      },
      { seed: 3, lan: { loss: 0.1 } },
    ))

  test('without multicast is no obstacle to those who are connected', () =>
    onStage(async stage => {
      const rooms = await stage.joinAll('ada', 'bob')
      await stage.met(rooms)
      const logs = rooms.map(logOf)
      stage.net.lan('home').multicast = false
      await stage.advance(600_000)
      expect(logs.map(log => log.length)).toEqual([1, 1])
    }))
})

describe('an interface', () => {
  test('that appears while a room is open is used within 5 s', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { on: stage.host('ada', { lans: [] }).network })
      const bob = await stage.join('bob')
      await stage.advance(60_000)
      expect(ada.peers).toEqual([])
      stage.host('ada').attach(stage.net.lan('home'))
      expect(await stage.met([ada, bob])).toBeLessThan(5_000)
      expect(peerOf(bob, ada).path.remote).toMatch(/^192\.168\.1\./)
    }))

  test('that appears beside another brings the peers of its LAN, and takes none away', () =>
    onStage(async stage => {
      stage.net.lan('garden')
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      const eve = await stage.join('eve', { on: stage.host('eve', { lans: ['garden'] }).network })
      await stage.met([ada!, bob!])
      const log = logOf(ada!)
      stage.host('ada').attach(stage.net.lan('garden'), { kind: 'wireless' })
      expect(await stage.met([ada!, eve])).toBeLessThan(5_000)
      await stage.advance(20_000)
      expect(log).toEqual(['peer bob', 'peer eve'])
    }))

  test.each([5_000, 40_000, 900_000])('that was down for %i ms is picked up within 5 s', downMs =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      stage.host('ada').interface('eth0').down()
      await stage.advance(downMs)
      stage.host('ada').interface('eth0').up()
      const isTalking = () => ada!.peers[0]?.state === 'here' && bob!.peers[0]?.state === 'here'
      expect(await stage.until(isTalking)).toBeLessThan(5_000)
      await stage.met([ada!, bob!])
      const heard = heardBy(bob!)
      await ada!.send('back', { receipt: true })
      expect(heard).toEqual(['back'])
    }),
  )

  test('that gets another address leads to the same peers again', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      await stage.advance(2_000)
      stage.host('ada').interface('eth0').setAddresses(['192.168.1.77/24', 'fe80::77/64'])
      const log = logOf(ada!)
      await stage.until(() => ada!.peers.some(({ path }) => path.local.includes('.77:')), 5_000)
      await stage.met([ada!, bob!])
      expect(log.filter(line => line.startsWith('gone'))).toEqual([])
      expect(ada!.addresses[0]).toMatch(/^192\.168\.1\.77:/)
      await stage.advance(20_000)
      expect([ada!.peers.length, bob!.peers.length]).toEqual([1, 1])
    }))

  test('that disappears takes its peers with it, and the others stay', () =>
    onStage(async stage => {
      stage.net.lan('garden')
      const ada = await stage.join('ada', { on: stage.host('ada', { lans: ['home', 'garden'] }).network })
      const bob = await stage.join('bob')
      const eve = await stage.join('eve', { on: stage.host('eve', { lans: ['garden'] }).network })
      await stage.met([ada, bob])
      await stage.met([ada, eve])
      const log = logOf(ada)
      stage.host('ada').detach('eth1')
      await stage.until(() => peerOf(ada, eve).state === 'away', 5_000)
      await stage.until(() => ada.peers.length === 1, 90_000)
      await stage.advance(30_000)
      expect(namesOf(ada)).toEqual(['bob'])
      expect(log.filter(line => line.startsWith('warning'))).toEqual([])
    }))

  test('that disappears from under a peer with a second one moves the peer there', () =>
    onStage(async stage => {
      stage.net.lan('garden')
      const two = { lans: ['home', 'garden'] }
      const ada = await stage.join('ada', { on: stage.host('ada', two).network })
      const bob = await stage.join('bob', { on: stage.host('bob', two).network })
      await stage.met([ada, bob])
      await stage.advance(3_000)
      const used = peerOf(ada, bob).path.interface!
      stage.host('ada').detach(used)
      const isElsewhere = () => ada.peers.some(({ path }) => path.interface !== used && path.interface !== undefined)
      await stage.until(isElsewhere, 5_000)
      await stage.met([ada, bob])
    }))

  test('that goes away and comes back for ever does not make a room stumble', () =>
    onStage(async stage => {
      const rooms = await stage.joinAll('ada', 'bob', 'eve')
      await stage.met(rooms)
      const between = logOf(rooms[1]!)
      const flapping = stage.host('ada').interface('eth0')
      for (let i = 0; i < 60; i++) {
        flapping.down()
        await stage.advance((i * 331) % 3_000)
        flapping.up()
        await stage.advance((i * 577) % 4_000)
      }
      await stage.met(rooms, 15_000)
      expect(between.filter(line => line.includes('eve'))).toEqual(['peer eve'])
      expect(stage.host('ada').open().length).toBeLessThan(30)
    }))
})
