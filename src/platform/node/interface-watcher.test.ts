import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { NetworkInterface } from '../network.ts'
import { InterfaceWatcher } from './interface-watcher.ts'

const NOTICED_WITHIN_MS = 5_000

const LOOPBACK = networkInterface('lo', '127.0.0.1')

let interfaces: readonly NetworkInterface[] = []
const read = vi.fn(() => interfaces)

function networkInterface(name: string, ...addresses: string[]): NetworkInterface {
  return {
    name,
    index: 1,
    kind: 'wired',
    isUp: true,
    supportsMulticast: true,
    addresses: addresses.map(address => ({ address, family: 'ipv4', prefixLength: 24, scope: 'private', scopeId: 0 })),
    rank: 0,
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  interfaces = [LOOPBACK, networkInterface('eth0', '192.168.0.2')]
  read.mockClear()
})
afterEach(() => {
  vi.useRealTimers()
})

test.each([
  ['appears', [LOOPBACK, networkInterface('eth0', '192.168.0.2'), networkInterface('wlan0')]],
  ['disappears', [LOOPBACK]],
  ['has another address', [LOOPBACK, networkInterface('eth0', '192.168.0.3')]],
  ['goes down', [LOOPBACK, { ...networkInterface('eth0', '192.168.0.2'), isUp: false }]],
])('an interface that %s is noticed in time, once', (_, after) => {
  const onChange = vi.fn()
  new InterfaceWatcher(read).watch(onChange)

  vi.advanceTimersByTime(60_000)
  expect(onChange).not.toHaveBeenCalled()
  interfaces = after
  vi.advanceTimersByTime(NOTICED_WITHIN_MS)
  expect(onChange).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(60_000)
  expect(onChange).toHaveBeenCalledTimes(1)
})

test('all who watch are told, also one that watches twice; who has stopped is not', () => {
  const watcher = new InterfaceWatcher(read)
  const [first, second] = [vi.fn(), vi.fn()]
  watcher.watch(first)
  watcher.watch(first)
  const stop = watcher.watch(second)

  stop()
  stop()
  interfaces = [LOOPBACK]
  vi.advanceTimersByTime(NOTICED_WITHIN_MS)

  expect(first).toHaveBeenCalledTimes(2)
  expect(second).not.toHaveBeenCalled()
})

test('one who stops another while being told is obeyed', () => {
  const watcher = new InterfaceWatcher(read)
  const second = vi.fn()
  watcher.watch(() => stop())
  const stop = watcher.watch(second)

  interfaces = [LOOPBACK]
  vi.advanceTimersByTime(NOTICED_WITHIN_MS)

  expect(second).not.toHaveBeenCalled()
})

test('nothing is read while nobody watches', () => {
  const watcher = new InterfaceWatcher(read)
  const stop = watcher.watch(() => {})
  stop()
  read.mockClear()

  vi.advanceTimersByTime(60_000)

  expect(read).not.toHaveBeenCalled()
  expect(vi.getTimerCount()).toBe(0)
})

test('a change while nobody watched is not told to who comes later', () => {
  const watcher = new InterfaceWatcher(read)
  watcher.watch(() => {})()
  interfaces = [LOOPBACK]
  const onChange = vi.fn()
  watcher.watch(onChange)

  vi.advanceTimersByTime(NOTICED_WITHIN_MS)

  expect(onChange).not.toHaveBeenCalled()
})

test('a look that fails is not a change', () => {
  const onChange = vi.fn()
  new InterfaceWatcher(read).watch(onChange)
  const before = interfaces

  interfaces = []
  vi.advanceTimersByTime(NOTICED_WITHIN_MS)
  interfaces = before
  vi.advanceTimersByTime(NOTICED_WITHIN_MS)

  expect(onChange).not.toHaveBeenCalled()
})
