/** What is let through, without a pool in between: a broker, or a member who has the group's key, tries this and that. */

import { expect, test } from 'vitest'
import type { EarshotError } from '../errors.ts'
import { generateIdentity, type Identity } from '../identity/identity.ts'
import { SeededRandom, simulate } from '../testing/index.ts'
import { groupKeyPair, packetSalt } from './room-key.ts'
import { openPacket, sealPacket } from './sealed-packet.ts'
import { decodeSignal, encodeSignal } from './signal.ts'
import { SignalChannel, type VerifiedSignal } from './signal-channel.ts'
import { epochAt, formatTopic, groupTopic } from './topic.ts'

const roomKey = new Uint8Array(32).fill(5)
const service = 'chat'
const random = new SeededRandom(1)
const [ada, eve] = [generateIdentity(random), generateIdentity(random)]
const group = groupKeyPair(roomKey)

function stage() {
  const net = simulate()
  const { clock } = net.host('bob').network
  const signals: VerifiedSignal[] = []
  const warnings: EarshotError[] = []
  const handlers = new Map<string, (bytes: Uint8Array) => void>()
  const channel = new SignalChannel({
    clock,
    random,
    identity: generateIdentity(random),
    service,
    roomKey,
    rendezvous: {
      publish: async () => {},
      subscribe: (topic, onMessage) => {
        handlers.set(topic, onMessage)
        return () => handlers.delete(topic)
      },
    },
    handlers: { onSignal: signal => signals.push(signal), onWarning: error => warnings.push(error) },
  })
  channel.start()
  const topic = groupTopic({ roomKey, service, epoch: epochAt(clock.wallTime()) })
  const context = { topic, receiverKey: group.publicKey, salt: packetSalt(roomKey) }
  const signalOf = (identity: Identity) =>
    encodeSignal(
      { time: clock.wallTime(), number: random.bytes(16), kind: 'message', body: new Uint8Array(3) },
      context,
      identity,
    )
  const deliver = (content: Uint8Array): void => handlers.get(formatTopic(topic))!(sealPacket(content, context, random))
  return { net, signals, warnings, handlers, channel, context, signalOf, deliver, topic }
}

test('a packet is taken once, however often it comes', () => {
  const { signals, warnings, handlers, context, signalOf, topic } = stage()
  const packet = sealPacket(signalOf(ada), context, random)
  for (let i = 0; i < 3; i++) handlers.get(formatTopic(topic))!(packet)
  expect(signals.map(({ fromId }) => fromId)).toEqual([ada.id])
  expect(warnings).toEqual([])
})

test('a signal that a member opens and seals again is taken once', () => {
  const { signals, handlers, context, signalOf, deliver, topic } = stage()
  const packet = sealPacket(signalOf(ada), context, random)
  handlers.get(formatTopic(topic))!(packet)
  const opened = openPacket(packet, context, group)
  const { body } = decodeSignal(opened)
  deliver(opened.subarray(0, 32 + 64 + 6 + 16 + 1 + 2 + body.length))
  expect(signals).toHaveLength(1)
})

test('a member cannot speak for another', () => {
  const { signals, warnings, signalOf, deliver } = stage()
  const forged = signalOf(eve)
  forged.set(ada.publicKey)
  deliver(forged)
  expect(signals).toEqual([])
  expect(warnings).toMatchObject([{ code: 'protocol-violation', message: expect.stringContaining('wrong signature') }])
})

test('a forged signal does not keep the true one out', () => {
  const { signals, signalOf, deliver } = stage()
  const signal = signalOf(ada)
  const forged = new Uint8Array(signal)
  forged.set([0xff], 40)
  deliver(forged)
  deliver(signal)
  expect(signals).toHaveLength(1)
})

test('an error that a handler throws is its own, and no reason to warn', () => {
  const { warnings, channel, signalOf, deliver, signals } = stage()
  signals.push = () => {
    throw new Error('of the application')
  }
  expect(() => deliver(signalOf(ada))).toThrow('of the application')
  expect(warnings).toEqual([])
  channel.close()
})

test('closed, it listens to nothing and has no timer', () => {
  const { net, handlers, channel } = stage()
  expect(handlers.size).toBeGreaterThanOrEqual(2)
  channel.close()
  expect(handlers.size).toBe(0)
  expect(net.open()).toEqual([])
})
