/** The rendezvous at an MQTT broker. */

import type { Clock } from '../../platform/clock.ts'
import { ReconnectingRendezvous } from '../reconnecting-rendezvous.ts'
import type { Rendezvous } from '../rendezvous.ts'
import { type MqttConnectorOptions, mqttConnector } from './mqtt-connector.ts'

export interface MqttRendezvousOptions extends MqttConnectorOptions {
  readonly clock: Clock
}

/** Connects at once, and again whenever the connection breaks. Throws a TypeError for what is no URL of a broker. */
export function mqttRendezvous(options: MqttRendezvousOptions): Rendezvous {
  const { clock, random } = options
  return new ReconnectingRendezvous({ connector: mqttConnector(options), clock, random })
}
