/** Whether a broker lets us in, and passes on what is published: on a topic that nobody else knows. */

import { EarshotError } from '../errors.ts'
import type { Platform } from '../platform/platform.ts'
import type { Rendezvous, RendezvousHealth } from '../rendezvous/rendezvous.ts'
import { formatTopic, TOPIC_BYTES } from '../rendezvous/topic.ts'
import { type Finding, failure, finding } from './finding.ts'
import { within } from './within.ts'

export interface RendezvousCheckParts {
  readonly platform: Platform
  /** Connects from the call on; it is closed here. */
  readonly open: () => Rendezvous
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

export async function checkRendezvous({ platform, open, timeoutMs, signal }: RendezvousCheckParts): Promise<Finding> {
  const { clock, random } = platform
  const startedAt = clock.now()
  const rendezvous = open()
  const common = { check: 'rendezvous', subject: rendezvous.url } as const
  try {
    let onBack = (): void => {}
    const back = new Promise<void>(resolve => {
      onBack = resolve
    })
    const topic = formatTopic(random.bytes(TOPIC_BYTES))
    rendezvous.subscribe(topic, () => onBack())
    await within(clock, timeoutMs, signal, isUp(rendezvous), `did not let us in within ${timeoutMs} ms`)
    const upMs = clock.now() - startedAt
    const sentAt = clock.now()
    await rendezvous.publish(topic, new Uint8Array(1))
    await within(clock, timeoutMs, signal, back, 'takes messages, and does not deliver them')
    const roundTripMs = clock.now() - sentAt
    const message = `up in ${Math.round(upMs)} ms, a message comes back in ${Math.round(roundTripMs)} ms`
    return finding({ ...common, verdict: 'ok', message, details: { upMs, roundTripMs } })
  } catch (error) {
    signal?.throwIfAborted()
    const hint = 'Check its address, and whether a firewall drops what is sent there.'
    const own = error instanceof EarshotError ? error.hint : undefined
    return failure({ ...common, verdict: 'problem', hint: own ?? hint }, error)
  } finally {
    await rendezvous.close()
  }
}

/** Rejects with the reason of the first failure: a check does not try again. */
function isUp(rendezvous: Rendezvous): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = ({ state, lastError }: RendezvousHealth): void => {
      if (state === 'up') resolve()
      else if (state === 'down') reject(lastError ?? new EarshotError('unreachable', `${rendezvous.url} is down`))
    }
    rendezvous.watchHealth(look)
    look(rendezvous.health)
  })
}
