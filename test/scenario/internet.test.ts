/** Rooms across the Internet, in virtual time: through NATs, over relays, with a broker that nobody trusts. */

import { describe, expect, test } from 'vitest'
import { InternetStage } from './internet-stage.ts'
import { heardBy, peerOf } from './stage.ts'

describe('two rooms behind NATs', () => {
  test('find each other over the rendezvous and connect directly', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const [ada, bob] = [
        await stage.join(stage.behind('ada', 'port-restricted')),
        await stage.join(stage.behind('bob', 'port-restricted')),
      ]
      const ms = await stage.met([ada, bob])
      expect(ms).toBeLessThan(1_000)
      const heard = heardBy(bob)
      await peerOf(ada, bob).send('hello')
      await stage.until(() => heard.length > 0)
      expect(heard).toEqual(['hello'])
      expect(peerOf(ada, bob).path).toMatchObject({ kind: 'direct', transport: 'udp', relay: undefined })
    })
  })

  test('talk over a relay first, and lose nothing when the direct path stands', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      await stage.serveTurn()
      const [ada, bob] = [
        await stage.join(stage.behind('ada', 'port-restricted')),
        await stage.join(stage.behind('bob', 'symmetric')),
      ]
      const kinds: string[] = []
      ada.on('peer', peer => kinds.push(peer.path.kind))
      ada.on('path', ({ path }) => kinds.push(path.kind))
      await stage.met([ada, bob])
      const heard = heardBy(bob)
      const sent = Array.from({ length: 400 }, (_, i) => i)
      for (const i of sent) {
        void peerOf(ada, bob).send(i)
        await stage.net.advance(50)
      }
      await stage.until(() => heard.length >= sent.length)
      expect(heard).toEqual(sent)
      expect(kinds).toEqual(['relay', 'direct'])
    })
  })
})
