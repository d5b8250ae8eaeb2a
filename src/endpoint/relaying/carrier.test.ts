import { describe, expect, test } from 'vitest'
import { formatPeerId, parsePeerId } from '../../identity/peer-id.ts'
import { MAX_CARRIED_LETTERS_PER_SECOND, MAX_GROUP_LETTERS_PER_SECOND, MAX_LETTERS_PER_SECOND } from '../../limits.ts'
import { epochAt, formatTopic, groupTopic, personalTopic } from '../../rendezvous/topic.ts'
import { simulate } from '../../testing/index.ts'
import { Carrier } from './carrier.ts'
import { LetterTopics, letterKey } from './letter-topics.ts'
import type { Letter } from './words.ts'

const KEY = letterKey(undefined, 'chat')
const id = (number: number) => formatPeerId(new Uint8Array(32).fill(number))
const [ADA, BOB, CID] = [id(1), id(2), id(3)] as const
const PACKET = new Uint8Array(256).fill(7)

interface StageOptions {
  readonly ids?: readonly string[]
  readonly audience?: readonly string[]
  readonly hand?: () => Promise<unknown>
}

function stage({ ids = [ADA, BOB, CID], audience, hand = async () => undefined }: StageOptions = {}) {
  const net = simulate()
  const { clock } = net.host('relay').network
  const handed: string[] = []
  const topics = new LetterTopics(clock, KEY, 'chat')
  const carrier = new Carrier(clock, topics, audience && new Set(audience), {
    peerIds: () => ids,
    hand: (to, { packet }) => {
      handed.push(`${names.get(to) ?? to} ${packet.length}`)
      return hand()
    },
  })
  const options = { roomKey: KEY, service: 'chat', epoch: epochAt(clock.wallTime()) }
  const to = (peer: string): Letter => ({
    topic: formatTopic(personalTopic(options, parsePeerId(peer)!)),
    packet: PACKET,
  })
  const toAll: Letter = { topic: formatTopic(groupTopic(options)), packet: PACKET }
  return { net, carrier, handed, to, toAll }
}

const names = new Map([
  [ADA, 'ada'],
  [BOB, 'bob'],
  [CID, 'cid'],
])

describe('a letter to one', () => {
  test('goes to whom it concerns, and to nobody else', async () => {
    const { carrier, handed, to } = stage()
    await carrier.carry(to(BOB), ADA)
    expect(handed).toEqual(['bob 256'])
  })

  test('to somebody who is not here, or to the sender itself, is refused', async () => {
    const { carrier, handed, to } = stage({ ids: [ADA, BOB] })
    await expect(carrier.carry(to(CID), ADA)).rejects.toMatchObject({ code: 'unknown-peer' })
    await expect(carrier.carry(to(ADA), ADA)).rejects.toMatchObject({ code: 'unknown-peer' })
    await expect(carrier.carry({ topic: 'bob' }, ADA)).rejects.toMatchObject({ code: 'invalid-data' })
    expect(handed).toEqual([])
  })

  test('that is not taken fails for the sender, too', async () => {
    const { carrier, to } = stage({ hand: () => Promise.reject(new Error('not listening')) })
    await expect(carrier.carry(to(BOB), ADA)).rejects.toThrow('not listening')
  })

  test('is one of so many a second, for each sender', async () => {
    const { net, carrier, handed, to } = stage()
    const burst = 4 * MAX_LETTERS_PER_SECOND
    for (let i = 0; i < burst; i++) await carrier.carry(to(BOB), ADA)
    await expect(carrier.carry(to(BOB), ADA)).rejects.toMatchObject({ code: 'limit-reached' })
    await carrier.carry(to(BOB), CID)
    expect(handed).toHaveLength(burst + 1)
    await net.advance(1_000)
    await carrier.carry(to(BOB), ADA)
  })
})

describe('a letter to all', () => {
  test('is told by a volunteer to those who want to hear it, but for the sender', async () => {
    const { carrier, handed, toAll } = stage({ audience: [ADA, BOB] })
    await carrier.carry(toAll, ADA)
    expect(handed).toEqual(['bob 256'])
  })

  test('is refused by everybody else', async () => {
    const { carrier, handed, toAll } = stage()
    await expect(carrier.carry(toAll, ADA)).rejects.toMatchObject({ code: 'refused' })
    expect(handed).toEqual([])
  })

  test('reaches the others where one does not take it', async () => {
    const { carrier, handed, toAll } = stage({ audience: [BOB, CID], hand: () => Promise.reject(new Error('gone')) })
    await carrier.carry(toAll, ADA)
    expect(handed).toEqual(['bob 256', 'cid 256'])
  })

  test('is one of fewer a second', async () => {
    const { carrier, toAll, to } = stage({ audience: [ADA, BOB] })
    for (let i = 0; i < 4 * MAX_GROUP_LETTERS_PER_SECOND; i++) await carrier.carry(toAll, ADA)
    await expect(carrier.carry(toAll, ADA)).rejects.toMatchObject({ code: 'limit-reached' })
    await carrier.carry(to(BOB), ADA)
  })

  test('becomes a bounded number of copies, of all senders together', async () => {
    const ids = Array.from({ length: 1_000 }, (_, index) => formatPeerId(numbered(index)))
    const { net, carrier, handed, toAll } = stage({ ids, audience: ids })
    const sent = await Promise.allSettled(ids.slice(0, 10).map(from => carrier.carry(toAll, from)))
    expect(handed).toHaveLength(MAX_CARRIED_LETTERS_PER_SECOND)
    expect(sent.filter(({ status }) => status === 'rejected')).toHaveLength(6)
    await net.advance(1_000)
    await carrier.carry(toAll, ids[20]!)
  })
})

function numbered(number: number): Uint8Array {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}
