import { expect, test } from 'vitest'
import { decodeBase32 } from '../identity/base32.ts'
import { deriveRoomKey } from './room-key.ts'
import { EPOCH_MS, epochAt, epochsAt, formatTopic, groupTopic, isTopic, personalTopic } from './topic.ts'

const MINUTE = 60_000
const roomKey = new Uint8Array(32).fill(1)
const [ada, bob] = [2, 3].map(fill => new Uint8Array(32).fill(fill)) as [Uint8Array, Uint8Array]

test('every room, day, peer and purpose has a topic of its own', () => {
  const otherKey = new Uint8Array(32).fill(9)
  const topics = [
    groupTopic({ roomKey, service: 'chat', epoch: 1 }),
    groupTopic({ roomKey, service: 'chat', epoch: 2 }),
    groupTopic({ roomKey, service: 'chess', epoch: 1 }),
    groupTopic({ roomKey: otherKey, service: 'chat', epoch: 1 }),
    ...[ada, bob].flatMap(key => [
      personalTopic({ roomKey, service: 'chat', epoch: 1 }, key),
      personalTopic({ roomKey, service: 'chat', epoch: 2 }, key),
      personalTopic({ roomKey, service: 'chess', epoch: 1 }, key),
      personalTopic({ roomKey: undefined, service: 'chat', epoch: 1 }, key),
    ]),
  ].map(formatTopic)
  expect(new Set(topics).size).toBe(topics.length)
  for (const topic of topics) expect(isTopic(topic)).toBe(true)
})

test('a topic says nothing: 20 bytes in base32 behind the prefix', () => {
  const topic = formatTopic(personalTopic({ roomKey: undefined, service: 'chat', epoch: 1 }, ada))
  expect(topic).toMatch(/^earshot\/v1\/[a-z2-7]{32}$/)
  expect(decodeBase32(topic.slice(-32))?.length).toBe(20)
})

test.each([
  'earshot/v1/#',
  'earshot/v1/+',
  '#',
  '',
  `earshot/v1/${'A'.repeat(32)}`,
  `earshot/v1/${'a'.repeat(31)}`,
  `earshot/v1/${'a'.repeat(33)}`,
  `earshot/v2/${'a'.repeat(32)}`,
  `earshot/v1/${'a'.repeat(31)}+`,
])('%s is no topic of peers', text => {
  expect(isTopic(text)).toBe(false)
})

test('a topic is listened to from ten minutes before its day until ten minutes after it', () => {
  const midnight = 20_000 * EPOCH_MS
  expect(epochAt(midnight - 1)).toBe(19_999)
  expect(epochAt(midnight)).toBe(20_000)
  expect(epochsAt(midnight - 11 * MINUTE)).toEqual([19_999])
  expect(epochsAt(midnight - 10 * MINUTE)).toEqual([19_999, 20_000])
  expect(epochsAt(midnight)).toEqual([19_999, 20_000])
  expect(epochsAt(midnight + 10 * MINUTE - 1)).toEqual([19_999, 20_000])
  expect(epochsAt(midnight + 10 * MINUTE)).toEqual([20_000])
})

test('the key of a room is that of its secret and service; texts that look alike are one', async () => {
  const key = async (secret: string, service: string) =>
    Buffer.from(await deriveRoomKey(secret, service)).toString('hex')
  expect(await key('caf\u00e9', 'chat')).toBe(await key('cafe\u0301', 'chat'))
  expect(await key('tea', 'chat')).not.toBe(await key('tea', 'chess'))
  await expect(deriveRoomKey('', 'chat')).rejects.toThrow(RangeError)
  await expect(deriveRoomKey('x'.repeat(1_025), 'chat')).rejects.toThrow(RangeError)
})
