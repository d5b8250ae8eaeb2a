import { describe, expect, test } from 'vitest'
import { browse, type PublishOptions, publish, type ServiceEvent } from './mdns.ts'
import { simulate } from './testing/index.ts'

const printer = { name: 'Laser', type: '_ipp._tcp', port: 631, txt: { rp: 'ipp/print', color: 'T' } }

describe('publish and browse', () => {
  test('what one host publishes another one finds, sees change, and loses', async () => {
    const net = simulate({ seed: 1 })
    const [ada, bob] = [net.host('ada').network, net.host('bob').network]
    const events = browse('_ipp._tcp', { network: bob })
    const next = async (): Promise<ServiceEvent | undefined> => (await net.until(events.next())).value as ServiceEvent
    const found = next()
    const service = await net.until(publish({ ...printer, host: 'ada', network: ada }))
    expect(await found).toEqual({
      kind: 'found',
      name: 'Laser',
      type: '_ipp._tcp',
      host: 'ada.local',
      port: 631,
      addresses: ['192.168.1.2', expect.stringMatching(/^fe80::.*%eth0$/)],
      txt: { rp: 'ipp/print', color: 'T' },
    })
    service.update({ txt: { rp: 'ipp/print', color: 'F' } })
    expect(await next()).toMatchObject({ kind: 'updated', txt: { color: 'F' } })
    await net.until(service.close())
    expect(await next()).toMatchObject({ kind: 'lost', name: 'Laser', port: 631 })
    await net.until(events.return())
    expect(net.open()).toEqual([])
  })

  test('a name that another host has gets a number, also when both ask at the same time', async () => {
    const net = simulate({ seed: 2 })
    const hosts = ['ada', 'bob', 'carl', 'dora'].map(name => net.host(name).network)
    const first = await net.until(publish({ ...printer, network: hosts[0]! }))
    const others = await net.until(
      Promise.all(hosts.slice(1).map(network => publish({ ...printer, name: 'LASER', network }))),
    )
    expect(first.name).toBe('Laser')
    expect(others.map(({ name }) => name).sort()).toEqual(['LASER (2)', 'LASER (3)', 'LASER (4)'])
  })

  test('two names that meet when their networks are joined: one is renamed, and told so', async () => {
    const net = simulate({ seed: 3 })
    const lan = net.lan('home')
    const renamed: string[] = []
    const onRenamed = (name: string): void => void renamed.push(name)
    const [ada, bob] = [net.host('ada'), net.host('bob')]
    lan.partition([ada], [bob])
    const services = await net.until(
      Promise.all([ada, bob].map(({ network }) => publish({ ...printer, onRenamed, network }))),
    )
    expect(services.map(({ name }) => name)).toEqual(['Laser', 'Laser'])
    lan.heal()
    services[0]!.update({ txt: {} })
    await net.advance(10_000)
    expect(services.map(({ name }) => name).sort()).toEqual(['Laser', 'Laser (2)'])
    expect(renamed).toEqual(['Laser (2)'])
  })

  test('a host name that is taken gets a number too', async () => {
    const net = simulate({ seed: 4 })
    const [ada, bob] = [net.host('ada').network, net.host('bob').network]
    await net.until(publish({ ...printer, host: 'shared', network: ada }))
    const second = await net.until(publish({ ...printer, name: 'Ink', host: 'shared', network: bob }))
    expect([second.name, second.host]).toEqual(['Ink', 'shared-2.local'])
  })

  test('a subtype finds only those that have it', async () => {
    const net = simulate({ seed: 5 })
    const [ada, bob] = [net.host('ada').network, net.host('bob').network]
    await net.until(publish({ ...printer, network: ada }))
    await net.until(publish({ ...printer, name: 'Colour', subtypes: ['_color'], network: ada }))
    const events = browse('_ipp._tcp', { subtype: '_color', network: bob })
    expect((await net.until(events.next())).value).toMatchObject({ name: 'Colour' })
    const more = events.next()
    await net.advance(5_000)
    const nothing = Symbol('nothing')
    expect(await Promise.race([more, Promise.resolve(nothing)])).toBe(nothing)
  })

  test('aborting ends the sequence, and says goodbye to what was published', async () => {
    const net = simulate({ seed: 6 })
    const stop = new AbortController()
    const events = browse('_ipp._tcp', { network: net.host('ada').network, signal: stop.signal })
    const service = await net.until(publish({ ...printer, network: net.host('bob').network, signal: stop.signal }))
    expect((await net.until(events.next())).value).toMatchObject({ kind: 'found' })
    const end = events.next()
    stop.abort()
    expect(await net.until(end)).toEqual({ done: true, value: undefined })
    await net.until(service.closed)
    expect(() => service.update({ txt: {} })).toThrow(expect.objectContaining({ code: 'closed' }))
    expect(net.open()).toEqual([])
  })

  test('aborted before its name is settled, publish rejects with the reason', async () => {
    const net = simulate({ seed: 7 })
    const stop = new AbortController()
    const service = publish({ ...printer, network: net.host('ada').network, signal: stop.signal })
    const outcome = expect(service).rejects.toThrow('enough')
    await net.advance(100)
    stop.abort(new Error('enough'))
    await net.until(outcome)
    expect(net.open()).toEqual([])
    await expect(publish({ ...printer, network: net.host('bob').network, signal: stop.signal })).rejects.toThrow(
      'enough',
    )
  })

  test('a slow reader gets one event for all that happened', async () => {
    const net = simulate({ seed: 8 })
    const [ada, bob] = [net.host('ada').network, net.host('bob').network]
    const events = browse('_ipp._tcp', { network: bob })
    const first = events.next()
    const service = await net.until(publish({ ...printer, network: ada }))
    await net.until(first)
    for (const color of ['red', 'green', 'blue']) {
      service.update({ txt: { color } })
      await net.advance(2_000)
    }
    expect((await events.next()).value).toMatchObject({ kind: 'updated', txt: { color: 'blue' } })
    await net.until(service.close())
    await net.advance(2_000)
    const again = await net.until(publish({ ...printer, network: ada }))
    await net.advance(2_000)
    expect((await events.next()).value).toMatchObject({ kind: 'updated', host: again.host })
  })

  test('without any interface it is published when one appears', async () => {
    const net = simulate({ seed: 9 })
    const host = net.host('ada', { lans: [] })
    const lan = net.lan('home')
    const warnings: string[] = []
    const service = await net.until(
      publish({
        ...printer,
        network: host.network,
        interfaces: { include: ['eth*'] },
        onWarning: w => warnings.push(w.code),
      }),
    )
    expect(service.name).toBe('Laser')
    host.attach(lan)
    const events = browse('_ipp._tcp', { network: net.host('bob').network })
    expect((await net.until(events.next())).value).toMatchObject({ name: 'Laser' })
    expect(warnings).toEqual([])
  })

  test.each<[string, Partial<Record<keyof PublishOptions, unknown>>, typeof TypeError]>([
    ['type', { type: 'ipp' }, RangeError],
    ['type', { type: '_a-name-of-17-chars._tcp' }, RangeError],
    ['type', { type: 7 }, TypeError],
    ['name', { name: '' }, RangeError],
    ['name', { name: 'x'.repeat(64) }, RangeError],
    ['name', { name: 'a\nb' }, RangeError],
    ['name', { name: undefined }, TypeError],
    ['port', { port: 0 }, RangeError],
    ['port', { port: 65_536 }, RangeError],
    ['port', { port: '80' }, TypeError],
    ['txt', { txt: { key: 1 } }, TypeError],
    ['txt', { txt: { 'a=b': '' } }, RangeError],
    ['txt', { txt: { a: 'x'.repeat(254) } }, RangeError],
    ['txt', { txt: Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`k${i}`, 'x'.repeat(250)])) }, RangeError],
    ['subtype', { subtypes: ['x'.repeat(64)] }, RangeError],
    ['host', { host: 'a.local' }, RangeError],
  ])('a wrong %s is refused: %j', async (word, change, type) => {
    const wrong = publish({ ...printer, ...change, network: simulate().host('ada').network } as PublishOptions)
    await expect(wrong).rejects.toThrow(type)
    await expect(wrong).rejects.toThrow(word)
  })

  test('browsing for what is no service type is refused at once', () => {
    expect(() => browse('ipp')).toThrow(RangeError)
    expect(() => browse('_ipp._tcp', { subtype: '' })).toThrow(RangeError)
  })
})
