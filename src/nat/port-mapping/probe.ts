/** What looking for a service on a gateway needs. */

import type { Gateway } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import type { ServiceEvents } from './mapping-service.ts'

/** A gateway is one hop away: who has not answered by then will not. */
export const ANSWER_TIMEOUT_MS = 3_000

export interface ProbeOptions {
  readonly platform: Platform
  readonly gateway: Gateway
  /** The address of this host from which to ask; a mapping is for it. */
  readonly local: string
  readonly signal: AbortSignal
  readonly events: ServiceEvents
}
