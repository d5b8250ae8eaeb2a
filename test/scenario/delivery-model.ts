/**
 * A model of exactly-once delivery: whatever happens, each message that a session accepted arrives once and in order, or the
 * sender was told that this session is over.
 */

import { expect } from 'vitest'
import type { Peer, Room } from '../../src/index.ts'

/** What one run of a program has sent and got in each session: sessions are told apart by the peer object. */
export class Program {
  /** Of all programs, so that what an earlier run has sent can be told from what a later one has. */
  static #sent = 0
  readonly room: Room
  readonly received: Map<Peer, number[]> = new Map()
  readonly accepted: Map<Peer, number[]> = new Map()
  readonly failures: string[] = []

  constructor(room: Room) {
    this.room = room
    room.on('message', ({ data, from }) => {
      const numbers = this.received.get(from) ?? []
      numbers.push((data as { n: number }).n)
      this.received.set(from, numbers)
    })
    room.on('warning', ({ code, message }) => {
      if (code === 'protocol-violation') this.failures.push(message)
    })
    room.on('peer-gone', ({ peer, code, reason }) => {
      if (/violation|limit/.test(reason)) this.failures.push(`${peer.name} ${code} ${reason}`)
    })
  }

  /** Numbers count up, so the numbers that one session gets count up, too. */
  burst(count: number, bytes: number): void {
    const filler = 'x'.repeat(bytes)
    for (let i = 0; i < count; i++) {
      const n = Program.#sent++
      for (const peer of this.room.peers) {
        const log = this.accepted.get(peer) ?? []
        this.accepted.set(peer, log)
        log.push(n)
        // Rejects where the session is over; then nothing is promised.
        peer.send({ n, filler }).catch(() => {})
      }
    }
  }
}

/** Whether every program has every other one as its peer, here. */
export function areAllTogether(programs: readonly Program[]): boolean {
  const isAmongAll = ({ room }: Program) =>
    room.peers.filter(({ state }) => state === 'here').length === programs.length - 1
  return programs.every(isAmongAll)
}

export function checkDelivery(programs: readonly Program[]): void {
  for (const program of programs) expect(program.failures).toEqual([])
  for (const sender of programs) {
    for (const receiver of programs) {
      if (sender !== receiver) checkPair(sender, receiver)
    }
  }
}

function checkPair(sender: Program, receiver: Program): void {
  const { id } = receiver.room.self
  const got = [...receiver.received].filter(([peer]) => peer.id === sender.room.self.id).map(([, numbers]) => numbers)
  // Never twice, never out of order, in all sessions together.
  for (const numbers of got) expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
  const all = got.flat()
  expect(new Set(all).size).toBe(all.length)
  // What the session of today accepted has arrived, all of it.
  const present = sender.room.peers.find(peer => peer.id === id)
  expect(present?.state).toBe('here')
  const accepted = sender.accepted.get(present!) ?? []
  expect(accepted.filter(n => !all.includes(n))).toEqual([])
}
