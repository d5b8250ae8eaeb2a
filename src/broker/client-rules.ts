/**
 * What clients of the broker may do: publish and subscribe on topics of peers, few and small packets, and nothing that stays
 * behind when they go. The names are those of aedes.
 */

import type { AedesOptions, Client, PublishPacket } from 'aedes'
import { sha256 } from '../crypto/sha256.ts'
import { EarshotError } from '../errors.ts'
import { BROKER_PATIENCE_MS, MAX_BROKER_SUBSCRIPTIONS, MAX_RENDEZVOUS_PACKET_BYTES } from '../limits.ts'
import { isTopic } from '../rendezvous/topic.ts'
import type { BrokerUser } from './broker-user.ts'

export interface ClientRulesOptions {
  /** Only who knows it is let in. Undefined: everybody. */
  readonly user: BrokerUser | undefined
  /** Topics of other programs, too, with wildcards. */
  readonly anyTopic: boolean
}

/** Who says nothing for one and a half times as long is disconnected, also where it asked for no keep-alive at all. */
const LONGEST_KEEPALIVE_S = 3_600
/** Messages of QoS 2 whose second half has not come; peers use none. */
const MAX_HALF_SENT = 16
/** MQTT 3.1.1 section 3.2.2.3. */
const BAD_USER_OR_PASSWORD = 4

const encoder = new TextEncoder()

export function clientRules({ user, anyTopic }: ClientRulesOptions): AedesOptions {
  return {
    connectTimeout: BROKER_PATIENCE_MS,
    drainTimeout: BROKER_PATIENCE_MS,
    maxInflightInbound: MAX_HALF_SENT,
    preConnect: (_client, packet, callback) => {
      // What waits for clients that are gone would be kept for ever.
      packet.clean = true
      packet.keepalive = Math.min(packet.keepalive || LONGEST_KEEPALIVE_S, LONGEST_KEEPALIVE_S)
      callback(null, true)
    },
    authenticate: (_client, name, password, done) => {
      if (user === undefined || isUser(user, name, password)) done(null, true)
      else done(Object.assign(new Error('wrong user or password'), { returnCode: BAD_USER_OR_PASSWORD }), false)
    },
    authorizeSubscribe: (client, subscription, callback) => {
      const mayHear = anyTopic ? !subscription.topic.startsWith('$') : isTopic(subscription.topic)
      const isAllowed = mayHear && subscriptionCount(client) < MAX_BROKER_SUBSCRIPTIONS
      // Without one it is refused in the SUBACK.
      callback(null, isAllowed ? subscription : null)
    },
    authorizePublish: (_client, packet, callback) => {
      const wrong = anyTopic ? wrongWithAny(packet) : wrongWith(packet)
      // A message that is kept for later would outlive its sender.
      packet.retain = false
      callback(wrong === undefined ? null : new EarshotError('refused', wrong))
    },
  }
}

function wrongWithAny({ topic }: PublishPacket): string | undefined {
  return topic.startsWith('$') ? `a client publishes on '$…', which is the broker's own` : undefined
}

function wrongWith({ topic, payload }: PublishPacket): string | undefined {
  if (!isTopic(topic)) return 'a client publishes on a topic that is none of earshot'
  return payload.length > MAX_RENDEZVOUS_PACKET_BYTES ? `a client publishes ${payload.length} bytes` : undefined
}

/** Compared by their hashes: the time it takes says nothing about the password. */
function isUser(user: BrokerUser, name: string | undefined, password: Uint8Array | undefined): boolean {
  const hashes = [encoder.encode(user.password), password ?? new Uint8Array(0)].map(each => sha256(each))
  return name === user.name && Buffer.compare(hashes[0]!, hashes[1]!) === 0
}

/** aedes keeps them in the client, without saying so in its types. */
function subscriptionCount(client: Client & { readonly subscriptions?: object }): number {
  return Object.keys(client.subscriptions ?? {}).length
}
