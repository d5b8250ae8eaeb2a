/** A room and devices of pythonConnect as one, on a simulated LAN: ours and a model of the real program among the devices. */

import { expect, test } from 'vitest'
import { type BridgeOptions, bridge, type RoomBridge } from '../../../src/compat/bridge.ts'
import { Identity, type JoinOptions, join, type Peer, type Room } from '../../../src/index.ts'
import { failureOf, onStage as onDeviceStage, type Stage } from '../pythonconnect/stage.ts'

class BridgeStage {
  readonly devices: Stage
  readonly #open: { close(): Promise<void> }[] = []

  constructor(devices: Stage) {
    this.devices = devices
  }

  async room(name: string, options: JoinOptions = {}): Promise<Room> {
    const room = await join('home', { name, network: this.devices.host(name).network, ...options })
    this.#open.push(room)
    return room
  }

  async bridge(name: string, options: BridgeOptions = {}): Promise<RoomBridge> {
    const opened = await bridge('home', 'pythonconnect', { name, network: this.devices.host(name).network, ...options })
    this.#open.push(opened)
    return opened
  }

  /** The peer of that name, once there is one. */
  async peer(room: Room, name: string): Promise<Peer> {
    await this.devices.until(() => room.peer(name) !== undefined, 30_000)
    return room.peer(name)!
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#open.map(each => each.close()))
  }
}

function onStage(play: (stage: BridgeStage) => Promise<void>): Promise<void> {
  return onDeviceStage(async devices => {
    const stage = new BridgeStage(devices)
    await play(stage)
    await stage.closeAll()
  })
}

/** What reaches a room, a line each. */
function heardBy(room: Room): string[] {
  const heard: string[] = []
  room.on('message', ({ data, from }) => heard.push(`${from.name}: ${JSON.stringify(data)}`))
  return heard
}

test('a device is a peer of the room, marked for what it is, and a peer of the room is a device', () =>
  onStage(async stage => {
    const ada = await stage.room('Ada')
    const sensor = await stage.devices.real('sensor')
    const hub = await stage.bridge('hub')
    const peer = await stage.peer(ada, 'sensor')
    expect(peer.info).toEqual({ bridged: 'pythonconnect', authenticated: false, encrypted: false })
    await stage.devices.until(() => sensor.isLinked('Ada'))
    const address = stage.devices.host('sensor').addresses[0]
    expect(hub.devices).toEqual([{ name: 'sensor', address, peerId: peer.id }])
    expect(hub.peers).toEqual([{ id: ada.self.id, name: 'Ada', as: 'Ada' }])
    expect(ada.peer('hub')?.info).toEqual({ bridge: 'pythonconnect' })
  }))

test('messages go both ways, to one and to all, and to nobody twice', () =>
  onStage(async stage => {
    const [ada, ben] = [await stage.room('Ada'), await stage.room('Ben')]
    const [sensor, lamp] = [await stage.devices.real('sensor'), await stage.devices.node('lamp')]
    const hub = await stage.bridge('hub')
    const warnings: string[] = []
    hub.on('warning', ({ message }) => warnings.push(message))
    for (const room of [ada, ben]) for (const name of ['sensor', 'lamp', 'hub']) await stage.peer(room, name)
    await stage.devices.until(() => sensor.isLinked('Ada') && sensor.isLinked('Ben') && lamp.peers.length === 4)
    const atLamp: string[] = []
    lamp.on('message', ({ data, from }) => atLamp.push(`${from.name}: ${data}`))
    const [atAda, atBen] = [heardBy(ada), heardBy(ben)]

    await ada.send('to the sensor', { to: 'sensor' })
    await ben.send({ level: 3 }, { to: 'lamp' })
    await ada.send('to everybody')
    sensor.sendMessage('hello Ada', 'Ada')
    await lamp.send('to all')
    await stage.devices.advance(2_000)

    expect(warnings).toEqual([])
    expect(sensor.log.filter(line => line.startsWith('Ada'))).toEqual(['Ada: to the sensor', 'Ada: to everybody'])
    expect(sensor.log).toHaveLength(3)
    expect(atLamp.sort()).toEqual(['Ada: to everybody', 'Ben: {"level":3}'])
    expect(atAda.sort()).toEqual(['lamp: "to all"', 'sensor: "hello Ada"'])
    expect(atBen.sort()).toEqual(['Ada: "to everybody"', 'lamp: "to all"'])
  }))

test('questions go both ways', () =>
  onStage(async stage => {
    const ada = await stage.room('Ada')
    const sensor = await stage.devices.real('sensor', { answer: question => `${question}: 21` })
    const hub = await stage.bridge('hub')
    ada.answer('question', (question, { from }) => ({ to: from.name, question }))
    const peer = await stage.peer(ada, 'sensor')
    expect(await peer.ask('question', 'temperature')).toBe('temperature: 21')
    await stage.devices.until(() => sensor.isLinked('Ada'))
    expect(await sensor.askDevice('who?', ['Ada'])).toEqual({ Ada: '{"to":"sensor","question":"who?"}' })
    const warnings: string[] = []
    hub.on('warning', ({ code }) => warnings.push(code))
    expect(await failureOf(peer.ask('another', 'x'))).toMatchObject({ code: 'no-answer' })
    expect(await failureOf(peer.ask('question', 'x'.repeat(600)))).toMatchObject({ reason: 'too-large' })
    expect(warnings).toEqual([])
  }))

test('messages stay in their order, also those that come before there is a connection', () =>
  onStage(async stage => {
    const sensor = await stage.devices.real('sensor')
    await stage.bridge('hub')
    const ada = await stage.room('Ada')
    const peer = await stage.peer(ada, 'sensor')
    const sent = Array.from({ length: 10 }, (_, i) => `number ${i}`)
    for (const text of sent) {
      await peer.send(text)
      await stage.devices.advance(3)
    }
    await stage.devices.advance(1_000)
    expect(sensor.log).toEqual(sent.map(text => `Ada: ${text}`))
  }))

test('what cannot get through is told', () =>
  onStage(async stage => {
    const ada = await stage.room('Ada')
    await stage.devices.real('sensor')
    const hub = await stage.bridge('hub')
    const peer = await stage.peer(ada, 'sensor')
    const warnings: string[] = []
    hub.on('warning', ({ code, message }) => warnings.push(`${code} ${message.slice(0, 52)}`))
    await peer.send('x'.repeat(600))
    await peer.send(new Uint8Array([1]))
    await stage.devices.advance(500)
    expect(warnings.sort().reverse()).toEqual([
      "too-large a message of 'Ada' to 'sensor' was not delivered: th",
      "invalid-data a message of 'Ada' to 'sensor' was not delivered: py",
    ])
  }))

test('who comes later is brought over, and who leaves is gone on both sides', () =>
  onStage(async stage => {
    const hub = await stage.bridge('hub')
    const log: string[] = []
    hub.on('device', ({ name }) => log.push(`device ${name}`))
    hub.on('device-gone', ({ name }) => log.push(`device-gone ${name}`))
    hub.on('peer', ({ name }) => log.push(`peer ${name}`))
    hub.on('peer-gone', ({ name }) => log.push(`peer-gone ${name}`))
    const ada = await stage.room('Ada')
    const sensor = await stage.devices.real('sensor')
    const peer = await stage.peer(ada, 'sensor')
    await stage.devices.until(() => sensor.isLinked('Ada'))
    await ada.close()
    await stage.devices.until(() => !sensor.remotes.includes('Ada'), 2_000)
    const ben = await stage.room('Ben')
    await stage.peer(ben, 'sensor')
    await stage.devices.until(() => sensor.isLinked('Ben'))
    await sensor.close()
    await stage.devices.until(() => ben.peer('sensor') === undefined, 2_000)
    expect(peer.state).toBe('gone')
    expect([...log].sort()).toEqual(
      ['peer Ada', 'device sensor', 'peer-gone Ada', 'peer Ben', 'device-gone sensor'].sort(),
    )
  }))

test('the same device under the same bridge is the same peer again', () =>
  onStage(async stage => {
    const identity = Identity.generate()
    const ada = await stage.room('Ada')
    await stage.devices.real('sensor')
    const first = await stage.bridge('hub', { identity })
    const { id } = await stage.peer(ada, 'sensor')
    await first.close()
    await stage.devices.until(() => ada.peer('sensor') === undefined, 5_000)
    await stage.bridge('hub', { identity })
    expect((await stage.peer(ada, 'sensor')).id).toBe(id)
    expect(id).not.toBe(identity.id)
  }))

test('peers of one name, and a name that devices cannot have, get seats of their own', () =>
  onStage(async stage => {
    const [one, two, odd] = [
      await stage.room('Ada'),
      await stage.room('Second', { name: 'Ada' }),
      await stage.room('Odd', { name: 'a:,:b' }),
    ]
    const sensor = await stage.devices.real('sensor')
    const hub = await stage.bridge('hub')
    await stage.devices.until(() => hub.peers.length === 3)
    for (const room of [one, two, odd]) await stage.peer(room, 'sensor')
    const names = hub.peers.map(({ as }) => as).sort()
    expect(names).toEqual(['Ada', expect.stringMatching(/^Ada-[a-z2-7]{8}$/), 'a b'])
    await stage.devices.until(() => names.every(name => sensor.isLinked(name)))
  }))

test('two bridges of one room are no loop: each device is one peer, and nothing comes twice', () =>
  onStage(async stage => {
    const ada = await stage.room('Ada')
    const sensor = await stage.devices.real('sensor')
    const hubs = [await stage.bridge('hub-1'), await stage.bridge('hub-2')]
    await stage.peer(ada, 'sensor')
    await stage.devices.advance(40_000)
    expect(ada.peers.map(({ name }) => name).sort()).toEqual(['hub-1', 'hub-2', 'sensor'])
    expect(hubs.map(({ devices }) => devices.length).sort()).toEqual([0, 1])
    const heard = heardBy(ada)
    await ada.send('once')
    sensor.sendMessage('back', 'Ada')
    await stage.devices.advance(40_000)
    expect(sensor.log).toEqual(['Ada: once'])
    expect(heard).toEqual(['sensor: "back"'])
    const active = hubs.find(({ devices }) => devices.length === 1)!
    await active.close()
    await stage.devices.until(() => ada.peer('sensor') !== undefined && ada.peers.length === 2, 60_000)
    await stage.devices.advance(5_000)
    sensor.sendMessage('again', 'Ada')
    await stage.devices.advance(1_000)
    expect(heard.at(-1)).toBe('sensor: "again"')
  }))

test('two bridges that start at the same time settle it, too', () =>
  onStage(async stage => {
    const ada = await stage.room('Ada')
    await stage.devices.real('sensor')
    await Promise.all([stage.bridge('hub-1'), stage.bridge('hub-2')])
    await stage.peer(ada, 'sensor')
    await stage.devices.advance(60_000)
    expect(ada.peers.map(({ name }) => name).sort()).toEqual(['hub-1', 'hub-2', 'sensor'])
  }))

test('a closed group stays closed: the bridge needs the secret, and devices are let in by it', () =>
  onStage(async stage => {
    const { net } = stage.devices
    const ada = await net.freeze(stage.room('Ada', { secret: 'correct horse' }))
    await stage.devices.real('sensor')
    const hub = await stage.bridge('open-hub')
    await stage.devices.advance(5_000)
    expect(ada.peers).toEqual([])
    await hub.close()
  }))

test('wrong arguments are refused, and an aborted signal ends it', () =>
  onStage(async stage => {
    const { network } = stage.devices.host('hub')
    expect(await failureOf(bridge('home', 'telepathy' as 'peerpy', { network }))).toBeInstanceOf(RangeError)
    expect(await failureOf(bridge('No Room', 'pythonconnect', { network }))).toBeInstanceOf(RangeError)
    expect(await failureOf(bridge('home', 'pythonconnect', { network, name: 'a:,:b' }))).toBeInstanceOf(RangeError)
    const controller = new AbortController()
    const hub = await stage.bridge('hub', { signal: controller.signal })
    controller.abort(new Error('enough'))
    expect(await hub.closed).toMatchObject({ message: 'enough' })
    expect(await failureOf(hub.once('device'))).toMatchObject({ message: 'enough' })
  }))
