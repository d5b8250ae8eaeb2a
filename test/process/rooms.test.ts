import { describe, expect, test } from 'vitest'
import { PeerProcess, uniqueService } from './peer-process.ts'

describe('real processes on one machine', () => {
  test('meet and talk; one that closes is gone within a second, and ends by itself', async () => {
    const service = uniqueService()
    await using ada = new PeerProcess(service, 'ada')
    await using bob = new PeerProcess(service, 'bob')
    await Promise.all([ada.until(({ peer }) => peer === 'bob'), bob.until(({ peer }) => peer === 'ada')])
    ada.tell('send hello there')
    expect(await bob.until(({ message }) => message !== undefined)).toMatchObject({
      message: 'hello there',
      from: 'ada',
    })

    const startedAt = performance.now()
    bob.tell('close')
    const gone = await ada.until(told => told.gone === 'bob')
    expect(gone.code).toBe('closed')
    expect(gone.at - startedAt).toBeLessThan(1_000)
    expect((await bob.until(({ closed }) => closed !== undefined)).closed).toEqual([])
    expect((await bob.until(({ exit }) => exit !== undefined)).exit).toBe(0)
  })

  test('one that is killed is gone at once, and the others stay', async () => {
    const service = uniqueService()
    await using ada = new PeerProcess(service, 'ada')
    await using bob = new PeerProcess(service, 'bob')
    await using eve = new PeerProcess(service, 'eve')
    const all = [ada, bob, eve]
    await Promise.all(all.map(each => each.until(({ of }) => of === 2)))
    const startedAt = performance.now()
    eve.kill('SIGKILL')
    for (const each of [ada, bob]) {
      const { code, at } = await each.until(({ gone }) => gone === 'eve')
      expect(code).toBe('lost')
      // Promised are 15 s; the system hangs up for the dead process.
      expect(at - startedAt).toBeLessThan(1_000)
    }
    ada.tell('send still here')
    await bob.until(({ message }) => message === 'still here')
    expect([...ada.told, ...bob.told].filter(({ gone }) => gone !== undefined && gone !== 'eve')).toEqual([])
  })

  test('thirty of them make one room', { timeout: 90_000 }, async () => {
    const service = uniqueService()
    const startedAt = performance.now()
    const peers = Array.from({ length: 30 }, (_, i) => new PeerProcess(service, `peer-${i}`))
    try {
      const joined = await Promise.all(peers.map(peer => peer.until(told => told.joined !== undefined)))
      const full = await Promise.all(peers.map(peer => peer.until(({ of }) => of === 29)))
      const lastJoined = Math.max(...joined.map(({ at }) => at))
      const lastFull = Math.max(...full.map(({ at }) => at))
      console.info(
        `30 processes: all joined ${Math.round(lastJoined - startedAt)} ms after the start of the first, ` +
          `full mesh ${Math.round(lastFull - startedAt)} ms after it`,
      )
      expect(lastFull - startedAt).toBeLessThan(60_000)
      peers[0]!.tell('send to everybody')
      await Promise.all(peers.slice(1).map(peer => peer.until(({ message }) => message === 'to everybody')))
      expect(peers.flatMap(({ told }) => told).filter(({ gone }) => gone !== undefined)).toEqual([])
    } finally {
      for (const peer of peers) peer.kill('SIGKILL')
      await Promise.all(peers.map(peer => peer.until(({ exit }) => exit !== undefined)))
    }
  })
})
