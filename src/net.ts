/**
 * `earshot/net`: the network as this machine has it. Interfaces here are those on which rooms look for peers, with the
 * same ranks.
 */

import { type InterfaceChange, interfaceChanges } from './platform/interface-changes.ts'
import type { NetworkInterface } from './platform/network.ts'
import { keepProcessAlive } from './platform/node/keep-process-alive.ts'
import { nodePlatform } from './platform/node/node-platform.ts'
import type { Platform } from './platform/platform.ts'

export type { InterfaceChange } from './platform/interface-changes.ts'
export { defaultInterfaces, type InterfaceChoice } from './platform/interface-choice.ts'
export type {
  AddressFamily,
  AddressScope,
  InterfaceAddress,
  InterfaceKind,
  NetworkInterface,
} from './platform/network.ts'

export interface InterfacesOptions {
  /**
   * A simulated host of `earshot/testing`.
   * @default the machine that this runs on
   */
  readonly network?: Platform
}

export interface WatchInterfacesOptions extends InterfacesOptions {
  /** Aborting ends the sequence, without an error. */
  readonly signal?: AbortSignal
}

/**
 * Every interface that the system has, loopback and on Linux also those that are down, in the order in which they are
 * preferred: wired, wireless, loopback, virtual, tunnel.
 */
export function interfaces({ network = nodePlatform() }: InterfacesOptions = {}): readonly NetworkInterface[] {
  return network.network.interfaces()
}

/**
 * The changes of the interfaces from now on, each within 5 s. Ends when `signal` is aborted or the loop is left, and keeps
 * the process alive until then.
 */
export function watchInterfaces({
  network = nodePlatform(),
  signal,
}: WatchInterfacesOptions = {}): AsyncIterableIterator<InterfaceChange> {
  return interfaceChanges(network.network, { signal, hold: keepProcessAlive })
}
