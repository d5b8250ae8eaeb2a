import { expect, test } from 'vitest'
import { guessGateways } from './gateway-guess.ts'
import type { InterfaceKind, NetworkInterface } from './network.ts'

function link(address: string, prefixLength: number, kind: InterfaceKind = 'wired', isUp = true): NetworkInterface {
  const scope = address.startsWith('169.254') ? 'link-local' : 'private'
  const addresses = [{ address, family: 'ipv4', prefixLength, scope, scopeId: 0 } as const]
  return { name: 'en0', index: 1, kind, isUp, supportsMulticast: true, addresses, rank: 0 }
}

test.each([
  ['192.168.1.77', 24, '192.168.1.1'],
  ['10.1.2.3', 8, '10.0.0.1'],
  ['172.20.10.5', 28, '172.20.10.1'],
  ['192.168.7.200', 22, '192.168.4.1'],
])('behind %s/%i the router is probably %s', (address, prefixLength, expected) => {
  expect(guessGateways([link(address, prefixLength)])).toEqual([
    { address: expected, family: 'ipv4', interface: 'en0' },
  ])
})

test.each([
  ['this machine has the first address itself', link('192.168.1.1', 24)],
  ['there is nobody but two ends', link('192.168.1.2', 31)],
  ['the address was made up without a network', link('169.254.3.4', 16)],
  ['it is a bridge of a virtual machine', link('172.17.0.2', 16, 'virtual')],
  ['the cable is out', link('192.168.1.77', 24, 'wired', false)],
])('nothing is guessed where %s', (_, candidate) => {
  expect(guessGateways([candidate])).toEqual([])
})
