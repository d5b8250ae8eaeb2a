/** Transfers that are broken off, by a link, a program, a disk or a power cut, and go on where they were. */

import { expect, test } from 'vitest'
import { type FileOffer, Identity, type IncomingTransfer, type Room } from '../../src/index.ts'
import { content, INBOX, inInbox, MIB, pair, sha256 } from './post-office.ts'
import { failureOf, onStage, peerOf, type Stage } from './stage.ts'

const FILM = content(6 * MIB)
const PARTIAL = /^\.film\.[a-z2-7]{16}\.earshot-part$/

/** What is told of a peer that is gone without a goodbye, depending on whether its system closed the connection. */
const LOST = { code: expect.stringMatching(/^(lost|closed)$/) }

/** A LAN on which the film takes about 12 seconds. */
const SLOW = { lan: { bitsPerSecond: 4_000_000 } }

function filmIn(stage: Stage, path = `${INBOX}/film`): string {
  return sha256(stage.host('bob').disk.read(path)!)
}

/** An inbox that remembers what it was asked and what came. */
function inboxOf(room: Room): { offers: FileOffer[]; transfers: IncomingTransfer[] } {
  const offers: FileOffer[] = []
  const transfers: IncomingTransfer[] = []
  const inbox = room.inbox(INBOX, { accept: offer => offers.push(offer) > 0 })
  inbox.on('transfer', transfer => {
    transfers.push(transfer)
    transfer.catch(() => {})
  })
  return { offers, transfers }
}

test('a receiver that is killed in the middle gets the rest when it is back, and is not asked again', async () => {
  await onStage(async stage => {
    const identity = Identity.generate()
    stage.host('ada').disk.write('/film', FILM)
    const ada = await stage.join('ada')
    const before = await stage.join('bob', { identity })
    await stage.met([ada, before])
    const first = inboxOf(before)
    const sending = peerOf(ada, before).sendFile('/film')
    await stage.advance(5_000)
    stage.host('bob').kill()
    await stage.advance(3_000)
    stage.host('bob').start()
    const after = await stage.join('bob', { identity })
    // The program needs a while until it takes files again.
    await stage.advance(5_000)
    const second = inboxOf(after)
    const sent = await sending
    expect(sent.resumedBytes).toBeGreaterThan(MIB)
    expect(sent.sha256).toBe(sha256(FILM))
    expect(filmIn(stage)).toBe(sha256(FILM))
    expect(inInbox(stage)).toEqual(['film'])
    expect([first.offers.length, second.offers.length]).toEqual([1, 0])
    expect(await second.transfers[0]).toMatchObject({ resumedBytes: sent.resumedBytes })
  }, SLOW)
})

test('a sender that is started anew and sends the same again goes on where it was', async () => {
  await onStage(async stage => {
    const identity = Identity.generate()
    stage.host('ada').disk.write('/film', FILM, { modifiedMs: 5_000 })
    const before = await stage.join('ada', { identity })
    const bob = await stage.join('bob')
    await stage.met([before, bob])
    const { offers, transfers } = inboxOf(bob)
    peerOf(before, bob)
      .sendFile('/film')
      .catch(() => {})
    await stage.advance(5_000)
    stage.host('ada').kill()
    await stage.until(() => bob.peers.length === 0)
    expect(await failureOf(transfers[0]!)).toMatchObject(LOST)
    stage.host('ada').start()
    const after = await stage.join('ada', { identity })
    await stage.met([after, bob])
    const sent = await peerOf(after, bob).sendFile('/film')
    expect(sent.resumedBytes).toBeGreaterThan(MIB)
    expect(filmIn(stage)).toBe(sha256(FILM))
    expect(offers).toHaveLength(1)
  }, SLOW)
})

test('a sender that is back before the old session is known to be over does not wait for it', async () => {
  await onStage(async stage => {
    const identity = Identity.generate()
    stage.host('ada').disk.write('/film', FILM)
    const before = await stage.join('ada', { identity })
    const bob = await stage.join('bob')
    await stage.met([before, bob])
    inboxOf(bob)
    peerOf(before, bob)
      .sendFile('/film')
      .catch(() => {})
    await stage.advance(5_000)
    // No power: nobody says anything to Bob.
    stage.host('ada').stop()
    stage.host('ada').start()
    const after = await stage.join('ada', { identity })
    await stage.met([after, bob])
    const sent = await peerOf(after, bob).sendFile('/film')
    expect(sent.resumedBytes).toBeGreaterThan(MIB)
    expect(filmIn(stage)).toBe(sha256(FILM))
  }, SLOW)
})

test('a file that was changed in between starts anew, and the receiver is asked again', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    const { disk } = stage.host('ada')
    disk.write('/film', FILM, { modifiedMs: 1_000 })
    const { offers } = inboxOf(bob)
    const first = toBob.sendFile('/film')
    first.catch(() => {})
    await stage.advance(5_000)
    first.cancel()
    const other = content(6 * MIB, 99)
    disk.write('/film', other, { modifiedMs: 2_000 })
    const sent = await toBob.sendFile('/film')
    expect(sent).toMatchObject({ resumedBytes: 0, sha256: sha256(other) })
    expect(filmIn(stage)).toBe(sha256(other))
    expect(offers).toHaveLength(2)
    expect(inInbox(stage)).toEqual([expect.stringMatching(PARTIAL), 'film'])
  }, SLOW)
})

test('a file that is changed while it is sent ends the transfer on both sides', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    const { disk } = stage.host('ada')
    disk.write('/film', FILM, { modifiedMs: 1_000 })
    const { transfers } = inboxOf(bob)
    const sending = failureOf(toBob.sendFile('/film'))
    await stage.advance(3_000)
    const node = disk.find('/film')
    if (node?.kind === 'file') node.modifiedMs = 2_000
    expect(await sending).toMatchObject({ code: 'invalid-data', message: expect.stringContaining('was changed') })
    expect(await failureOf(transfers[0]!)).toMatchObject({ code: 'invalid-data' })
    expect(inInbox(stage)).toEqual([expect.stringMatching(PARTIAL)])
  }, SLOW)
})

test('a partial file that somebody has changed is found out, and everything is sent anew', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', FILM)
    inboxOf(bob)
    const first = toBob.sendFile('/film')
    first.catch(() => {})
    await stage.advance(5_000)
    first.cancel()
    await stage.advance(1_000)
    const [partial] = inInbox(stage)
    const node = stage.host('bob').disk.find(`${INBOX}/${partial}`)
    if (node?.kind !== 'file') throw new Error('no partial file')
    node.bytes[100] = node.bytes[100]! ^ 1
    const sent = await toBob.sendFile('/film')
    expect(sent).toMatchObject({ resumedBytes: 0, sha256: sha256(FILM) })
    expect(filmIn(stage)).toBe(sha256(FILM))
  }, SLOW)
})

test('a power cut at the receiver costs what was not on its disk, and no more than time', async () => {
  await onStage(async stage => {
    const identity = Identity.generate()
    stage.host('ada').disk.write('/film', FILM)
    const ada = await stage.join('ada')
    const before = await stage.join('bob', { identity })
    await stage.met([ada, before])
    inboxOf(before)
    const sending = peerOf(ada, before).sendFile('/film')
    await stage.advance(5_000)
    stage.host('bob').stop()
    await stage.advance(20_000)
    stage.host('bob').start()
    const { offers } = inboxOf(await stage.join('bob', { identity }))
    // The partial file is there by its length, and is all zeros.
    expect(await sending).toMatchObject({ resumedBytes: 0, sha256: sha256(FILM) })
    expect(filmIn(stage)).toBe(sha256(FILM))
    expect(offers).toHaveLength(0)
  }, SLOW)
})

test('a link that is down for a while delays a transfer, and costs it nothing', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', FILM)
    const { transfers } = inboxOf(bob)
    const sending = toBob.sendFile('/film')
    await stage.advance(4_000)
    stage.net.lan('home').loss = 1
    await stage.advance(30_000)
    stage.net.lan('home').loss = 0
    // The session lives, and with it the stream.
    expect(await sending).toMatchObject({ sha256: sha256(FILM), resumedBytes: 0 })
    expect(filmIn(stage)).toBe(sha256(FILM))
    expect(inInbox(stage)).toEqual(['film'])
    expect(transfers).toHaveLength(1)
  }, SLOW)
})

test('a link that is down for longer than a session lives costs a transfer no more than what was under way', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', FILM)
    const { offers, transfers } = inboxOf(bob)
    const sending = toBob.sendFile('/film', { waitMs: 120_000 })
    await stage.advance(6_000)
    stage.net.lan('home').loss = 1
    await stage.until(() => toBob.state === 'gone', 120_000)
    await stage.advance(20_000)
    stage.net.lan('home').loss = 0
    const sent = await sending
    expect(sent.resumedBytes).toBeGreaterThan(MIB)
    expect(filmIn(stage)).toBe(sha256(FILM))
    expect([offers.length, transfers.length]).toEqual([1, 2])
  }, SLOW)
})

test('a peer that does not come back fails the transfer after a while, or at once where that is asked for', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', FILM)
    inboxOf(bob)
    const patient = failureOf(toBob.sendFile('/film', { waitMs: 20_000 }))
    const hasty = failureOf(toBob.sendFile('/film', { name: 'other', waitMs: 0 }))
    await stage.advance(3_000)
    stage.host('bob').kill()
    const startedAt = stage.net.now
    expect(await hasty).toMatchObject(LOST)
    const hastyMs = stage.net.now - startedAt
    expect(await patient).toMatchObject(LOST)
    const waitedMs = stage.net.now - startedAt - hastyMs
    expect(waitedMs).toBeGreaterThan(19_000)
    expect(waitedMs).toBeLessThan(21_000)
  }, SLOW)
})

test('a folder goes on in the file in which it was broken off', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    const { disk } = stage.host('ada')
    const files = Array.from({ length: 12 }, (_, index) => content(MIB / 2, index + 1))
    for (const [index, bytes] of files.entries()) disk.write(`/album/${index + 10}/photo`, bytes)
    inboxOf(bob)
    const first = toBob.sendFile('/album')
    first.catch(() => {})
    await stage.advance(5_000)
    first.cancel()
    await stage.advance(1_000)
    const sent = await toBob.sendFile('/album')
    expect(sent.resumedBytes).toBeGreaterThan(MIB)
    expect(sent.resumedBytes).toBeLessThan(4 * MIB)
    expect(sent.sha256).toBe(sha256(Buffer.concat(files)))
    expect(inInbox(stage)).toEqual(files.map((_, index) => `album/${index + 10}/photo`))
    for (const [index, bytes] of files.entries()) {
      expect(filmIn(stage, `${INBOX}/album/${index + 10}/photo`)).toBe(sha256(bytes))
    }
  }, SLOW)
})

test('a disk without room refuses before anything is sent', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', FILM)
    stage.host('bob').disk.capacityBytes = 64 * MIB + FILM.length - 1
    const { transfers } = inboxOf(bob)
    expect(await failureOf(toBob.sendFile('/film'))).toMatchObject({ code: 'no-space' })
    expect(await failureOf(transfers[0]!)).toMatchObject({ code: 'no-space' })
    expect(inInbox(stage)).toEqual([])
    stage.host('bob').disk.capacityBytes += 1
    expect(await toBob.sendFile('/film')).toMatchObject({ sha256: sha256(FILM) })
  })
})

test('a disk that fills up in the middle stops the transfer, which goes on when there is room', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', FILM)
    inboxOf(bob)
    const sending = failureOf(toBob.sendFile('/film'))
    await stage.advance(4_000)
    const { disk } = stage.host('bob')
    disk.capacityBytes = disk.usedBytes + 300_000
    expect(await sending).toMatchObject({ code: 'no-space' })
    expect(inInbox(stage)).toEqual([expect.stringMatching(PARTIAL)])
    disk.capacityBytes = Number.POSITIVE_INFINITY
    const sent = await toBob.sendFile('/film')
    expect(sent.resumedBytes).toBeGreaterThan(MIB)
    expect(filmIn(stage)).toBe(sha256(FILM))
  }, SLOW)
})

test('partial files that nobody has touched for a week are removed when an inbox opens', async () => {
  await onStage(async stage => {
    const { bob } = await pair(stage)
    const { disk } = stage.host('bob')
    const now = stage.host('bob').network.clock.wallTime()
    const day = 86_400_000
    disk.write(`${INBOX}/.old.aaaaaaaaaaaaaaaa.earshot-part`, 'old', { modifiedMs: now - 8 * day })
    disk.write(`${INBOX}/.new.aaaaaaaaaaaaaaaa.earshot-part`, 'new', { modifiedMs: now - 6 * day })
    disk.write(`${INBOX}/old`, 'mine', { modifiedMs: now - 80 * day })
    await bob.inbox(INBOX).ready
    expect(inInbox(stage)).toEqual(['.new.aaaaaaaaaaaaaaaa.earshot-part', 'old'])
  })
})

test('the same sent twice at a time arrives twice, one behind the other', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', FILM)
    const { offers } = inboxOf(bob)
    await Promise.all([toBob.sendFile('/film'), toBob.sendFile('/film')])
    expect(inInbox(stage)).toEqual(['film', 'film (2)'])
    expect(offers).toHaveLength(2)
    expect([filmIn(stage), filmIn(stage, `${INBOX}/film (2)`)]).toEqual([sha256(FILM), sha256(FILM)])
  })
})

test('several transfers share the link, and messages do not wait for them', async () => {
  await onStage(async stage => {
    const { ada, bob, toBob } = await pair(stage)
    for (const name of ['one', 'two', 'three']) stage.host('ada').disk.write(`/${name}`, content(2 * MIB))
    inboxOf(bob)
    bob.answer('echo', question => question)
    const endedAt: number[] = []
    const sending = ['one', 'two', 'three'].map(name =>
      toBob.sendFile(`/${name}`).then(() => endedAt.push(stage.net.now)),
    )
    await stage.advance(3_000)
    for (let round = 0; round < 5; round++) {
      const askedAt = stage.net.now
      await ada.ask(toBob, 'echo', round)
      expect(stage.net.now - askedAt).toBeLessThan(1_000)
    }
    await Promise.all(sending)
    // They were the same size and began together: they end together.
    expect(endedAt.at(-1)! - endedAt[0]!).toBeLessThan(2_000)
  }, SLOW)
})

test('cancelling while both sides read what there is ends at once, and leaves nothing at work', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', FILM)
    const { transfers } = inboxOf(bob)
    const first = toBob.sendFile('/film')
    first.catch(() => {})
    await stage.advance(8_000)
    first.cancel()
    await stage.advance(1_000)
    // Reading what is there takes about half a minute now.
    stage.host('bob').disk.bytesPerMs = 100
    const second = toBob.sendFile('/film')
    const failing = failureOf(second)
    await stage.until(() => transfers.length === 2)
    await stage.advance(2_000)
    const startedAt = stage.net.now
    second.cancel(new Error('enough'))
    expect(await failing).toMatchObject({ message: 'enough' })
    await failureOf(transfers[1]!)
    expect(stage.net.now - startedAt).toBeLessThan(4_000)
    stage.host('bob').disk.bytesPerMs = Number.POSITIVE_INFINITY
    expect(await toBob.sendFile('/film')).toMatchObject({ sha256: sha256(FILM) })
    expect(inInbox(stage)).toEqual(['film'])
  }, SLOW)
})

test('sides that hash for longer than silence is borne say that they are at it', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', FILM)
    inboxOf(bob)
    const first = toBob.sendFile('/film')
    first.catch(() => {})
    await stage.advance(10_000)
    first.cancel()
    await stage.advance(1_000)
    // Five minutes for what is there, on each side.
    stage.host('bob').disk.bytesPerMs = 12
    stage.host('ada').disk.bytesPerMs = 12
    const sending = toBob.sendFile('/film')
    await stage.advance(620_000)
    stage.host('bob').disk.bytesPerMs = Number.POSITIVE_INFINITY
    stage.host('ada').disk.bytesPerMs = Number.POSITIVE_INFINITY
    const sent = await sending
    expect(sent.resumedBytes).toBeGreaterThan(3 * MIB)
    expect(filmIn(stage)).toBe(sha256(FILM))
  }, SLOW)
})

test('a sender that could not be told that everything is there does not send it twice', async () => {
  await onStage(async stage => {
    const { ada, bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', FILM)
    // Bringing the last half megabyte to the disk takes long enough for a link to break.
    stage.host('bob').disk.bytesPerMs = 1_000
    let asked = 0
    const inbox = bob.inbox(INBOX, { accept: () => ++asked > 0 })
    const arrived: string[] = []
    inbox.on('transfer', async transfer => {
      for await (const { receivedBytes, totalBytes } of transfer) {
        if (receivedBytes < totalBytes || arrived.length > 0) continue
        await stage.advance(100)
        stage.net.lan('home').loss = 1
      }
      arrived.push((await transfer).path)
    })
    const sending = toBob.sendFile('/film', { waitMs: 120_000 })
    await stage.until(() => toBob.state === 'gone', 200_000)
    expect(arrived).toEqual([`${INBOX}/film`])
    stage.net.lan('home').loss = 0
    expect(await sending).toMatchObject({ sha256: sha256(FILM), resumedBytes: FILM.length })
    expect(inInbox(stage)).toEqual(['film'])
    expect(asked).toBe(1)
    // Sent once more on purpose, it is another transfer.
    await peerOf(ada, bob).sendFile('/film')
    expect(inInbox(stage)).toEqual(['film', 'film (2)'])
  }, SLOW)
})
