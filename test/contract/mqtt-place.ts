/** A place of the rendezvous contract at a real MQTT broker, in real time. */

import { randomBytes } from 'node:crypto'
import { nodePlatform } from '../../src/platform/node/node-platform.ts'
import { mqttRendezvous } from '../../src/rendezvous/mqtt/mqtt-rendezvous.ts'
import type { Rendezvous } from '../../src/rendezvous/rendezvous.ts'
import { formatTopic } from '../../src/rendezvous/topic.ts'
import type { RendezvousPlace } from './rendezvous.ts'

export interface MqttPlaceOptions {
  readonly url: string
  readonly ca?: string
  stop(): Promise<void>
  start(): Promise<void>
  close(): Promise<void>
}

export function mqttPlace({ url, ca, stop, start, close }: MqttPlaceOptions): RendezvousPlace {
  const { clock, random } = nodePlatform()
  const opened: Rendezvous[] = []
  return {
    open: () => {
      const rendezvous = mqttRendezvous({ url, clock, random, ca })
      opened.push(rendezvous)
      return rendezvous
    },
    until: promise => promise,
    settle: async () => {
      const up = opened.filter(({ health }) => health.state === 'up')
      // Twice: what the first brought about on other connections is before the second.
      for (let round = 0; round < 2; round++) await Promise.all(up.map(echo))
    },
    stop,
    start,
    close,
  }
}

/** What was sent to this client before arrives before its echo: MQTT keeps the order (MQTT 5 section 4.6). */
async function echo(rendezvous: Rendezvous): Promise<void> {
  const topic = formatTopic(randomBytes(20))
  await new Promise<void>((resolve, reject) => {
    const dispose = rendezvous.subscribe(topic, () => {
      dispose()
      resolve()
    })
    rendezvous.publish(topic, new Uint8Array(1)).catch(reject)
  })
}
