/** Files and folders that go from one room to another, in virtual time: what arrives, and what goes wrong. */

import { expect, test } from 'vitest'
import type { FileOffer, IncomingTransfer, SendFileOptions } from '../../src/index.ts'
import { content, INBOX, inInbox, MIB, pair, sha256 } from './post-office.ts'
import { failureOf, onStage } from './stage.ts'

test('a file arrives whole, with its time stamp and its executable bit, and both sides know its digest', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    const film = content(3 * MIB + 17)
    stage.host('ada').disk.write('/films/run me.sh', film, { modifiedMs: 1_700_000_000_123, isExecutable: true })
    const inbox = bob.inbox(INBOX)
    const arriving: IncomingTransfer[] = []
    inbox.on('transfer', transfer => arriving.push(transfer))
    const sent = await toBob.sendFile('/films/run me.sh')
    expect(sent).toEqual({ sha256: sha256(film), resumedBytes: 0, sizeBytes: film.length })
    const [transfer] = arriving
    expect(await transfer).toEqual({ ...sent, path: `${INBOX}/run me.sh` })
    const node = stage.host('bob').disk.find(`${INBOX}/run me.sh`)
    expect(node).toMatchObject({ modifiedMs: 1_700_000_000_123, isExecutable: true })
    expect(sha256(stage.host('bob').disk.read(`${INBOX}/run me.sh`)!)).toBe(sha256(film))
    expect(inInbox(stage)).toEqual(['run me.sh'])
  })
})

test('a folder arrives with everything in it, and its digest is that of its files one behind the other', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    const { disk } = stage.host('ada')
    const files: Record<string, Uint8Array> = {
      'a-b': content(10, 2),
      'a/one': content(100_000, 3),
      'a/deep/er/two.txt': content(70_000, 4),
      'empty file': new Uint8Array(0),
      'z/last': content(1, 5),
    }
    for (const [path, bytes] of Object.entries(files)) disk.write(`/photos/${path}`, bytes, { modifiedMs: 86_400_000 })
    disk.makeFolder('/photos/z/nothing in it')
    bob.inbox(INBOX)
    const sent = await toBob.sendFile('/photos')
    const inOrder = Object.keys(files).sort()
    expect(sent.sha256).toBe(sha256(Buffer.concat(inOrder.map(path => files[path]!))))
    expect(inInbox(stage)).toEqual(inOrder.map(path => `photos/${path}`))
    for (const path of inOrder) {
      expect(sha256(stage.host('bob').disk.read(`${INBOX}/photos/${path}`)!), path).toBe(sha256(files[path]!))
    }
    expect(stage.host('bob').disk.find(`${INBOX}/photos/z/nothing in it`)).toMatchObject({ kind: 'folder' })
    expect(stage.host('bob').disk.find(`${INBOX}/photos/z/last`)).toMatchObject({ modifiedMs: 86_400_000 })
  })
})

test('an empty folder and an empty file arrive', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.makeFolder('/nothing')
    stage.host('ada').disk.write('/void', '')
    bob.inbox(INBOX)
    expect(await toBob.sendFile('/nothing')).toMatchObject({ sha256: sha256(new Uint8Array(0)), sizeBytes: 0 })
    expect(await toBob.sendFile('/void')).toMatchObject({ sha256: sha256(new Uint8Array(0)), sizeBytes: 0 })
    expect(stage.host('bob').disk.find(`${INBOX}/nothing`)).toMatchObject({ kind: 'folder' })
    expect(inInbox(stage)).toEqual(['void'])
  })
})

test('links in a folder are not followed and not sent, and the sender is told', async () => {
  await onStage(async stage => {
    const { ada, bob, toBob } = await pair(stage)
    const { disk } = stage.host('ada')
    disk.write('/home/ada/.ssh/key', 'secret')
    disk.write('/share/hello', 'hello')
    disk.link('/share/out', '/home/ada/.ssh/key')
    disk.link('/share/folder', '/home/ada/.ssh')
    const warnings: string[] = []
    ada.on('warning', ({ message }) => warnings.push(message))
    bob.inbox(INBOX)
    await toBob.sendFile('/share')
    expect(inInbox(stage)).toEqual(['share/hello'])
    expect(warnings).toEqual(["of 'share' are not sent, being links or no files: folder, out"])
  })
})

test('a link that the user names is followed: that is what was asked for', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/films/film.mkv', 'a film')
    stage.host('ada').disk.link('/latest', '/films/film.mkv')
    bob.inbox(INBOX)
    await toBob.sendFile('/latest')
    expect(inInbox(stage)).toEqual(['latest'])
  })
})

test('nothing is overwritten: what arrives gets a number', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/photo.jpg', 'new')
    stage.host('ada').disk.write('/album/photo.jpg', 'new')
    stage.host('bob').disk.write(`${INBOX}/photo.jpg`, 'old')
    stage.host('bob').disk.write(`${INBOX}/album/old`, 'old')
    bob.inbox(INBOX)
    await toBob.sendFile('/photo.jpg')
    await toBob.sendFile('/photo.jpg')
    await toBob.sendFile('/album')
    expect(inInbox(stage)).toEqual(['album (2)/photo.jpg', 'album/old', 'photo (2).jpg', 'photo (3).jpg', 'photo.jpg'])
    expect(stage.host('bob').disk.read(`${INBOX}/photo.jpg`)).toEqual(new TextEncoder().encode('old'))
  })
})

test('an inbox that overwrites replaces files, and never a folder or a link', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    for (const name of ['file', 'folder', 'link']) stage.host('ada').disk.write(`/${name}`, 'new')
    const { disk } = stage.host('bob')
    disk.write('/home/bob/diary', 'mine')
    disk.write(`${INBOX}/file`, 'old')
    disk.write(`${INBOX}/folder/old`, 'old')
    disk.link(`${INBOX}/link`, '/home/bob/diary')
    bob.inbox(INBOX, { overwrite: true })
    for (const name of ['file', 'folder', 'link']) await toBob.sendFile(`/${name}`)
    expect(inInbox(stage)).toEqual(['file', 'folder (2)', 'folder/old', 'link', 'link (2)'])
    expect(disk.read(`${INBOX}/file`)).toEqual(new TextEncoder().encode('new'))
    expect(disk.read('/home/bob/diary')).toEqual(new TextEncoder().encode('mine'))
  })
})

test('the application is asked once, with a safe name, and may refuse', async () => {
  await onStage(async stage => {
    const { ada, bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/x', content(1_000))
    const offers: FileOffer[] = []
    bob.inbox(INBOX, {
      accept: async offer => {
        offers.push(offer)
        await stage.advance(60_000 * 5)
        return offer.name.endsWith('.jpg')
      },
    })
    const failure = await failureOf(toBob.sendFile('/x', { name: '../../etc/passwd' }))
    expect(failure).toMatchObject({ code: 'refused' })
    await toBob.sendFile('/x', { name: '.hidden: a\u202egpj.jpg' })
    const [first, second] = offers
    expect(first).toMatchObject({ name: '__.._etc_passwd', sizeBytes: 1_000, kind: 'file', entryCount: 1 })
    expect(first!.from.id).toBe(ada.self.id)
    expect(second!.name).toBe('_hidden_ a_gpj.jpg')
    expect(offers).toHaveLength(2)
    expect(inInbox(stage)).toEqual(['_hidden_ a_gpj.jpg'])
  })
})

test('an accept that throws refuses, and the room is warned', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/x', 'x')
    const warnings: string[] = []
    bob.on('warning', ({ message }) => warnings.push(message))
    bob.inbox(INBOX, {
      accept: () => {
        throw new Error('no database')
      },
    })
    expect(await failureOf(toBob.sendFile('/x'))).toMatchObject({ code: 'refused' })
    expect(warnings[0]).toContain('no database')
  })
})

test('a peer without an inbox takes no files, and what is not there cannot be sent', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/x', 'x')
    expect(await failureOf(toBob.sendFile('/x'))).toMatchObject({
      code: 'no-answer',
      message: "'bob' takes no files",
    })
    bob.inbox(INBOX)
    expect(await failureOf(toBob.sendFile('/nowhere'))).toMatchObject({ code: 'not-found' })
    expect(() => bob.inbox(INBOX)).toThrow(RangeError)
  })
})

test('wrong arguments name value and range', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    const send = (what: unknown, options: unknown = {}) =>
      failureOf(toBob.sendFile(what as string, options as SendFileOptions))
    expect(await send(7)).toBeInstanceOf(TypeError)
    expect(await send('')).toBeInstanceOf(RangeError)
    expect(await send('/x', { name: 'n'.repeat(256) })).toBeInstanceOf(RangeError)
    expect(await send('/x', { waitMs: -1 })).toBeInstanceOf(RangeError)
    expect(await send('/x', { signal: 'no' })).toBeInstanceOf(TypeError)
    expect(await send(new Blob(['x']))).toBeInstanceOf(TypeError)
    expect(() => bob.inbox('')).toThrow(TypeError)
    expect(() => bob.inbox(INBOX, { accept: true as never })).toThrow(TypeError)
    expect(() => bob.inbox(INBOX, { overwrite: 1 as never })).toThrow(TypeError)
    for (const name of ['earshot:transfer', 'earshot:']) {
      expect(() => bob.accept(name, () => {})).toThrow(/earshot keeps for itself/)
      expect(() => toBob.open(name)).toThrow(RangeError)
      expect(() => bob.answer(name, () => {})).toThrow(RangeError)
      expect(() => bob.channel(name)).toThrow(RangeError)
    }
  })
})

test('progress goes up to the whole, at most ten times a second', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', content(2 * MIB))
    stage.net.lan('home').bitsPerSecond = 4_000_000
    const inbox = bob.inbox(INBOX)
    const received: number[] = []
    inbox.on('transfer', async transfer => {
      for await (const { receivedBytes } of transfer) received.push(receivedBytes)
    })
    const sent: number[] = []
    const startedAt = stage.net.now
    const transfer = toBob.sendFile('/film')
    for await (const { sentBytes, totalBytes, bytesPerSecond } of transfer) {
      sent.push(sentBytes)
      if (sentBytes > 0) expect(totalBytes).toBe(2 * MIB)
      if (sent.length > 20) expect(bytesPerSecond).toBeGreaterThan(100_000)
    }
    const tookMs = stage.net.now - startedAt
    for (const told of [sent, received]) {
      expect(told.at(-1)).toBe(2 * MIB)
      expect(told).toEqual(told.toSorted((a, b) => a - b))
      expect(told.length).toBeGreaterThan(tookMs / 400)
      expect(told.length).toBeLessThanOrEqual(tookMs / 100 + 3)
    }
  })
})

test('cancelling tells the other side, keeps what has arrived, and the next attempt goes on there', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    const film = content(4 * MIB)
    stage.host('ada').disk.write('/film', film)
    stage.host('bob').disk.bytesPerMs = 1_000
    let asked = 0
    const inbox = bob.inbox(INBOX, { accept: () => ++asked > 0 })
    const ends: unknown[] = []
    inbox.on('transfer', transfer => transfer.then(ends.push.bind(ends), error => ends.push(error)))
    const controller = new AbortController()
    const first = toBob.sendFile('/film', { signal: controller.signal })
    const failing = failureOf(first)
    await stage.advance(2_000)
    const reason = new Error('the user has changed her mind')
    controller.abort(reason)
    expect(await failing).toBe(reason)
    await stage.advance(1_000)
    expect(ends).toMatchObject([{ code: 'cancelled', reason: 'the user has changed her mind' }])
    expect(inInbox(stage)).toEqual([expect.stringMatching(/^\.film\.[a-z2-7]{16}\.earshot-part$/)])

    const second = await toBob.sendFile('/film')
    expect(second.resumedBytes).toBeGreaterThan(MIB / 2)
    expect(second.sha256).toBe(sha256(film))
    expect(sha256(stage.host('bob').disk.read(`${INBOX}/film`)!)).toBe(sha256(film))
    expect(inInbox(stage)).toEqual(['film'])
    expect(asked).toBe(1)
  })
})

test('the receiver may cancel, and the sender learns its words', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', content(4 * MIB))
    stage.host('bob').disk.bytesPerMs = 1_000
    const inbox = bob.inbox(INBOX)
    const ends: unknown[] = []
    inbox.on('transfer', transfer => {
      transfer.catch(error => ends.push(error))
      void stage.advance(1_000).then(() => transfer.cancel(new Error('too long a film')))
    })
    expect(await failureOf(toBob.sendFile('/film'))).toMatchObject({ code: 'cancelled', reason: 'too long a film' })
    await stage.until(() => ends.length > 0)
    expect(ends).toMatchObject([{ message: 'too long a film' }])
  })
})

test('a sender that goes away while somebody is asked does not leave a question', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', content(100))
    let offer: FileOffer | undefined
    bob.inbox(INBOX, {
      accept: asked => {
        offer = asked
        return new Promise(resolve => asked.signal.addEventListener('abort', () => resolve(false)))
      },
    })
    const transfer = toBob.sendFile('/film')
    const failing = failureOf(transfer)
    await stage.until(() => offer !== undefined)
    transfer.cancel()
    await failing
    await stage.until(() => offer!.signal.aborted)
    expect(inInbox(stage)).toEqual([])
  })
})

test('an inbox that closes, and a room that is left, end transfers on both sides', async () => {
  await onStage(async stage => {
    const { ada, bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/film', content(4 * MIB))
    stage.host('bob').disk.bytesPerMs = 1_000
    const inbox = bob.inbox(INBOX)
    const failing = failureOf(toBob.sendFile('/film'))
    await stage.advance(500)
    await inbox.close()
    expect(await failing).toMatchObject({ code: 'cancelled' })
    const next = bob.inbox(INBOX)
    const received: unknown[] = []
    next.on('transfer', transfer => transfer.then(received.push.bind(received), error => received.push(error)))
    const leaving = failureOf(toBob.sendFile('/film'))
    await stage.advance(500)
    await ada.close()
    expect(await leaving).toMatchObject({ code: 'closed' })
    await stage.until(() => received.length > 0)
    expect(received).toMatchObject([{ code: 'cancelled' }])
  })
})

test('a receiver that leaves as soon as the file is there has told the sender', async () => {
  await onStage(async stage => {
    const { bob, toBob } = await pair(stage)
    stage.host('ada').disk.write('/x', content(300_000))
    bob.inbox(INBOX).on('transfer', transfer => void transfer.then(() => bob.close()))
    expect(await toBob.sendFile('/x')).toMatchObject({ sizeBytes: 300_000 })
    await bob.closed
  })
})
