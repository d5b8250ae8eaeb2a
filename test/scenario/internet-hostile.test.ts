/** What peers who keep no rules can do to a room over the rendezvous, in virtual time. */

import { expect, test } from 'vitest'
import { generateIdentity } from '../../src/identity/identity.ts'
import type { EarshotError } from '../../src/index.ts'
import { MAX_ICE_UNANSWERED_CHECKS, MAX_TRAVERSALS_UNDER_WAY } from '../../src/limits.ts'
import type { Candidate } from '../../src/nat/ice/candidate.ts'
import { PASSWORD_BYTES, SESSION_ID_BYTES } from '../../src/nat/ice/credentials.ts'
import { encodeDescription } from '../../src/nat/ice/description.ts'
import { UNKNOWN_NAT } from '../../src/nat/ice/nat-summary.ts'
import { RendezvousPool } from '../../src/rendezvous/rendezvous-pool.ts'
import { Signalling } from '../../src/rendezvous/signalling.ts'
import type { SimulatedHost } from '../../src/testing/index.ts'
import { InternetStage } from './internet-stage.ts'

/** Somebody who can write to whom it likes, without a room. */
function stranger(stage: InternetStage, host: SimulatedHost): Signalling {
  const { clock, random } = host.network
  const pool = new RendezvousPool({ rendezvous: [stage.broker.rendezvous({ clock, random })], clock, onWarning() {} })
  const ignore = () => {}
  const handlers = { onSighting: ignore, onLost: ignore, onWarning: ignore, onMessage: ignore }
  const identity = generateIdentity(random)
  return new Signalling({ clock, random, identity, service: 'chat', roomKey: undefined, rendezvous: pool, handlers })
}

function description(host: SimulatedHost, candidates: readonly Candidate[] = []): Uint8Array {
  const { random } = host.network
  return encodeDescription({
    sessionId: random.bytes(SESSION_ID_BYTES),
    password: random.bytes(PASSWORD_BYTES),
    heardSessionId: undefined,
    revision: 1,
    heardRevision: 0,
    wantsAnswer: true,
    direct: 'prefer',
    hasReliableUdp: true,
    isComplete: true,
    birthday: [],
    nat: { udp: UNKNOWN_NAT, tcp: UNKNOWN_NAT },
    candidates,
    predictions: [],
  })
}

test('strangers who begin and do not go on take no more places than there are, and none of whom we look for', async () => {
  await InternetStage.play({}, async stage => {
    await stage.serveStun()
    const host = stage.behind('ada', 'port-restricted')
    const ada = await stage.join(host, { secret: undefined })
    const mallory = stage.net.host('mallory', { lans: [] })
    const strangers = Array.from({ length: 2 * MAX_TRAVERSALS_UNDER_WAY }, () => stranger(stage, mallory))
    await stage.net.advance(1_000)
    const before = stage.net.open().filter(({ host }) => host === 'ada').length
    for (const each of strangers) {
      await each.start()
      void each.send(ada.self.id, description(mallory))
      await stage.net.advance(50)
    }
    await stage.net.advance(2_000)
    const during = stage.net.open().filter(({ host }) => host === 'ada').length
    const bob = await stage.join(stage.behind('bob', 'port-restricted'), { secret: undefined })
    expect(await ada.connect(bob.self.id)).toMatchObject({ name: 'bob' })
    await Promise.all(strangers.map(each => each.close()))
    await stage.net.advance(120_000)
    const after = stage.net.open().filter(({ host }) => host === 'ada').length
    // Each has some sockets and timers, and none for ever.
    expect(during - before).toBeGreaterThan(MAX_TRAVERSALS_UNDER_WAY)
    expect(during - before).toBeLessThan(30 * MAX_TRAVERSALS_UNDER_WAY)
    expect(after - before).toBeLessThan(30)
    expect(ada.peers.map(({ name }) => name)).toEqual(['bob'])
  })
})

test('what is no description begins nothing, and who names third parties makes us send them a handful of packets', async () => {
  await InternetStage.play({}, async stage => {
    await stage.serveStun()
    const ada = await stage.join(stage.behind('ada', 'port-restricted'), { secret: undefined })
    const mallory = stage.net.host('mallory', { lans: [] })
    const victim = stage.net.host('victim', { lans: ['internet'] })
    const warnings: EarshotError[] = []
    ada.on('warning', error => warnings.push(error))
    const [garbage, liar] = [stranger(stage, mallory), stranger(stage, mallory)]
    await Promise.all([garbage.start(), liar.start()])
    await stage.net.advance(1_000)
    const socketsOfAda = () =>
      stage.net.open().filter(({ host, kind }) => host === 'ada' && kind.startsWith('udp')).length
    const before = socketsOfAda()
    await garbage.send(ada.self.id, new Uint8Array(100))
    await stage.net.advance(1_000)
    expect(socketsOfAda()).toBe(before)
    let packets = 0
    const address = victim.addresses.find(each => !each.includes(':'))!
    const stop = stage.net.trace(packet => {
      if (packet.host === 'ada-gw' && packet.to.startsWith(`${address}:`)) packets++
    })
    const candidates = Array.from({ length: 20 }, (_, i): Candidate => {
      return { address, port: 1_000 + i, type: 'host', transport: i % 2 === 0 ? 'udp' : 'tcp-passive' }
    })
    await liar.send(ada.self.id, description(mallory, candidates))
    await stage.net.advance(60_000)
    stop()
    // Ten candidates for each transport: 5 checks over UDP, 3 SYNs over TCP.
    expect(packets).toBeGreaterThan(0)
    expect(packets).toBeLessThanOrEqual(10 * MAX_ICE_UNANSWERED_CHECKS + 10 * 3)
    expect(warnings).toEqual([])
    await Promise.all([garbage.close(), liar.close()])
  })
})
