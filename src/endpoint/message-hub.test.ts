import { expect, test } from 'vitest'
import type { EarshotError } from '../errors.ts'
import { MAX_BACKLOG_BYTES, MAX_BACKLOG_MESSAGES } from '../limits.ts'
import { ReceiptOutcome } from '../messaging/messenger.ts'
import { type Arrival, type MessageConsumer, MessageHub } from './message-hub.ts'
import type { Peer } from './peer.ts'

class Listener implements MessageConsumer {
  isListening = true
  readonly heard: unknown[] = []

  deliver({ message }: Arrival): void {
    this.heard.push(message.data)
  }
}

/** A hub whose room listens or does not, and a peer that notes its receipts. */
class Scene {
  readonly heard: unknown[] = []
  readonly warnings: EarshotError[] = []
  readonly receipts: (readonly [number, number])[] = []
  isListening = false
  readonly hub: MessageHub = new MessageHub({
    emitMessage: ({ data }) => {
      if (this.isListening) this.heard.push(data)
      return this.isListening
    },
    warn: error => this.warnings.push(error),
  })
  readonly peer = {
    messenger: { receipt: (number: number, outcome: number) => this.receipts.push([number, outcome]) },
  } as unknown as Peer

  arrive(data: unknown, { channel = '', length = 10, receipt = 0 } = {}): void {
    this.hub.onMessage(this.peer, channel, data, length, receipt)
  }

  listen(): void {
    this.isListening = true
    this.hub.onListening()
  }
}

test('a message that the room hears has its receipt, one that nobody hears has none yet', () => {
  const scene = new Scene()
  scene.arrive('early', { receipt: 1 })
  expect(scene.receipts).toEqual([])
  scene.listen()
  scene.arrive('late', { receipt: 2 })
  expect(scene.heard).toEqual(['early', 'late'])
  expect(scene.receipts).toEqual([
    [1, ReceiptOutcome.delivered],
    [2, ReceiptOutcome.delivered],
  ])
})

test('a message goes to the listeners of its channel, who give the receipt themselves', () => {
  const scene = new Scene()
  const [one, two, other] = [new Listener(), new Listener(), new Listener()]
  scene.hub.addConsumer('moves', one)
  const remove = scene.hub.addConsumer('moves', two)
  scene.hub.addConsumer('other', other)
  scene.arrive('a', { channel: 'moves', receipt: 1 })
  remove()
  scene.arrive('b', { channel: 'moves' })
  expect([one.heard, two.heard, other.heard]).toEqual([['a', 'b'], ['a'], []])
  expect(scene.receipts).toEqual([])
})

test('what waits for one channel is not lost when another begins to listen', () => {
  const scene = new Scene()
  const [moves, other] = [new Listener(), new Listener()]
  moves.isListening = false
  scene.hub.addConsumer('moves', moves)
  scene.hub.addConsumer('other', other)
  for (const data of ['a', 'b', 'c']) scene.arrive(data, { channel: 'moves' })
  scene.hub.onListening()
  expect(moves.heard).toEqual([])
  moves.isListening = true
  scene.hub.onListening()
  expect(moves.heard).toEqual(['a', 'b', 'c'])
})

test('beyond the limit of messages the oldest is dropped, with one warning, and its receipt says so', () => {
  const scene = new Scene()
  for (let i = 1; i <= MAX_BACKLOG_MESSAGES + 5; i++) scene.arrive(i, { receipt: i })
  expect(scene.receipts).toEqual([1, 2, 3, 4, 5].map(number => [number, ReceiptOutcome.dropped]))
  expect(scene.warnings).toEqual([expect.objectContaining({ code: 'limit-reached', hint: expect.any(String) })])
  scene.listen()
  expect(scene.heard).toEqual(Array.from({ length: MAX_BACKLOG_MESSAGES }, (_, i) => i + 6))
})

test('the limit of bytes counts what waits, not what has been heard', () => {
  const scene = new Scene()
  const length = MAX_BACKLOG_BYTES / 4
  for (let i = 0; i < 4; i++) scene.arrive(i, { length })
  expect(scene.warnings).toEqual([])
  scene.arrive(4, { length })
  expect(scene.warnings).toHaveLength(1)
  scene.listen()
  expect(scene.heard).toEqual([1, 2, 3, 4])
  scene.isListening = false
  for (let i = 0; i < 4; i++) scene.arrive(i, { length })
  scene.heard.length = 0
  scene.listen()
  expect(scene.heard).toEqual([0, 1, 2, 3])
})

test('bytes that wait do not keep the record alive in which they came', () => {
  const scene = new Scene()
  const record = new Uint8Array(60_000).fill(7)
  scene.arrive(record.subarray(0, 3))
  record.fill(0)
  scene.listen()
  expect(scene.heard).toEqual([Uint8Array.of(7, 7, 7)])
  expect((scene.heard[0] as Uint8Array).buffer.byteLength).toBe(3)
})
