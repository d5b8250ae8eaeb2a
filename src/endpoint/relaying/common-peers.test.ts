import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { formatPeerId, parsePeerId } from '../../identity/peer-id.ts'
import { MAX_CARRIERS, MAX_RENDEZVOUS_PACKETS_PER_SECOND } from '../../limits.ts'
import { epochAt, formatTopic, groupTopic, personalTopic } from '../../rendezvous/topic.ts'
import { simulate } from '../../testing/index.ts'
import { CommonPeers } from './common-peers.ts'
import { LetterTopics, letterKey } from './letter-topics.ts'

const KEY = letterKey(undefined, 'chat')
const idOf = (number: number) => formatPeerId(new Uint8Array(32).fill(number))
const BOB = idOf(200)
const PACKET = new Uint8Array(256)

/** A room with so many peers; `reaches` says which of them are connected to the receiver. */
function stage(count: number, reaches: (number: number) => boolean = () => true) {
  const net = simulate()
  const { clock } = net.host('ada').network
  const ids = Array.from({ length: count }, (_, index) => idOf(index + 1))
  const asked: number[] = []
  const handed: string[] = []
  const peers = new CommonPeers(clock, new LetterTopics(clock, KEY, 'chat'), {
    peerIds: () => ids,
    askToCarry: async id => {
      const number = ids.indexOf(id) + 1
      asked.push(number)
      if (!reaches(number)) throw new EarshotError('unknown-peer', 'no peer of ours is meant')
    },
    hand: async id => handed.push(id),
  })
  const options = { roomKey: KEY, service: 'chat', epoch: epochAt(clock.wallTime()) }
  const toBob = formatTopic(personalTopic(options, parsePeerId(BOB)!))
  const toAll = formatTopic(groupTopic(options))
  /** Who is asked to carry the next letter. */
  const publish = async (topic = toBob): Promise<number[]> => {
    asked.length = 0
    await peers.publish(topic, PACKET).catch(() => {})
    return [...asked]
  }
  return { net, ids, handed, peers, toBob, toAll, publish }
}

describe('a letter to one', () => {
  test('goes over those who relay first, and then over others', async () => {
    const { peers, ids, publish } = stage(3)
    peers.onVolunteer(ids[2]!)
    expect(await publish()).toEqual([3, 1, 2])
  })

  test('finds who reaches the receiver among many, from letter to letter, and stays with that one', async () => {
    const { publish } = stage(20, number => number === 14)
    const found = []
    for (let i = 0; i < 5; i++) found.push(await publish())
    expect(found[0]).toEqual([1, 2, 3, 4])
    expect(found[3]).toEqual([13, 14, 15, 16])
    expect(found[4]![0]).toBe(14)
    expect(found[4]).toHaveLength(MAX_CARRIERS)
    for (let i = 0; i < 5; i++) expect((await publish())[0]).toBe(14)
  })

  test('goes on looking when that one reaches it no more', async () => {
    let reaches = 2
    const { publish } = stage(3, number => number === reaches)
    await publish()
    reaches = 3
    expect((await publish())[0]).toBe(2)
    await publish()
    expect((await publish())[0]).toBe(3)
  })

  test('to a peer of ours is handed over, and carried by others as well', async () => {
    const { ids, handed, publish, peers } = stage(2)
    ids.push(BOB)
    expect(await publish()).toEqual([1, 2])
    expect(handed).toEqual([BOB])
    expect(peers.isUp).toBe(true)
  })

  test('that nobody carries is unreachable', async () => {
    const { peers, toBob } = stage(2, () => false)
    await expect(peers.publish(toBob, PACKET)).rejects.toMatchObject({ code: 'unreachable' })
    const alone = stage(0)
    expect(alone.peers.isUp).toBe(false)
    await expect(alone.peers.publish(toBob, PACKET)).rejects.toMatchObject({ code: 'unreachable' })
  })
})

test('a letter to all goes over those who relay, each time over other ones where there are many', async () => {
  const { peers, ids, toAll, publish } = stage(8)
  expect(await publish(toAll)).toEqual([])
  for (const id of ids.slice(0, 6)) peers.onVolunteer(id)
  expect(await publish(toAll)).toEqual([1, 2, 3, 4])
  const next = await publish(toAll)
  expect(next).toContain(5)
  expect(next).toContain(6)
  for (const id of ids.slice(0, 6)) peers.onPeerGone(id)
  expect(await publish(toAll)).toEqual([])
})

test('who relays is news once', () => {
  const { peers, ids } = stage(2)
  const news: string[] = []
  const unwatch = peers.watchHealth(({ url, state }) => news.push(`${url} ${state}`))
  for (const id of [ids[0]!, ids[0]!, ids[1]!]) peers.onVolunteer(id)
  expect(news).toEqual([`${ids[0]} up`, `${ids[1]} up`])
  expect(peers.volunteers).toEqual(ids)
  unwatch()
  peers.onPeerGone(ids[0]!)
  peers.onVolunteer(ids[0]!)
  expect(news).toHaveLength(2)
})

test('that somebody is gone is heard of those who relay only', () => {
  const { peers, ids } = stage(2)
  const doubted: string[] = []
  peers.onGone(BOB, ids[0]!)
  peers.watchDoubts(id => doubted.push(id))
  peers.onVolunteer(ids[0]!)
  peers.onGone(BOB, ids[0]!)
  peers.onGone(BOB, ids[1]!)
  expect(doubted).toEqual([BOB])
})

test('letters reach who listens on their topic, as their own bytes', () => {
  const { peers, toBob, toAll } = stage(1)
  const heard: Uint8Array[] = []
  const packet = new Uint8Array(256).fill(5)
  const unsubscribe = peers.subscribe(toBob, bytes => heard.push(bytes))
  peers.onLetter({ topic: toBob, packet }, 'carrier')
  peers.onLetter({ topic: toAll, packet }, 'carrier')
  packet.fill(0)
  expect(heard).toEqual([new Uint8Array(256).fill(5)])
  unsubscribe()
  peers.onLetter({ topic: toBob, packet }, 'carrier')
  expect(heard).toHaveLength(1)
})

test('of one carrier so many are read a second: opening one costs a key agreement', () => {
  const { peers, toBob } = stage(1)
  let count = 0
  peers.subscribe(toBob, () => count++)
  const letter = { topic: toBob, packet: PACKET }
  for (let i = 0; i < 2 * MAX_RENDEZVOUS_PACKETS_PER_SECOND; i++) peers.onLetter(letter, 'mallory')
  expect(() => peers.onLetter(letter, 'mallory')).toThrow('more letters come than are read')
  peers.onLetter(letter, 'bob')
  expect(count).toBe(2 * MAX_RENDEZVOUS_PACKETS_PER_SECOND + 1)
})
