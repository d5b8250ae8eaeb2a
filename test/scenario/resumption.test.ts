/** Attacks on sessions that survive: who takes up a session that is not its own, or its own in ways nobody meant. */

import { describe, expect, test } from 'vitest'
import { Identity, type Room } from '../../src/index.ts'
import { MAX_PATHS } from '../../src/limits.ts'
import type { SocketAddress } from '../../src/platform/network.ts'
import { Intruder } from './intruder.ts'
import { onStage, type Stage } from './stage.ts'

const PORT = 4112
const ADA: SocketAddress = { address: '192.168.1.2', port: PORT }

function connectionsOf(stage: Stage, host: string): number {
  return stage
    .host(host)
    .open()
    .filter(({ kind }) => kind === 'tcp connection').length
}

/** Many identities: some are larger than ada's, which makes her the one who gives in, and some smaller. */
async function bothKinds(ada: Room, attack: (identity: Identity) => Promise<void>): Promise<void> {
  for (const isLarger of [true, false]) {
    let identity = Identity.generate()
    while (identity.id > ada.self.id !== isLarger) identity = Identity.generate()
    await attack(identity)
  }
}

describe('a peer that takes up its own session', () => {
  test.each(['one instance', 'ever new instances'])('with %s has no more than the paths it may have', kind =>
    onStage(async stage => {
      const ada = await stage.join('ada', { listen: { port: PORT }, discovery: [] })
      const mallory = stage.host('mallory').network
      await bothKinds(ada, async identity => {
        const instance = new Uint8Array(8)
        const first = await Intruder.enter(mallory, ADA, { identity, hello: { instance } })
        // Silent for so long that one more path is welcome.
        await stage.advance(3_500)
        const session = { id: first.sessionId, received: 0 }
        const hello = kind === 'one instance' ? { instance, session } : { session }
        const others = []
        for (let i = 0; i < 20; i++) others.push(await Intruder.knock(mallory, ADA, { identity, hello }))
        await stage.advance(100)
        for (const other of others) other.admit()
        await stage.advance(100)
        expect(connectionsOf(stage, 'ada')).toBeLessThanOrEqual(MAX_PATHS)
        for (const each of [first, ...others]) each.leave()
        await stage.advance(70_000)
      })
    }),
  )
})
