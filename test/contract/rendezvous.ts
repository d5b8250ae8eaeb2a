/**
 * What every rendezvous must do, whatever the broker: `rendezvousContract('in memory', makePlace)` defines the tests. They
 * know no clock: what they wait for goes through the place's `until` and `settle`.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Rendezvous, RendezvousHealth, RendezvousState } from '../../src/rendezvous/rendezvous.ts'
import { formatTopic } from '../../src/rendezvous/topic.ts'
import { Recorder } from './recorder.ts'

export interface RendezvousPlace {
  /** The rendezvous of one more program. */
  open(): Rendezvous
  /** Lets time pass until `promise` settles. */
  until<T>(promise: Promise<T>): Promise<T>
  /** Lets time pass until everything that is under way has arrived. */
  settle(): Promise<void>
  /** The broker ends, or comes back at the same place. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Frees what the place itself holds. */
  close(): Promise<void>
}

const TOPICS = [1, 2].map(fill => formatTopic(new Uint8Array(20).fill(fill))) as [string, string]
const [TOPIC, OTHER] = TOPICS

export function rendezvousContract(name: string, makePlace: () => Promise<RendezvousPlace>): void {
  describe(`a rendezvous: ${name}`, () => {
    let place: RendezvousPlace
    let opened: Rendezvous[]

    beforeEach(async () => {
      place = await makePlace()
      opened = []
    })

    afterEach(async () => {
      await place.until(Promise.all(opened.map(each => each.close())))
      await place.close()
    })

    function open(): Rendezvous {
      const rendezvous = place.open()
      opened.push(rendezvous)
      return rendezvous
    }

    async function openUp(): Promise<Rendezvous> {
      const rendezvous = open()
      await place.until(state(rendezvous, 'up'))
      return rendezvous
    }

    test('connects by itself, and tells of it', async () => {
      const rendezvous = open()
      const health = new HealthRecorder(rendezvous)
      expect(rendezvous.health.state).toBe('connecting')
      await place.until(health.until(() => rendezvous.health.state === 'up'))
      expect(health.states).toEqual(['up'])
      expect(rendezvous.health).toMatchObject({ url: rendezvous.url, state: 'up', lastError: undefined })
      expect(rendezvous.health.since).toBeGreaterThan(1_600_000_000_000)
    })

    test('brings what is published to everybody at that topic, and to nobody else', async () => {
      const [a, b, c] = [open(), open(), open()]
      const [atA, atB, atC] = [new Inbox(a, TOPIC), new Inbox(b, TOPIC), new Inbox(c, OTHER)]
      await place.until(Promise.all([a, b, c].map(each => state(each, 'up'))))
      await place.until(a.publish(TOPIC, text('hello')))
      await place.until(Promise.all([atA.count(1), atB.count(1)]))
      await place.until(c.publish(OTHER, text('other')))
      await place.until(atC.count(1))
      await place.settle()
      expect([atA, atB, atC].map(({ texts }) => texts)).toEqual([['hello'], ['hello'], ['other']])
    })

    test('brings bytes as they are, from none to 4,096, and refuses more', async () => {
      const [a, b] = [await openUp(), open()]
      const inbox = new Inbox(b, TOPIC)
      await place.until(state(b, 'up'))
      const sizes = [0, 1, 127, 128, 256, 1_024, 4_096]
      for (const size of sizes) await place.until(a.publish(TOPIC, pattern(size)))
      await place.until(inbox.count(sizes.length))
      expect(inbox.received.map(bytes => Buffer.from(bytes).toString('hex'))).toEqual(
        sizes.map(size => Buffer.from(pattern(size)).toString('hex')),
      )
      await expect(a.publish(TOPIC, pattern(4_097))).rejects.toBeInstanceOf(RangeError)
    })

    test('takes a subscription at any time, and before what is published after it', async () => {
      const a = await openUp()
      const inbox = new Inbox(a, TOPIC)
      await place.until(a.publish(TOPIC, text('after')))
      await place.until(inbox.count(1))
      expect(inbox.texts).toEqual(['after'])
    })

    test('calls each handler of a topic until it is disposed of, the last of which ends the subscription', async () => {
      const [a, b] = [await openUp(), await openUp()]
      const [first, second] = [new Inbox(b, TOPIC), new Inbox(b, TOPIC)]
      await place.settle()
      await place.until(a.publish(TOPIC, text('both')))
      await place.until(Promise.all([first.count(1), second.count(1)]))
      first.dispose()
      first.dispose()
      await place.until(a.publish(TOPIC, text('second')))
      await place.until(second.count(2))
      second.dispose()
      await place.settle()
      await place.until(a.publish(TOPIC, text('nobody')))
      await place.settle()
      expect(first.texts).toEqual(['both'])
      expect(second.texts).toEqual(['both', 'second'])
      const again = new Inbox(b, TOPIC)
      await place.settle()
      await place.until(a.publish(TOPIC, text('again')))
      await place.until(again.count(1))
    })

    test('is down while the broker is, says why, and comes back with its subscriptions', async () => {
      const [a, b] = [await openUp(), await openUp()]
      const inbox = new Inbox(b, TOPIC)
      const health = new HealthRecorder(a)
      await place.settle()
      await place.until(place.stop())
      await place.until(Promise.all([state(a, 'down'), state(b, 'down')]))
      expect(health.states[0]).toBe('down')
      expect(a.health.lastError?.code).toBe('lost')
      await expect(a.publish(TOPIC, text('lost'))).rejects.toMatchObject({ code: 'unreachable' })
      const late = new Inbox(b, OTHER)
      await place.until(place.start())
      await place.until(Promise.all([state(a, 'up'), state(b, 'up')]))
      await place.until(a.publish(TOPIC, text('back')))
      await place.until(a.publish(OTHER, text('late')))
      await place.until(Promise.all([inbox.count(1), late.count(1)]))
      expect(inbox.texts).toEqual(['back'])
    })

    test('says why it cannot connect, and tries again by itself', async () => {
      await place.until(place.stop())
      const a = open()
      await place.until(state(a, 'down'))
      expect(a.health.lastError).toMatchObject({ code: 'unreachable' })
      await place.until(place.start())
      await place.until(state(a, 'up'))
      expect(a.health.lastError).toMatchObject({ code: 'unreachable' })
    })

    test('connects anew when the network has changed, and keeps its subscriptions', async () => {
      const [a, b] = [await openUp(), await openUp()]
      const inbox = new Inbox(a, TOPIC)
      const health = new HealthRecorder(a)
      a.reconnect()
      expect(a.health.state).toBe('connecting')
      await place.until(state(a, 'up'))
      expect(health.states).toEqual(['connecting', 'up'])
      await place.until(b.publish(TOPIC, text('moved')))
      await place.until(inbox.count(1))
      await place.until(b.close())
      b.reconnect()
      expect(b.health.state).toBe('closed')
    })

    test('closes once, at any time, and does nothing afterwards', async () => {
      const [a, b, c] = [await openUp(), open(), await openUp()]
      const inbox = new Inbox(a, TOPIC)
      const health = new HealthRecorder(a)
      await place.until(Promise.all([a.close(), a.close(), b.close()]))
      expect(health.states).toEqual(['closed'])
      expect([a.health.state, b.health.state]).toEqual(['closed', 'closed'])
      await expect(a.publish(TOPIC, text('late'))).rejects.toMatchObject({ code: 'closed' })
      a.subscribe(TOPIC, () => {})()
      await place.until(c.publish(TOPIC, text('late')))
      await place.settle()
      expect(inbox.texts).toEqual([])
      expect(health.states).toEqual(['closed'])
    })
  })
}

class Inbox extends Recorder {
  readonly received: Uint8Array[] = []
  readonly dispose: () => void

  constructor(rendezvous: Rendezvous, topic: string) {
    super()
    this.dispose = rendezvous.subscribe(topic, bytes => {
      this.received.push(bytes)
      this.changed()
    })
  }

  get texts(): readonly string[] {
    return this.received.map(bytes => new TextDecoder().decode(bytes))
  }

  count(expected: number): Promise<void> {
    return this.until(() => this.received.length >= expected)
  }
}

class HealthRecorder extends Recorder {
  readonly states: RendezvousState[] = []

  constructor(rendezvous: Rendezvous) {
    super()
    rendezvous.watchHealth(({ state }: RendezvousHealth) => {
      this.states.push(state)
      this.changed()
    })
  }
}

/** When it is in this state. */
export function state(rendezvous: Rendezvous, expected: RendezvousState): Promise<void> {
  return new Promise(resolve => {
    if (rendezvous.health.state === expected) {
      resolve()
      return
    }
    const stop = rendezvous.watchHealth(health => {
      if (health.state !== expected) return
      stop()
      resolve()
    })
  })
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >>> 8)) & 0xff)
}
