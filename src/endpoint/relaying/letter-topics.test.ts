import { expect, test } from 'vitest'
import { formatPeerId, parsePeerId } from '../../identity/peer-id.ts'
import { EPOCH_MS, epochAt, formatTopic, groupTopic, personalTopic } from '../../rendezvous/topic.ts'
import { simulate } from '../../testing/index.ts'
import { LetterTopics, letterKey } from './letter-topics.ts'

const [ADA, BOB] = [1, 2].map(fill => formatPeerId(new Uint8Array(32).fill(fill))) as [string, string]
const KEY = letterKey(new Uint8Array(32).fill(9), 'chat')

function stage() {
  const net = simulate()
  const { clock } = net.host('ada').network
  const at = (wallTime: number) => ({ roomKey: KEY, service: 'chat', epoch: epochAt(wallTime) })
  const personal = (id: string, wallTime = clock.wallTime()) =>
    formatTopic(personalTopic(at(wallTime), parsePeerId(id)!))
  const group = (wallTime = clock.wallTime()) => formatTopic(groupTopic(at(wallTime)))
  return { net, clock, topics: new LetterTopics(clock, KEY, 'chat'), personal, group }
}

test('a topic is somebody’s who is here', () => {
  const { topics, personal, group } = stage()
  expect(topics.ownerOf(personal(ADA), [ADA, BOB])).toBe(ADA)
  expect(topics.ownerOf(personal(ADA), [BOB])).toBeUndefined()
  expect(topics.ownerOf(personal(ADA), [ADA])).toBe(ADA)
  expect(topics.ownerOf(group(), [ADA, BOB])).toBeUndefined()
  expect([topics.isGroup(group()), topics.isGroup(personal(ADA))]).toEqual([true, false])
})

test('who is gone and comes back is known again', () => {
  const { topics, personal } = stage()
  topics.ownerOf(personal(ADA), [ADA])
  topics.forget(ADA)
  topics.forget(BOB)
  expect(topics.ownerOf(personal(ADA), [])).toBeUndefined()
  expect(topics.ownerOf(personal(ADA), [ADA])).toBe(ADA)
})

test('topics are those of the day, and around midnight of both', async () => {
  const { net, clock, topics, personal, group } = stage()
  const [today, old] = [personal(ADA), group()]
  expect(topics.ownerOf(today, [ADA])).toBe(ADA)
  const midnight = EPOCH_MS - (clock.wallTime() % EPOCH_MS)
  await net.advance(midnight + 60_000)
  expect(personal(ADA)).not.toBe(today)
  expect(topics.ownerOf(today, [ADA])).toBe(ADA)
  expect(topics.ownerOf(personal(ADA), [ADA])).toBe(ADA)
  expect([old, group()].map(topic => topics.isGroup(topic))).toEqual([true, true])
  await net.advance(600_000)
  expect(topics.ownerOf(today, [ADA])).toBeUndefined()
  expect(topics.isGroup(old)).toBe(false)
})

// docs/relaying.md; worked out by Python's hmac and hashlib.
test.each([
  [undefined, '21e9080ecde97fb761265544d17838d37ec26d1c26c3610670c742cef3698591'],
  [new Uint8Array(32).fill(1), '2ce459677cb90a69639ec3b1351f3cfe07fa6992583cd4fee77597fa3ca90a39'],
])('the key is that of the document', (psk, hex) => {
  expect(Buffer.from(letterKey(psk, 'chat')).toString('hex')).toBe(hex)
})

test('keys differ by secret and by service, and one without a secret is of the service alone', () => {
  const secrets = [undefined, new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  const keys = secrets.flatMap(psk => ['chat', 'chess'].map(service => letterKey(psk, service).join()))
  expect(new Set(keys).size).toBe(keys.length)
  expect(letterKey(undefined, 'chat')).toEqual(letterKey(undefined, 'chat'))
})
