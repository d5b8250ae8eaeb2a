/** Which interfaces rooms use, why the others are left out, and whether there is IPv6 on them. Pure. */

import { defaultInterfaces, type InterfaceChoice, type LeftOut, whyLeftOut } from '../platform/interface-choice.ts'
import type { NetworkInterface } from '../platform/network.ts'
import { type Finding, finding } from './finding.ts'

const REASONS: Readonly<Record<LeftOut, string>> = {
  excluded: 'is not used: it was excluded',
  'not-included': 'is not used: others were asked for',
  down: 'is down',
  'no-address': 'has no address',
  'no-multicast': 'is not used: it cannot send multicast',
  virtual: 'is not used: it leads to containers or virtual machines, not to devices around',
  tunnel: 'is not used: it is a tunnel, such as a VPN',
  loopback: 'is not used: there are interfaces that lead to other devices',
}

export function checkInterfaces(all: readonly NetworkInterface[], choice: InterfaceChoice): readonly Finding[] {
  const used = defaultInterfaces(all, choice)
  return [...all.map(item => describe(item, all, choice)), ...aboutAll(used, choice), aboutIpv6(used)]
}

function describe(item: NetworkInterface, all: readonly NetworkInterface[], choice: InterfaceChoice): Finding {
  const { name, kind, addresses } = item
  const reason = whyLeftOut(item, all, choice)
  const shown = addresses.map(({ address }) => address).join(', ')
  return finding({
    check: 'interface',
    subject: name,
    verdict: 'ok',
    message: reason ? REASONS[reason] : `is used: ${kind}, ${shown}`,
    details: { isUsed: reason === undefined, reason, kind, addresses: addresses.map(({ address }) => address) },
  })
}

function aboutAll(used: readonly NetworkInterface[], { include }: InterfaceChoice): readonly Finding[] {
  if (used.length === 0) {
    return [
      finding({
        check: 'interface',
        verdict: 'problem',
        message: 'no interface can be used: nobody can be found',
        hint: include
          ? 'Name one that is up with --interface; `earshot interfaces` lists them.'
          : 'Connect to a network: plug in a cable, or join a Wi-Fi.',
      }),
    ]
  }
  if (include || used.some(({ kind }) => kind !== 'loopback')) return []
  return [
    finding({
      check: 'interface',
      verdict: 'problem',
      message: 'no interface leads to other devices: only programs on this machine can be found',
      hint: 'Connect to a network, or name an interface that is left out with --interface.',
    }),
  ]
}

function aboutIpv6(used: readonly NetworkInterface[]): Finding {
  const own = used
    .flatMap(({ addresses }) => addresses)
    .filter(({ family, scope }) => family === 'ipv6' && scope !== 'loopback')
  const isGlobal = own.some(({ scope }) => scope === 'global')
  const details = { addresses: own.map(({ address }) => address), isGlobal }
  if (own.length === 0) {
    const message = 'no IPv6 on the interfaces in use: IPv4 is enough on most networks'
    return finding({ check: 'ipv6', verdict: 'note', message, hint: 'Switch IPv6 on in the system.', details })
  }
  const message = isGlobal ? 'a public address, and those of the link' : 'on the link only: no public address'
  return finding({ check: 'ipv6', verdict: 'ok', message, details })
}
