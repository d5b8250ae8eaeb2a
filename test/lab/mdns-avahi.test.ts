/** Agreement with a real stack: avahi and earshot/mdns on hosts of one LAN, and on one host. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ServiceEvent } from '../../src/mdns.ts'
import { Lab, type Program } from './lab.ts'

/** A program that browses `type`, and prints each event. */
const browsing = (type: string, options = ''): string => `
  import { browse } from 'DIST/mdns.js'
  const onWarning = error => console.log(JSON.stringify({ warning: error.message }))
  for await (const event of browse('${type}', { onWarning, ${options} })) console.log(JSON.stringify(event))`

/** A program that publishes, prints its names, takes on another TXT record and says goodbye when told by signals. */
const publishing = (options: string): string => `
  import { publish } from 'DIST/mdns.js'
  const tell = value => console.log(JSON.stringify(value))
  const onWarning = error => tell({ warning: error.message })
  const service = await publish({ onWarning, onRenamed: renamed => tell({ renamed }), ${options} })
  process.on('SIGUSR2', () => service.update({ txt: { state: 'changed' } }))
  process.on('SIGTERM', () => service.close())
  tell({ name: service.name, host: service.host, pid: process.pid })`

interface Published {
  readonly name: string
  readonly host: string
  readonly pid: number
}

describe('earshot/mdns and avahi', () => {
  let lab: Lab

  beforeAll(() => {
    lab = new Lab('site home port-restricted hosts=alice,bob,carol')
    for (const host of ['bob', 'carol']) lab.natlab('service', 'avahi', host)
  })
  afterAll(() => lab.close())

  const start = (host: string, source: string): Program => lab.start(host, source)
  const publishOn = (host: string, options: string): Promise<Published> =>
    start(host, publishing(options)).until<Published>(line => 'pid' in line)

  /** What avahi on a host has to say about a type, complete: one list of fields for each resolved instance. */
  const avahiBrowse = (host: string, type: string): string[][] =>
    lab
      .natlab('avahi', host, 'avahi-browse', '-rpt', type)
      .split('\n')
      .filter(line => line.startsWith('=') && line.includes(';IPv4;'))
      .map(line => line.split(';'))

  /** Publishes by avahi until the returned function is called. */
  const avahiPublish = (host: string, ...args: readonly string[]): (() => void) => {
    const quoted = args.map(argument => `'${argument}'`).join(' ')
    const script = `avahi-publish-service ${quoted} >/dev/null 2>&1 & echo $!`
    const pid = Number(lab.natlab('avahi', host, 'sh', '-c', script))
    return () => {
      process.kill(pid)
    }
  }

  /** Asks avahi, which takes about a second each time, until it says what is expected. */
  const avahiSees = (host: string, type: string, fits: (entries: string[][]) => boolean): string[][] => {
    let entries: string[][] = []
    for (let attempt = 0; attempt < 8; attempt++) {
      entries = avahiBrowse(host, type)
      if (fits(entries)) break
    }
    return entries
  }

  test('avahi sees our service with its TXT record, address and subtype, its change, and its goodbye', async () => {
    const options = `name: "Ada's. Laser", type: '_h3a._tcp', port: 4711, txt: { v: '1', n: 'Ünï' }, subtypes: ['_color']`
    const { pid, host } = await publishOn('alice', options)
    const seen = (type: string): string[][] => avahiSees('bob', type, entries => entries.length > 0)
    const instance = 'Ada\\039s\\.\\032Laser'
    const txt = '"n=\\195\\156n\\195\\175" "v=1"'
    expect(seen('_h3a._tcp')).toEqual([
      ['=', 'eth0', 'IPv4', instance, '_h3a._tcp', 'local', host, '192.168.1.10', '4711', txt],
    ])
    expect(seen('_color._sub._h3a._tcp')).toHaveLength(1)
    process.kill(pid, 'SIGUSR2')
    const changed = avahiSees('bob', '_h3a._tcp', entries => entries.some(entry => entry.at(-1)!.includes('changed')))
    expect(changed.map(entry => entry.slice(6))).toEqual([[host, '192.168.1.10', '4711', '"state=changed"']])
    process.kill(pid, 'SIGTERM')
    expect(avahiSees('bob', '_h3a._tcp', entries => entries.length === 0)).toEqual([])
  })

  test('we see what avahi publishes, on another host and on our own, and its goodbye', async () => {
    const watchers = [
      start('alice', browsing('_h3b._tcp')),
      start('carol', browsing('_h3b._tcp')),
      start('alice', browsing('_h3b._tcp', "subtype: '_color'")),
    ]
    const stop = avahiPublish(
      'carol',
      '--subtype=_color._sub._h3b._tcp',
      'Dr. Ink (1)',
      '_h3b._tcp',
      '631',
      'rp=a=b',
      'flag',
    )
    for (const watcher of watchers) {
      const found = await watcher.until<ServiceEvent>(({ kind }) => kind === 'found')
      expect(found).toMatchObject({
        name: 'Dr. Ink (1)',
        type: '_h3b._tcp',
        host: 'carol.local',
        port: 631,
        txt: { rp: 'a=b', flag: '' },
      })
      expect(found.addresses[0]).toBe('192.168.1.12')
    }
    stop()
    for (const watcher of watchers) await watcher.until<ServiceEvent>(({ kind }) => kind === 'lost')
    for (const watcher of watchers) expect(watcher.lines.filter(line => 'warning' in (line as object))).toEqual([])
  })

  test('a newcomer finds what avahi has published for long, within half a second', async () => {
    const stop = avahiPublish('carol', 'Old', '_h3c._tcp', '80')
    avahiSees('bob', '_h3c._tcp', entries => entries.length > 0)
    const timed = `
      const from = performance.now()
      ${browsing('_h3c._tcp').replace('console.log(JSON.stringify(event))', 'console.log(JSON.stringify({ ...event, afterMs: performance.now() - from }))')}`
    const found = await start('alice', timed).until<ServiceEvent & { afterMs: number }>(({ kind }) => kind === 'found')
    expect(found.afterMs).toBeLessThan(500)
    stop()
  })

  test('a name that avahi has makes us take another one, and ours makes avahi take another one', async () => {
    avahiPublish('bob', 'Laser', '_h3d._tcp', '631')
    avahiSees('carol', '_h3d._tcp', entries => entries.length > 0)
    expect(await publishOn('alice', "name: 'Laser', type: '_h3d._tcp', port: 1")).toMatchObject({ name: 'Laser (2)' })

    expect(await publishOn('alice', "name: 'Ink', type: '_h3d._tcp', port: 2")).toMatchObject({ name: 'Ink' })
    avahiPublish('bob', 'Ink', '_h3d._tcp', '632')
    const entries = avahiSees('carol', '_h3d._tcp', found => found.length === 4)
    const readable = (text: string): string => text.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(code))
    expect(entries.map(entry => `${readable(entry[3]!)} ${entry[8]}`).sort()).toEqual([
      'Ink #2 632',
      'Ink 2',
      'Laser (2) 1',
      'Laser 631',
    ])
  })

  test('beside avahi, on one host and one port, we publish to everybody', async () => {
    await publishOn('bob', "name: 'Beside', type: '_h3e._tcp', port: 7")
    for (const host of ['bob', 'carol']) {
      expect(avahiSees(host, '_h3e._tcp', entries => entries.length > 0)).toHaveLength(1)
    }
    const found = await start('alice', browsing('_h3e._tcp')).until<ServiceEvent>(({ kind }) => kind === 'found')
    expect(found.addresses[0]).toBe('192.168.1.11')
  })

  test('an interface that goes away takes its services along, and brings them back', async () => {
    avahiPublish('carol', 'Stays', '_h3f._tcp', '9')
    const watcher = start('alice', browsing('_h3f._tcp'))
    await watcher.until<ServiceEvent>(({ kind }) => kind === 'found')
    lab.run('alice', 'ip', 'link', 'set', 'eth0', 'down')
    await watcher.until<ServiceEvent>(({ kind }) => kind === 'lost')
    lab.run('alice', 'ip', 'link', 'set', 'eth0', 'up')
    const foundAgain = (): boolean =>
      (watcher.lines as ServiceEvent[]).filter(({ kind }) => kind === 'found').length === 2
    await watcher.until<ServiceEvent>(() => foundAgain())
    expect(watcher.lines.filter(line => 'warning' in (line as object))).toEqual([])
  })

  test('a new address is told to everybody, and used', async () => {
    await publishOn('alice', "name: 'Moves', type: '_h3g._tcp', port: 8")
    const watcher = start('alice', browsing('_h3g._tcp'))
    lab.run('alice', 'ip', 'addr', 'del', '192.168.1.10/24', 'dev', 'eth0')
    lab.run('alice', 'ip', 'addr', 'add', '192.168.1.77/24', 'dev', 'eth0')
    const isNew = (entry: string[]): boolean => entry[7] === '192.168.1.77'
    expect(avahiSees('bob', '_h3g._tcp', entries => entries.some(isNew)).some(isNew)).toBe(true)
    await watcher.until<ServiceEvent>(({ kind, addresses }) => kind !== 'lost' && addresses[0] === '192.168.1.77')
    const stop = avahiPublish('carol', 'After', '_h3g._tcp', '9')
    await watcher.until<ServiceEvent>(({ name }) => name === 'After')
    stop()
  })
})
