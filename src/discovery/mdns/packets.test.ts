import { describe, expect, test } from 'vitest'
import { MDNS_PAYLOAD_BYTES } from '../../limits.ts'
import { decodeMessage, message } from './message.ts'
import { queryPackets, responsePackets } from './packets.ts'
import type { Question, ResourceRecord } from './record.ts'

const pointer = (i: number): ResourceRecord => ({
  name: '_x._tcp.local',
  type: 'PTR',
  ttl: 9,
  flush: false,
  data: `Instance number ${i}._x._tcp.local`,
})
const many = (count: number): ResourceRecord[] => Array.from({ length: count }, (_, i) => pointer(i))
const question: Question = { name: '_x._tcp.local', type: 'PTR', unicastResponse: false }

describe('packets', () => {
  test('known answers go into several, the question in the first, TC in all but the last', () => {
    const packets = queryPackets([{ question, known: many(1_000) }])
    const messages = packets.map(decodeMessage)
    expect(messages.flatMap(({ answers }) => answers.map(({ data }) => data))).toEqual(
      many(1_000).map(({ data }) => data),
    )
    expect(messages.map(({ questions }) => questions.length)).toEqual(messages.map((_, i) => (i === 0 ? 1 : 0)))
    expect(messages.map(({ isTruncated }) => isTruncated)).toEqual(messages.map((_, i) => i < messages.length - 1))
    for (const { length } of packets) expect(length).toBeLessThanOrEqual(MDNS_PAYLOAD_BYTES)
  })

  test('a thousand questions go into several, each with its known answers', () => {
    const asked = Array.from({ length: 1_000 }, (_, i) => ({
      question: { ...question, name: `Instance ${i}._x._tcp.local`, type: 'TXT' as const },
      known: i === 7 ? [pointer(7)] : [],
    }))
    const packets = queryPackets(asked)
    const messages = packets.map(decodeMessage)
    expect(messages.reduce((sum, { questions }) => sum + questions.length, 0)).toBe(1_000)
    expect(messages.filter(({ answers }) => answers.length > 0)).toHaveLength(1)
    expect(messages.some(({ isTruncated }) => isTruncated)).toBe(false)
    for (const { length } of packets) expect(length).toBeLessThanOrEqual(MDNS_PAYLOAD_BYTES)
  })

  test('answers go into several, and additional records stay away where there is no room', () => {
    const response = message({ isResponse: true, answers: many(100), additionals: many(5) })
    const messages = responsePackets(response).map(decodeMessage)
    expect(messages.length).toBeGreaterThan(1)
    expect(messages.flatMap(({ answers }) => answers)).toHaveLength(100)
    const one = message({ isResponse: true, answers: many(2), additionals: many(100) })
    const packets = responsePackets(one)
    expect(packets).toHaveLength(1)
    expect(decodeMessage(packets[0]!).additionals.length).toBeGreaterThan(30)
  })

  test('one record that is longer than a frame goes alone', () => {
    const long: ResourceRecord = {
      name: 'a.local',
      type: 'TXT',
      ttl: 9,
      flush: true,
      data: Array.from({ length: 8 }, () => new Uint8Array(255)),
    }
    const packets = responsePackets(message({ isResponse: true, answers: [long, pointer(1)] }))
    expect(packets.map(packet => decodeMessage(packet).answers.length)).toEqual([1, 1])
  })
})
