/** What Linux says about interfaces beyond their addresses, down ones included. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { SysfsFacts } from './interface-kind.ts'

export interface LinuxInterface {
  readonly index: number
  readonly isLoopback: boolean
  /** Undefined with `sysfs`: what is not known there is concluded from addresses and name. */
  readonly isUp: boolean | undefined
  readonly supportsMulticast: boolean | undefined
  readonly sysfs: SysfsFacts | undefined
}

const SYSFS = '/sys/class/net'
// linux/if_arp.h, linux/if.h
const ARPHRD_LOOPBACK = 772
const IFF_UP = 0x1
const IFF_MULTICAST = 0x1000

/** By name. Empty where procfs may not be read, as in apps on Android. */
export function linuxInterfaces(): Map<string, LinuxInterface> {
  const names = matches(read('/proc/self/net/dev'), /^\s*([^\s:]+):/gm).map(([, name]) => name!)
  const indexes = new Map(
    matches(read('/proc/self/net/igmp'), /^(\d+)\t(\S+?)\s*:/gm).map(([, index, name]) => [name!, Number(index)]),
  )
  // sysfs shows the network namespace in which it was mounted. In a program started by `unshare -n` that is another one;
  // procfs always shows our own.
  const isOwnSysfs = sameNames(names, list(SYSFS))
  return new Map(names.map(name => [name, linuxInterface(name, indexes.get(name), isOwnSysfs)]))
}

function linuxInterface(name: string, knownIndex: number | undefined, isOwnSysfs: boolean): LinuxInterface {
  const directory = `${SYSFS}/${name}`
  const index = Number(read(`${directory}/ifindex`))
  if (!isOwnSysfs || index !== (knownIndex ?? index)) return unknownInterface(knownIndex)
  const uevent = read(`${directory}/uevent`) ?? ''
  const flags = Number(read(`${directory}/flags`))
  const hardwareType = Number(read(`${directory}/type`))
  const deviceType = /^DEVTYPE=(\S+)$/m.exec(uevent)?.[1] ?? ''
  return {
    index,
    isLoopback: hardwareType === ARPHRD_LOOPBACK,
    isUp: (flags & IFF_UP) !== 0 && isOperational(read(`${directory}/operstate`)),
    supportsMulticast: (flags & IFF_MULTICAST) !== 0,
    sysfs: {
      deviceType,
      hardwareType,
      hasDevice: existsSync(`${directory}/device`),
      isTun: existsSync(`${directory}/tun_flags`),
      bridgesDevice: deviceType === 'bridge' && bridgesDevice(directory),
    },
  }
}

/** RFC 2863: drivers that do not follow the state, such as that of loopback, say 'unknown'. */
function isOperational(state: string | undefined): boolean {
  return ['up', 'unknown'].includes(state?.trim() ?? 'unknown')
}

function bridgesDevice(directory: string): boolean {
  return list(`${directory}/brif`).some(member => existsSync(`${SYSFS}/${member}/device`))
}

function unknownInterface(index = 0): LinuxInterface {
  return { index, isLoopback: false, isUp: undefined, supportsMulticast: undefined, sysfs: undefined }
}

/** With bonding, a file `bonding_masters` lies among the interfaces. */
function sameNames(names: readonly string[], entries: readonly string[]): boolean {
  const others = entries.filter(entry => entry !== 'bonding_masters')
  return others.length === names.length && names.every(name => others.includes(name))
}

function matches(text: string | undefined, pattern: RegExp): RegExpMatchArray[] {
  return [...(text ?? '').matchAll(pattern)]
}

// Interfaces come and go while they are read: what is not there is empty or `undefined`.

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function list(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
