/** A room and peers of peerpy as one, on a simulated LAN. */

import { expect, test } from 'vitest'
import { type BridgeOptions, bridge, type RoomBridge } from '../../../src/compat/bridge.ts'
import type { PeerpyPeer } from '../../../src/compat/peerpy.ts'
import { join, type Peer, type Room } from '../../../src/index.ts'
import { onPeerpyStage, type PeerpyStage } from '../peerpy-stage.ts'

class BridgeStage {
  readonly devices: PeerpyStage
  readonly #open: { close(): Promise<void> }[] = []

  constructor(devices: PeerpyStage) {
    this.devices = devices
  }

  async room(name: string): Promise<Room> {
    const room = await join('home', { name, network: this.devices.host(name).network })
    this.#open.push(room)
    return room
  }

  async bridge(name: string, options: BridgeOptions = {}): Promise<RoomBridge> {
    const opened = await bridge('home', 'peerpy', { name, network: this.devices.host(name).network, ...options })
    this.#open.push(opened)
    return opened
  }

  async until(isSo: () => boolean, withinMs = 30_000): Promise<void> {
    const startedAt = this.devices.net.now
    while (!isSo()) {
      if (this.devices.net.now - startedAt >= withinMs) expect.fail(`not so within ${withinMs} ms: ${isSo}`)
      await this.devices.net.advance(10)
    }
  }

  async peer(room: Room, name: string): Promise<Peer> {
    await this.until(() => room.peer(name) !== undefined)
    return room.peer(name)!
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#open.map(each => each.close()))
  }
}

function onStage(play: (stage: BridgeStage) => Promise<void>): Promise<void> {
  return onPeerpyStage(async devices => {
    const stage = new BridgeStage(devices)
    await play(stage)
    await stage.closeAll()
  })
}

/** What reaches a device, with who it is from, as the device knows it. */
function heardAt(device: PeerpyPeer): { readonly data: unknown; readonly from: string }[] {
  const heard: { data: unknown; from: string }[] = []
  device.on('data', ({ data, from }) => heard.push({ data, from: from.id }))
  return heard
}

test('a device is a peer of the room, and each peer of the room is one among the devices', () =>
  onStage(async stage => {
    const device = await stage.devices.listen('device')
    const [ada, ben] = [await stage.room('Ada'), await stage.room('Ben')]
    const hub = await stage.bridge('hub')
    const peer = await stage.peer(ada, device.address)
    await stage.peer(ben, device.address)
    expect(peer.info).toEqual({ bridged: 'peerpy', authenticated: false, encrypted: false })
    expect(hub.devices).toEqual([{ name: device.address, address: device.address, peerId: peer.id }])
    expect(hub.peers.map(({ name }) => name).sort()).toEqual(['Ada', 'Ben'])
    const found: string[] = []
    for await (const address of device.discover()) found.push(address)
    expect(found.sort()).toEqual(hub.peers.map(({ as }) => as).sort())
  }))

test('messages go both ways, each under the name of who said it', () =>
  onStage(async stage => {
    const device = await stage.devices.listen('device')
    const atDevice = heardAt(device)
    const [ada, ben] = [await stage.room('Ada'), await stage.room('Ben')]
    const hub = await stage.bridge('hub')
    await stage.peer(ada, device.address)
    await stage.peer(ben, device.address)
    const [seatOfAda, seatOfBen] = ['Ada', 'Ben'].map(name => hub.peers.find(peer => peer.name === name)!.as)
    const [atAda, atBen]: unknown[][] = [[], []]
    ada.on('message', ({ data, from }) => atAda!.push([from.name, data]))
    ben.on('message', ({ data, from }) => atBen!.push([from.name, data]))

    await ada.send({ level: 3 }, { to: device.address })
    await ben.send('to everybody')
    await stage.devices.net.advance(1_000)
    expect(atDevice).toEqual([
      { data: { level: 3 }, from: seatOfAda },
      { data: 'to everybody', from: seatOfBen },
    ])
    await device.connection(seatOfAda!)!.send([1, 'two'])
    await device.connection(seatOfBen!)!.send('hello Ben')
    await stage.devices.net.advance(1_000)
    expect(atAda).toEqual([
      ['Ben', 'to everybody'],
      [device.address, [1, 'two']],
    ])
    expect(atBen).toEqual([[device.address, 'hello Ben']])
  }))

test('bytes travel as bytes, and a device that nobody can discover is there once it connects', () =>
  onStage(async stage => {
    const device = await stage.devices.listen('device', { invisible: true })
    const ada = await stage.room('Ada')
    const hub = await stage.bridge('hub')
    await stage.until(() => hub.peers.length === 1)
    await stage.devices.net.advance(20_000)
    expect(hub.devices).toEqual([])
    const heard: unknown[] = []
    ada.on('message', ({ data }) => heard.push(data))
    const connection = await device.connect(hub.peers[0]!.as, { dataType: 'bytes' })
    await connection.send(new Uint8Array([1, 2]))
    const peer = await stage.peer(ada, device.address)
    await stage.until(() => heard.length === 1)
    expect(heard).toEqual([new Uint8Array([1, 2])])
    const atDevice = heardAt(device)
    await peer.send(new Uint8Array([3]))
    await peer.send('text')
    await stage.devices.net.advance(1_000)
    expect(atDevice.map(({ data }) => data)).toEqual([new Uint8Array([3]), new TextEncoder().encode('text')])
  }))

test('nobody asks a device, and a message that it cannot take is told', () =>
  onStage(async stage => {
    const device = await stage.devices.listen('device')
    const ada = await stage.room('Ada')
    const hub = await stage.bridge('hub')
    const warnings: string[] = []
    hub.on('warning', ({ code }) => warnings.push(code))
    const peer = await stage.peer(ada, device.address)
    await expect(peer.ask('question', 'x')).rejects.toMatchObject({ code: 'no-answer' })
    await peer.send('x'.repeat(20_000))
    await stage.devices.net.advance(1_000)
    expect(warnings).toEqual(['too-large'])
  }))

test('a device that has gone is no peer any more', () =>
  onStage(async stage => {
    const device = await stage.devices.listen('device')
    const ada = await stage.room('Ada')
    await stage.bridge('hub')
    await stage.peer(ada, device.address)
    await device.close()
    await stage.until(() => ada.peer(device.address) === undefined, 40_000)
  }))

test('two bridges of one room are no loop', () =>
  onStage(async stage => {
    const device = await stage.devices.listen('device')
    const atDevice = heardAt(device)
    const ada = await stage.room('Ada')
    const hubs = [await stage.bridge('hub-1'), await stage.bridge('hub-2')]
    await stage.peer(ada, device.address)
    await stage.devices.net.advance(60_000)
    expect(ada.peers.map(({ name }) => name).sort()).toEqual([device.address, 'hub-1', 'hub-2'].sort())
    expect(hubs.map(({ devices }) => devices.length).sort()).toEqual([0, 1])
    await ada.send('once')
    await stage.devices.net.advance(10_000)
    expect(atDevice.map(({ data }) => data)).toEqual(['once'])
  }))
