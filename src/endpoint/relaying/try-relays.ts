/** Asks volunteers for a connection to somebody, two at a time, until one leads there. */

/** At a time: one that keeps silent holds up the others half as much. */
const PARALLEL = 2
/** In one round: the next one goes on with others. */
export const RELAYS_PER_ROUND = 8

/** @param attempt resolves with whether that relay has led to the peer */
export async function tryRelays(
  relayIds: readonly string[],
  attempt: (relayId: string) => Promise<boolean>,
): Promise<void> {
  const left = [...relayIds]
  const goOn = async (): Promise<void> => {
    for (let relayId = left.shift(); relayId !== undefined; relayId = left.shift()) {
      if (await attempt(relayId)) left.length = 0
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, goOn))
}

/** Those whose turn it is in this round, counted from 0. */
export function relaysOfRound(relayIds: readonly string[], round: number): string[] {
  if (relayIds.length <= RELAYS_PER_ROUND) return [...relayIds]
  const start = (round * RELAYS_PER_ROUND) % relayIds.length
  return [...relayIds.slice(start), ...relayIds.slice(0, start)].slice(0, RELAYS_PER_ROUND)
}
