/**
 * Topics (docs/rendezvous.md, "Topics"): 20 bytes that say nothing to whoever lacks what they are derived from, new every
 * day, so that a broker cannot follow a room or a peer from one day to the next by its topics.
 */

import { hkdfSha256 } from '../crypto/sha256.ts'
import { decodeBase32, encodeBase32 } from '../identity/base32.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { ROOM_KEY_BYTES } from './room-key.ts'

/** Their life. Counted from 1970, by the clock that everybody has. */
export const EPOCH_MS = 86_400_000
/** Before and after its day a topic is listened to, too: clocks differ, and messages take their time. */
export const EPOCH_OVERLAP_MS = 600_000

export const TOPIC_BYTES = 20

const PREFIX = 'earshot/v1/'
const TEXT_LENGTH = PREFIX.length + (TOPIC_BYTES * 8) / 5

const NO_KEY = new Uint8Array(ROOM_KEY_BYTES)
const NO_SALT = new Uint8Array(0)
const encoder = new TextEncoder()

export interface TopicOptions {
  /** Undefined in a room without a secret. */
  readonly roomKey: Uint8Array | undefined
  readonly service: string
  readonly epoch: number
}

/** Where the members of a room with a secret hear each other. */
export function groupTopic(options: TopicOptions & { readonly roomKey: Uint8Array }): Uint8Array {
  return derive('group', options, NO_SALT)
}

/**
 * Where one peer is told something. Without a secret whoever knows its id and the name of the service can work this out, a
 * broker too.
 */
export function personalTopic(options: TopicOptions, publicKey: Uint8Array): Uint8Array {
  return derive('personal', options, publicKey)
}

/** As brokers know it: `earshot/v1/` and 32 characters of base32. */
export function formatTopic(topic: Uint8Array): string {
  return PREFIX + encodeBase32(topic)
}

/** Whether a topic, or the filter of a subscription, is one that peers use. */
export function isTopic(text: string): boolean {
  if (text.length !== TEXT_LENGTH || !text.startsWith(PREFIX)) return false
  return decodeBase32(text.slice(PREFIX.length)) !== undefined
}

/** Of the day which it is at `wallTime`, milliseconds since 1970. */
export function epochAt(wallTime: number): number {
  return Math.floor(wallTime / EPOCH_MS)
}

/** The days whose topics are listened to at `wallTime`: one, or around midnight (UTC) two. */
export function epochsAt(wallTime: number): readonly number[] {
  return [...new Set([epochAt(wallTime - EPOCH_OVERLAP_MS), epochAt(wallTime), epochAt(wallTime + EPOCH_OVERLAP_MS)])]
}

function derive(kind: string, { roomKey, service, epoch }: TopicOptions, publicKey: Uint8Array): Uint8Array {
  const info = new ByteWriter()
    .append(encoder.encode(`earshot-rendezvous-v1 ${kind} topic\0${service}\0`))
    .uint32(epoch)
    .append(publicKey)
  return hkdfSha256(roomKey ?? NO_KEY, NO_SALT, info.finish(), TOPIC_BYTES)
}
