/** Who meets whom, how, and what becomes of those who leave: on a simulated network, among ours and with the real program. */

import { describe, expect, test } from 'vitest'
import { failureOf, logOf, namesOf, onStage } from './stage.ts'

describe('among our own', () => {
  test.each([
    ['alpha', 'beta'],
    ['beta', 'alpha'],
  ])('%s is there and %s comes: alpha dials, at once', (first, second) =>
    onStage(async stage => {
      const dials: string[] = []
      stage.net.trace(({ host, protocol, flags }) => {
        if (protocol === 'tcp' && flags === 'syn') dials.push(host)
      })
      const one = await stage.node(first)
      await stage.advance(5_000)
      const two = await stage.node(second)
      expect(await stage.met([one, two])).toBeLessThan(50)
      await stage.advance(60_000)
      expect(dials).toEqual(['alpha'])
      expect(one.peer(second)).toEqual({ name: second, address: stage.host(second).addresses[0] })
    }),
  )

  test('three that start at the same time all meet, and each event is told once', () =>
    onStage(async stage => {
      const names = ['alpha', 'beta', 'gamma']
      const nodes = await Promise.all(names.map(name => stage.node(name)))
      const logs = nodes.map(logOf)
      await stage.met(nodes)
      await stage.advance(100_000)
      expect(logs.map(log => [...log].sort())).toEqual(
        names.map(own => names.filter(name => name !== own).map(name => `peer ${name}`)),
      )
    }))

  test('who leaves is gone at once, and comes back with the next start', () =>
    onStage(async stage => {
      const [alpha, beta] = [await stage.node('alpha'), await stage.node('beta')]
      await stage.met([alpha, beta])
      const log = logOf(alpha)
      await beta.close()
      await stage.until(() => log.includes('gone beta closed'), 100)
      const again = await stage.node('beta')
      await stage.met([alpha, again], 100)
      expect(log).toEqual(['peer beta', 'gone beta closed', 'peer beta'])
    }))

  test('a killed process is gone at once, a device without power within half a minute', () =>
    onStage(async stage => {
      const [alpha, beta, gamma] = [await stage.node('alpha'), await stage.node('beta'), await stage.node('gamma')]
      await stage.met([alpha, beta, gamma])
      const log = logOf(alpha)
      stage.host('beta').kill()
      await stage.until(() => log.includes('gone beta closed'), 1_000)
      stage.host('gamma').stop()
      await stage.until(() => log.includes('gone gamma lost'), 30_000)
    }))

  test('a device without power that is being sent to is gone when its adverts are missed', () =>
    onStage(async stage => {
      const [alpha, beta] = [await stage.node('alpha'), await stage.node('beta')]
      await stage.met([alpha, beta])
      const log = logOf(alpha)
      await stage.advance(60_000)
      stage.host('beta').stop()
      await alpha.send('are you there?', { to: 'beta' })
      await stage.until(() => log.includes('gone beta lost'), 220_000)
    }))

  test('an interface that comes later brings its devices', () =>
    onStage(async stage => {
      stage.net.lan('garden')
      const alpha = await stage.node('alpha')
      const garden = stage.net.host('far', { lans: ['garden'] })
      const far = await stage.node('far', { on: garden.network })
      await stage.advance(60_000)
      expect(namesOf(alpha)).toEqual([])
      stage.host('alpha').attach(stage.net.lan('garden'), { name: 'eth1' })
      await stage.met([alpha, far], 5_000)
    }))

  test('connect reaches where adverts do not', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha', { discovery: false })
      const beta = await stage.node('beta', { discovery: false, listen: { port: 5_000 } })
      await stage.advance(60_000)
      expect(namesOf(alpha)).toEqual([])
      const [address] = stage.host('beta').addresses
      expect(await alpha.connect(`${address}:5000`)).toMatchObject({ name: 'beta' })
      expect(await alpha.connect(`${address}:5000`)).toBe(alpha.peer('beta'))
      await stage.until(() => beta.peers.length === 1)
      expect(await failureOf(alpha.connect(address!))).toMatchObject({ code: 'unreachable' })
      expect(await failureOf(alpha.connect('192.168.1.77', { timeoutMs: 500 }))).toMatchObject({ code: 'timeout' })
      expect(await failureOf(alpha.connect('nowhere'))).toBeInstanceOf(RangeError)
    }))

  test('a second node on one machine is told that the port is taken', () =>
    onStage(async stage => {
      await stage.node('alpha')
      const second = stage.host('alpha').launch()
      expect(await failureOf(stage.node('beta', { on: second }))).toMatchObject({ code: 'address-in-use' })
    }))

  test('dials that cross leave one connection', () =>
    onStage(async stage => {
      const [alpha, beta] = [
        await stage.node('alpha', { discovery: false }),
        await stage.node('beta', { discovery: false }),
      ]
      const logs = [alpha, beta].map(logOf)
      const [a, b] = ['alpha', 'beta'].map(name => stage.host(name).addresses[0]!)
      await Promise.all([alpha.connect(b!), beta.connect(a!)])
      await stage.advance(1_000)
      expect(logs).toEqual([['peer beta'], ['peer alpha']])
      const heard = logOf(beta)
      await alpha.send('one', { to: 'beta' })
      await beta.send('two', { to: 'alpha' })
      await stage.advance(100)
      expect([heard.at(-1), logs[0]!.at(-1)]).toEqual(['alpha: one', 'beta: two'])
      expect(stage.net.open().filter(({ kind }) => kind === 'tcp connection')).toHaveLength(2)
    }))

  test('an aborted signal leaves at once, and a second close does nothing', () =>
    onStage(async stage => {
      const controller = new AbortController()
      const alpha = await stage.node('alpha', { signal: controller.signal })
      const reason = new Error('enough')
      const asking = failureOf(alpha.once('peer'))
      controller.abort(reason)
      expect(await alpha.closed).toBe(reason)
      expect(await asking).toBe(reason)
      await alpha.close()
      await alpha.close()
      expect(await failureOf(alpha.send('x'))).toMatchObject({ code: 'closed' })
      expect(await failureOf(alpha.ask('beta', 'x'))).toMatchObject({ code: 'closed' })
      expect(await failureOf(alpha.connect('10.0.0.1'))).toMatchObject({ code: 'closed' })
      expect(await failureOf(stage.node('gone', { signal: controller.signal }))).toBe(reason)
    }))
})

describe('with the real program', () => {
  test.each([
    ['we are there, and dial', 'alpha', 'real', true],
    ['we are there, and are dialled', 'zeta', 'real', true],
    ['we come, and dial', 'alpha', 'real', false],
    ['we come, and are dialled', 'zeta', 'real', false],
  ])('%s', (_, own, other, isFirst) =>
    onStage(async stage => {
      const start = { [own]: () => stage.node(own), [other]: () => stage.real(other) }
      const one = await start[isFirst ? own : other]!()
      await stage.advance(3_000)
      const two = await start[isFirst ? other : own]!()
      await stage.met([one, two], 100)
    }),
  )

  test('the join race: it does not listen yet when we dial, and we dial again', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real', { listensAfterMs: 2_500 })
      await stage.met([alpha, real], 6_000)
    }))

  test('the join race: it dialled us before we listened, never does again, and we dial', () =>
    onStage(async stage => {
      const real = await stage.real('real')
      const early = await stage.node('zeta', { listen: false })
      await stage.advance(200)
      expect(real.remotes).toEqual(['zeta'])
      await early.close()
      const zeta = await stage.node('zeta')
      await stage.met([zeta, real], 45_000)
    }))

  test('leaving without a word is noticed by the adverts that are missing', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real')
      await stage.met([alpha, real])
      const log = logOf(alpha)
      await stage.advance(300_000)
      expect(log).toEqual(['peer real'])
      real.leavingNetwork()
      await stage.until(() => log.includes('gone real closed'), 125_000)
    }))

  test('we leave with a goodbye, and it forgets us', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real')
      await stage.met([alpha, real])
      await alpha.close()
      await stage.advance(50)
      expect(real.remotes).toEqual([])
    }))
})

describe('a name that two have', () => {
  test('is told to both, and others keep the first', () =>
    onStage(async stage => {
      const twin = await stage.node('twin')
      const other = await stage.node('twin', { on: stage.host('elsewhere').network })
      const alpha = await stage.node('alpha')
      const logs = [twin, other, alpha].map(logOf)
      await stage.advance(100_000)
      expect(logs[0]!.filter(line => line === 'warning name-taken')).toHaveLength(1)
      expect(logs[1]!.filter(line => line === 'warning name-taken')).toHaveLength(1)
      expect(namesOf(alpha)).toEqual(['twin'])
    }))

  test('is told when somebody connects under our own', () =>
    onStage(async stage => {
      const twin = await stage.node('twin', { discovery: false })
      const log = logOf(twin)
      const other = await stage.node('twin', { discovery: false, on: stage.host('elsewhere').network })
      const error = await failureOf(other.connect(stage.host('twin').addresses[0]!))
      expect(error).toMatchObject({ code: 'refused' })
      await stage.advance(100)
      expect(log).toEqual(['warning name-taken'])
    }))
})
