import { describe, expect, test, vi } from 'vitest'
import { interfaces, watchInterfaces } from './net.ts'
import type { Network, NetworkInterface } from './platform/network.ts'
import { nodePlatform } from './platform/node/node-platform.ts'
import type { Platform } from './platform/platform.ts'

const ETH0: NetworkInterface = {
  name: 'eth0',
  index: 2,
  kind: 'wired',
  isUp: true,
  supportsMulticast: true,
  addresses: [],
  rank: 0,
}
const WLAN0: NetworkInterface = { ...ETH0, name: 'wlan0', index: 3, kind: 'wireless', rank: 1 }

/** A machine of which nothing is asked but its interfaces. */
class Machine {
  interfaces: readonly NetworkInterface[] = [ETH0]
  readonly stopped = vi.fn()
  #onChange = () => {}

  readonly platform = {
    ...nodePlatform(),
    network: {
      interfaces: () => this.interfaces,
      watchInterfaces: (onChange: () => void) => {
        this.#onChange = onChange
        return this.stopped
      },
    } as unknown as Network,
  } satisfies Platform

  change(interfaces: readonly NetworkInterface[]): void {
    this.interfaces = interfaces
    this.#onChange()
  }
}

function waitingTimers(): number {
  return process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length
}

test('interfaces lists those of this machine, loopback among them', () => {
  const loopback = interfaces().find(({ kind }) => kind === 'loopback')

  expect(loopback?.addresses.map(({ address }) => address)).toContain('127.0.0.1')
  expect(interfaces()).toEqual(nodePlatform().network.interfaces())
})

describe('watchInterfaces', () => {
  test('tells what was added, removed and changed, one interface each', async () => {
    const machine = new Machine()
    const changes = watchInterfaces({ network: machine.platform })
    const downEth0 = { ...ETH0, isUp: false }

    const first = changes.next()
    machine.change([ETH0, WLAN0])
    machine.change([downEth0])

    expect((await first).value).toEqual({ kind: 'added', interface: WLAN0 })
    expect((await changes.next()).value).toEqual({ kind: 'removed', interface: WLAN0 })
    expect((await changes.next()).value).toEqual({ kind: 'changed', interface: downEth0 })
  })

  test('a new interface under an old name is a new one', async () => {
    const machine = new Machine()
    const changes = watchInterfaces({ network: machine.platform })
    const newEth0 = { ...ETH0, index: 7 }
    machine.change([newEth0])

    expect((await changes.next()).value).toEqual({ kind: 'removed', interface: ETH0 })
    expect((await changes.next()).value).toEqual({ kind: 'added', interface: newEth0 })
  })

  test('ends when it is aborted, before, while waiting, or afterwards', async () => {
    const machine = new Machine()
    const controller = new AbortController()
    const changes = watchInterfaces({ network: machine.platform, signal: controller.signal })
    const waiting = changes.next()

    controller.abort(new Error('enough'))

    expect(await waiting).toEqual({ done: true, value: undefined })
    expect(await changes.next()).toEqual({ done: true, value: undefined })
    expect(machine.stopped).toHaveBeenCalled()
    for await (const _ of watchInterfaces({ network: machine.platform, signal: controller.signal })) {
      expect.unreachable('an aborted sequence is empty')
    }
  })

  test('leaving the loop stops the watching', async () => {
    const machine = new Machine()
    const changes = watchInterfaces({ network: machine.platform })
    machine.change([])

    for await (const change of changes) {
      expect(change.kind).toBe('removed')
      break
    }

    expect(machine.stopped).toHaveBeenCalled()
  })

  test('keeps the process alive while somebody waits, and no longer', async () => {
    const machine = new Machine()
    const before = waitingTimers()
    const changes = watchInterfaces({ network: machine.platform })
    expect(waitingTimers()).toBe(before)

    const waiting = changes.next()
    expect(waitingTimers()).toBe(before + 1)
    machine.change([])
    await waiting
    expect(waitingTimers()).toBe(before)

    const unfinished = changes.next()
    await changes.return?.()
    expect((await unfinished).done).toBe(true)
    expect(waitingTimers()).toBe(before)
  })
})
