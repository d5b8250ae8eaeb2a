/**
 * Which interfaces a program uses: those on which other devices can be. Docker's bridges, those of virtual machines and
 * VPN tunnels are left out, because hundreds of containers or the whole company are not "around you".
 *
 * Loopback is used only where there is nothing else. Programs on one machine hear each other on every interface anyway,
 * since the system loops multicast back.
 */

import type { NetworkInterface } from './network.ts'

export interface InterfaceChoice {
  /** Exactly these instead of the choice made here. Names, or patterns with `*` and `?`. */
  readonly include?: readonly string[]
  /** Not these, whatever they are. Names, or patterns with `*` and `?`: `['docker*']`. */
  readonly exclude?: readonly string[]
}

/** The interfaces to use of those there are, in their order. Down ones and those without an address never are. */
export function defaultInterfaces(
  interfaces: readonly NetworkInterface[],
  { include, exclude = [] }: InterfaceChoice = {},
): readonly NetworkInterface[] {
  const usable = interfaces.filter(
    ({ name, isUp, addresses }) => isUp && addresses.length > 0 && !matches(name, exclude),
  )
  if (include) return usable.filter(({ name }) => matches(name, include))
  const multicast = usable.filter(({ supportsMulticast }) => supportsMulticast)
  const lan = multicast.filter(({ kind }) => kind === 'wired' || kind === 'wireless')
  return lan.length > 0 ? lan : multicast.filter(({ kind }) => kind === 'loopback')
}

/** Why an interface is not among those that are used. */
export type LeftOut =
  | 'excluded'
  | 'not-included'
  | 'down'
  | 'no-address'
  | 'no-multicast'
  | 'virtual'
  | 'tunnel'
  | 'loopback'

/** Undefined where `defaultInterfaces` chooses it of `all`. */
export function whyLeftOut(
  item: NetworkInterface,
  all: readonly NetworkInterface[],
  choice: InterfaceChoice = {},
): LeftOut | undefined {
  if (defaultInterfaces(all, choice).includes(item)) return undefined
  const { name, isUp, addresses, kind, supportsMulticast } = item
  if (matches(name, choice.exclude ?? [])) return 'excluded'
  if (!isUp) return 'down'
  if (addresses.length === 0) return 'no-address'
  if (choice.include) return 'not-included'
  if (kind === 'virtual' || kind === 'tunnel') return kind
  return supportsMulticast ? 'loopback' : 'no-multicast'
}

function matches(name: string, patterns: readonly string[]): boolean {
  return patterns.some(pattern => patternToRegExp(pattern).test(name))
}

function patternToRegExp(pattern: string): RegExp {
  const source = pattern
    .replace(/[\\^$.+()[\]{}|]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`)
}
