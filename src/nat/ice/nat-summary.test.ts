import { describe, expect, test } from 'vitest'
import {
  adviceFor,
  isHard,
  type NatSummary,
  portSequence,
  predictedPorts,
  type Strategy,
  strategyFor,
} from './nat-summary.ts'

const unknown = { kind: 'unknown' } as const
const none: NatSummary = { mapping: 'none', ports: unknown, isBlocked: false }
const easy: NatSummary = { mapping: 'endpoint-independent', ports: unknown, isBlocked: false }
const random: NatSummary = { mapping: 'address-and-port-dependent', ports: { kind: 'random' }, isBlocked: false }
const counting: NatSummary = { ...random, ports: { kind: 'sequential', delta: 2 } }
const blocked: NatSummary = { mapping: 'unknown', ports: unknown, isBlocked: true }

describe('two NATs', () => {
  test.each<[string, NatSummary, NatSummary, Strategy]>([
    ['none, none', none, none, 'plain'],
    ['easy, none', easy, none, 'plain'],
    ['easy, random', easy, random, 'birthday'],
    ['easy, counting', easy, counting, 'prediction'],
    ['counting, counting', counting, counting, 'prediction'],
    ['counting, random', counting, random, 'none'],
    ['random, random', random, random, 'none'],
    ['blocked, easy', blocked, easy, 'none'],
  ])('%s', (_, a, b, strategy) => {
    expect([strategyFor(a, b), strategyFor(b, a)]).toEqual([strategy, strategy])
  })

  test('one that gives every destination another port is hard, unless it keeps the local one', () => {
    expect([none, easy, blocked, random, counting].map(isHard)).toEqual([false, false, false, true, true])
    expect(isHard({ ...random, ports: { kind: 'preserving', offset: 0 } })).toBe(false)
  })
})

describe('ports in the order in which they were given', () => {
  test.each([
    [[100, 101, 102, 103], { kind: 'sequential', delta: 1 }],
    [[100, 102, 104, 108], { kind: 'sequential', delta: 2 }],
    [[500, 497, 494], { kind: 'sequential', delta: -3 }],
    [[100, 116], { kind: 'sequential', delta: 16 }],
    [[100, 117], { kind: 'random' }],
    [[100, 101, 110, 130], { kind: 'random' }],
    [[100, 200, 300, 400], { kind: 'random' }],
    [[61_000, 2_000, 40_000], { kind: 'random' }],
    [[100], { kind: 'unknown' }],
    [[], { kind: 'unknown' }],
  ])('%j', (ports, expected) => {
    expect(portSequence(ports)).toEqual(expected)
  })

  test('predict the next ones, none that there is not', () => {
    expect(predictedPorts({ address: '203.0.113.7', port: 65_530 }, 3, 8)).toEqual([65_533])
    expect(predictedPorts({ address: '203.0.113.7', port: 5 }, -2, 8)).toEqual([3, 1])
    expect(predictedPorts({ address: '203.0.113.7', port: 100 }, 1, 3)).toEqual([101, 102, 103])
  })
})

test('advice names the side and what is in the way', () => {
  const fine = { udp: easy, tcp: easy }
  const advice = (local: typeof fine, remote: typeof fine, hasReliableUdp = true) =>
    adviceFor({ local, remote, hasReliableUdp }).join(' ')
  expect(advice(fine, { udp: random, tcp: random })).toMatch(
    /NAT of the other side gives each destination another port/,
  )
  expect(advice({ udp: blocked, tcp: easy }, fine)).toMatch(/Let UDP through the firewall of this side/)
  expect(advice(fine, fine, false)).toMatch(/Install udx-native/)
  expect(advice(fine, fine)).toMatch(/Map a port/)
})
