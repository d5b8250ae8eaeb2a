import { describe, expect, test } from 'vitest'
import type { EarshotError } from '../../errors.ts'
import { subnetBroadcast } from '../../platform/ip-address.ts'
import type { AddressFamily, NetworkInterface, SocketAddress, UdpHandlers, UdpOptions } from '../../platform/network.ts'
import { simulate } from '../../testing/index.ts'
import { BEACON_PORT, BeaconLink } from './beacon-link.ts'

const ipv4 = (address: string, prefixLength: number) =>
  ({ address, prefixLength, family: 'ipv4' as AddressFamily, scope: 'private', scopeId: 0 }) as const

test.each([
  ['192.168.1.7', 24, '192.168.1.255'],
  ['192.168.1.7', 25, '192.168.1.127'],
  ['10.20.30.40', 8, '10.255.255.255'],
  ['10.20.30.40', 12, '10.31.255.255'],
  ['172.16.5.6', 22, '172.16.7.255'],
  ['172.16.5.6', 30, '172.16.5.7'],
  ['172.16.5.6', 0, '255.255.255.255'],
  ['172.16.5.6', 31, undefined],
  ['172.16.5.6', 32, undefined],
])('the broadcast address of %s/%i is %s', (address, prefixLength, broadcast) => {
  expect(subnetBroadcast(ipv4(address, prefixLength))).toBe(broadcast)
})

describe('a link', () => {
  const eth0: NetworkInterface = {
    name: 'eth0',
    index: 2,
    kind: 'wired',
    isUp: true,
    supportsMulticast: true,
    addresses: [ipv4('192.168.1.7', 24)],
    rank: 0,
  }

  /** Opens a link on sockets that only note what is done with them; `refuse` makes an `openUdp` fail. */
  async function open(changes: Partial<NetworkInterface>, refuse?: (options: UdpOptions) => EarshotError | undefined) {
    const net = simulate()
    const host = net.host('ada')
    const link = { ...eth0, ...changes }
    const sent: SocketAddress[] = []
    const groups: string[] = []
    const warnings: EarshotError[] = []
    const sockets: { options: UdpOptions; handlers: UdpHandlers; isOpen: boolean }[] = []
    const openUdp = async (options: UdpOptions, handlers: UdpHandlers) => {
      const error = refuse?.(options)
      if (error) throw error
      const socket = { options, handlers, isOpen: true }
      sockets.push(socket)
      return {
        local: { address: options.address, port: options.port || 40_000 },
        send: (_: Uint8Array, to: SocketAddress) => sent.push(to) > 0,
        joinGroup: (group: string) => void groups.push(group),
        close: () => {
          socket.isOpen = false
        },
      }
    }
    const beacon = new BeaconLink({
      place: { interface: link, ipv4: link.addresses.find(({ family }) => family === 'ipv4') },
      clock: host.network.clock,
      network: { ...host.network.network, openUdp },
      onPacket() {},
      onWarning: error => warnings.push(error),
    })
    const failure = await beacon.open().then(
      () => undefined,
      (error: unknown) => error,
    )
    return { net, beacon, sent, groups, sockets, warnings, failure }
  }

  const toAll = async (changes: Partial<NetworkInterface>) => {
    const { beacon, sent, groups } = await open(changes)
    beacon.sendToAll(Uint8Array.of(1))
    expect(sent.every(({ port }) => port === BEACON_PORT)).toBe(true)
    return { groups, to: sent.map(({ address }) => address) }
  }

  test('sends to the group, to the subnet and to everybody', async () => {
    const group = '239.255.252.95'
    expect(await toAll({})).toEqual({ groups: [group], to: [group, '192.168.1.255', '255.255.255.255'] })
  })

  test('without a broadcast address of its subnet, or without multicast, does what it can', async () => {
    expect((await toAll({ addresses: [ipv4('192.168.1.7', 32)] })).to).toEqual(['239.255.252.95', '255.255.255.255'])
    expect(await toAll({ supportsMulticast: false })).toEqual({ groups: [], to: ['192.168.1.255', '255.255.255.255'] })
  })

  test('of IPv6, or of loopback, has the group only', async () => {
    const ipv6 = { address: 'fe80::1', prefixLength: 64, family: 'ipv6', scope: 'link-local', scopeId: 2 } as const
    const group = 'ff12::ea75:5f07'
    expect(await toAll({ addresses: [ipv6] })).toEqual({ groups: [group], to: [group] })
    expect((await toAll({ kind: 'loopback', addresses: [ipv4('127.0.0.1', 8)] })).to).toEqual(['239.255.252.95'])
  })

  test('knows its own packets by address and port', async () => {
    const { beacon } = await open({})
    expect(beacon.isOwn({ address: '192.168.1.7', port: 40_000 })).toBe(true)
    expect(beacon.isOwn({ address: '192.168.1.8', port: 40_000 })).toBe(false)
    expect(beacon.isOwn({ address: '192.168.1.7', port: 40_001 })).toBe(false)
  })

  test('that cannot have the shared port can send; opened again it is whole', async () => {
    let isTaken = true
    const taken = new Error('taken') as EarshotError
    const { beacon, failure, sockets } = await open({}, ({ sharePort }) => (sharePort && isTaken ? taken : undefined))
    expect(failure).toBe(taken)
    expect([beacon.isOpen, beacon.isWhole]).toEqual([true, false])
    isTaken = false
    await beacon.open()
    expect([beacon.isOpen, beacon.isWhole]).toEqual([true, true])
    beacon.close()
    beacon.close()
    expect(sockets.map(({ isOpen }) => isOpen)).toEqual([false, false])
    expect([beacon.isOpen, beacon.isWhole]).toEqual([false, false])
  })

  test('that is closed while it opens leaves no socket open', async () => {
    const { beacon, sockets } = await open({})
    beacon.close()
    const opening = beacon.open()
    beacon.close()
    await opening
    expect(sockets).toHaveLength(4)
    expect(sockets.filter(({ isOpen }) => isOpen)).toEqual([])
  })

  test('tells of errors, but not while the interface is new', async () => {
    const { net, sockets, warnings } = await open({})
    const error = new Error('cannot send') as EarshotError
    sockets[0]!.handlers.onError(error)
    expect(warnings).toEqual([])
    await net.advance(4_000)
    sockets[0]!.handlers.onError(error)
    expect(warnings).toEqual([error])
  })
})
