/**
 * The multicast answers of one link that wait for their moment (RFC 6762 sections 6 and 7.4): shared records 20 to
 * 120 ms, so that hosts do not answer all at once and answers gather in one packet; no record more than once a second.
 */

import { MAX_PENDING_ANSWERS } from '../../limits.ts'
import { type ResourceRecord, recordKey } from './record.ts'

const SHARED_DELAY_MS = { from: 20, to: 120 }
/** Section 6: a record is not multicast again within a second; in defence against a probe, within 250 ms. */
const REPEAT_MS = 1_000
const DEFENCE_REPEAT_MS = 250

/** `defence`: a prober is about to take our name, so it may not wait. `prompt`: the answer has waited, or need not. */
export type Urgency = 'shared' | 'prompt' | 'defence'

interface PendingAnswer {
  readonly record: ResourceRecord
  readonly dueAt: number
}

export class ResponseQueue {
  readonly #fraction: () => number
  readonly #pending = new Map<string, PendingAnswer>()
  readonly #multicastAt = new Map<string, number>()

  constructor(fraction: () => number) {
    this.#fraction = fraction
  }

  get nextAt(): number {
    let nextAt = Number.POSITIVE_INFINITY
    for (const { dueAt } of this.#pending.values()) nextAt = Math.min(nextAt, dueAt)
    return nextAt
  }

  schedule(record: ResourceRecord, urgency: Urgency, now: number): void {
    const key = recordKey(record)
    const { from, to } = SHARED_DELAY_MS
    const delay = urgency === 'shared' ? from + this.#fraction() * (to - from) : 0
    const repeat = urgency === 'defence' ? DEFENCE_REPEAT_MS : REPEAT_MS
    const dueAt = Math.max(now + delay, (this.#multicastAt.get(key) ?? Number.NEGATIVE_INFINITY) + repeat)
    const before = this.#pending.get(key)
    if (before === undefined && this.#pending.size >= MAX_PENDING_ANSWERS) return
    this.#pending.set(key, { record, dueAt: Math.min(dueAt, before?.dueAt ?? dueAt) })
  }

  /** Another host has just multicast the same record: once is enough (section 7.4). */
  answeredByOther(record: ResourceRecord): void {
    const key = recordKey(record)
    const pending = this.#pending.get(key)
    if (pending !== undefined && record.ttl >= pending.record.ttl) this.#pending.delete(key)
  }

  /** The answers to multicast now: with one that is due also those that were only waiting for company. */
  advance(now: number): ResourceRecord[] {
    if (now < this.nextAt) return []
    const due: ResourceRecord[] = []
    for (const [key, { record, dueAt }] of this.#pending) {
      if (dueAt > now && !this.mayMulticast(record, now)) continue
      this.#pending.delete(key)
      due.push(record)
    }
    return due
  }

  /** True where the last multicast of the record is at least a second ago. */
  mayMulticast(record: ResourceRecord, now: number): boolean {
    return now - this.lastMulticastAt(record) >= REPEAT_MS
  }

  lastMulticastAt(record: ResourceRecord): number {
    return this.#multicastAt.get(recordKey(record)) ?? Number.NEGATIVE_INFINITY
  }

  /** Notes that the records were multicast, as answers or in any other message. */
  multicast(records: readonly ResourceRecord[], now: number): void {
    for (const record of records) this.#multicastAt.set(recordKey(record), now)
  }

  /** Forgets records that are no longer ours. */
  forget(records: readonly ResourceRecord[]): void {
    for (const record of records) {
      this.#pending.delete(recordKey(record))
      this.#multicastAt.delete(recordKey(record))
    }
  }
}
