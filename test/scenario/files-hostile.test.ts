/** Peers that keep no rules of transfers: the transfer alone ends, with a code, and nothing else suffers. */

import { afterEach, expect, test } from 'vitest'
import type { EarshotError, IncomingTransfer, Room } from '../../src/index.ts'
import { encodeManifest, type ManifestEntry } from '../../src/messaging/file-transfer/manifest.ts'
import {
  encodeAccept,
  encodeDone,
  encodeEnd,
  encodeEntries,
  encodeHave,
  encodeOffer,
  encodeStart,
  type Offer,
} from '../../src/messaging/file-transfer/transfer-frame.ts'
import type { ByteStream } from '../../src/messaging/open-stream.ts'
import { ByteWriter } from '../../src/wire/byte-writer.ts'
import { content, INBOX, inInbox, MIB, sha256 } from './post-office.ts'
import { failureOf, onStage, peerOf, type Stage } from './stage.ts'

interface Attack {
  readonly stage: Stage
  readonly mallory: Room
  readonly bob: Room
  /** What was accepted. */
  readonly transfers: IncomingTransfer[]
  /** Opens the stream of a transfer, and writes these bytes. Gives what the other side makes of it. */
  send(...frames: readonly Uint8Array[]): Promise<ByteStream>
}

let warnings: string[] = []
afterEach(() => {
  warnings = []
})

/** Plays an attack; afterwards Mallory is still a peer, and honest files of others still arrive. */
async function attack(play: (attack: Attack) => Promise<void>): Promise<void> {
  await onStage(async stage => {
    const [mallory, bob, carol] = (await stage.joinAll('mallory', 'bob', 'carol')) as [Room, Room, Room]
    await stage.met([mallory, bob, carol])
    bob.on('warning', ({ code }) => warnings.push(code))
    const transfers: IncomingTransfer[] = []
    const inbox = bob.inbox(INBOX)
    const off = inbox.on('transfer', transfer => {
      transfers.push(transfer)
      transfer.catch(() => {})
    })
    const send = async (...frames: readonly Uint8Array[]) => {
      const stream = peerOf(mallory, bob).openStream('earshot:transfer')
      const writer = stream.writable.getWriter()
      writer.closed.catch(() => {})
      for (const frame of frames) await writer.write(frame)
      writer.releaseLock()
      return stream
    }
    await play({ stage, mallory, bob, transfers, send })
    off()
    expect(peerOf(bob, mallory).state).toBe('here')
    stage.host('carol').disk.write('/honest', content(MIB))
    expect(await peerOf(carol, bob).sendFile('/honest')).toMatchObject({ sha256: sha256(content(MIB)) })
    expect(inInbox(stage)).toContain('honest')
  })
}

const OFFER: Offer = { kind: 'file', key: new Uint8Array(32), sizeBytes: 1_000, entryCount: 1, name: 'film' }
const FILE: ManifestEntry = { path: '', kind: 'file', sizeBytes: 1_000, modifiedMs: 0, isExecutable: false }
const FOLDER_OFFER: Offer = { ...OFFER, kind: 'folder', sizeBytes: 0, name: 'folder' }

function manifest(...entries: readonly Partial<ManifestEntry>[]): Uint8Array[] {
  return [...encodeManifest(entries.map(entry => ({ ...FILE, sizeBytes: 0, ...entry })))].map(encodeEntries)
}

function data(bytes: Uint8Array): Uint8Array {
  return new ByteWriter().uint8(6).prefixed(bytes).finish()
}

/** How the other side ends the stream. */
async function endOf({ readable }: ByteStream): Promise<EarshotError> {
  return (await failureOf(
    (async () => {
      for await (const _ of readable);
    })(),
  )) as unknown as EarshotError
}

test.each([
  ['bytes that are no frame', [Uint8Array.of(0xff, 0x00)]],
  ['no offer', [encodeDone()]],
  ['a frame that is longer than any', [Uint8Array.of(1, 0xbf, 0xff, 0xff, 0xff)]],
  ['an offer without a name', [Uint8Array.of(1, 36, 0, ...new Uint8Array(32), 0, 1, 0)]],
  ['a file with two entries', [encodeOffer({ ...OFFER, entryCount: 2 })]],
  ['more entries than any transfer has', [encodeOffer({ ...FOLDER_OFFER, entryCount: 200_001 })]],
])('%s: protocol-violation', async (_, frames) => {
  await attack(async ({ send, transfers, stage }) => {
    expect(await endOf(await send(...frames))).toMatchObject({ code: 'reset', reason: 'protocol-violation' })
    expect(transfers).toEqual([])
    expect(inInbox(stage)).toEqual([])
  })
})

test.each([
  ['a single file with a path', OFFER, [{ path: 'x', sizeBytes: 1_000 }]],
  ['a file of another size', OFFER, [{ sizeBytes: 999 }]],
  ['more entries than offered', FOLDER_OFFER, [{ path: 'a' }, { path: 'b' }]],
  ['a path upwards', FOLDER_OFFER, [{ path: '../outside' }]],
  [
    'a path upwards in the middle',
    { ...FOLDER_OFFER, entryCount: 2 },
    [{ path: 'a', kind: 'folder' }, { path: 'a/../b' }],
  ],
  ['an absolute path', FOLDER_OFFER, [{ path: '/etc/passwd' }]],
  ['an empty name', FOLDER_OFFER, [{ path: '' }]],
  ['a dot', FOLDER_OFFER, [{ path: '.' }]],
  ['a null character', FOLDER_OFFER, [{ path: 'a\0b' }]],
  ['a path twice', { ...FOLDER_OFFER, entryCount: 2 }, [{ path: 'a' }, { path: 'a' }]],
  ['a path in no folder', FOLDER_OFFER, [{ path: 'a/b' }]],
  ['a path in a file', { ...FOLDER_OFFER, entryCount: 2 }, [{ path: 'a' }, { path: 'a/b' }]],
  ['a folder with a size', { ...FOLDER_OFFER, sizeBytes: 5 }, [{ path: 'a', kind: 'folder', sizeBytes: 5 }]],
  [
    'sizes beyond counting',
    { ...FOLDER_OFFER, entryCount: 2 },
    [
      { path: 'a', sizeBytes: 2 ** 53 - 1 },
      { path: 'b', sizeBytes: 2 ** 53 - 1 },
    ],
  ],
] as const)('a manifest with %s: protocol-violation', async (_, offer, entries) => {
  await attack(async ({ send, transfers, stage }) => {
    const stream = await send(encodeOffer(offer), ...manifest(...entries))
    expect(await endOf(stream)).toMatchObject({ code: 'reset', reason: 'protocol-violation' })
    expect(await failureOf(transfers[0]!)).toMatchObject({ code: 'protocol-violation' })
    expect(inInbox(stage)).toEqual([])
  })
})

test('names that mean something elsewhere are names here', async () => {
  await attack(async ({ send, transfers, stage }) => {
    const names = ['C:\\Windows', 'CON.txt', 'a:b', 'A', 'a', 'a.', 'ä', 'a\u0308', '\u202egpj.exe', 'x'.repeat(300)]
    const offer = { ...FOLDER_OFFER, entryCount: names.length, name: '..' }
    await send(
      encodeOffer(offer),
      ...manifest(...names.map(path => ({ path }))),
      encodeStart(0),
      encodeEnd(new Uint8Array(Buffer.from(sha256(new Uint8Array(0)), 'hex'))),
    )
    await stage.until(() => transfers.length === 1)
    await transfers[0]
    expect(inInbox(stage).sort()).toEqual(
      [
        'unnamed/C__Windows',
        'unnamed/_CON.txt',
        'unnamed/a_b',
        'unnamed/A',
        'unnamed/a (2)',
        'unnamed/a (3)',
        'unnamed/ä',
        'unnamed/ä (2)',
        'unnamed/_gpj.exe',
        `unnamed/${'x'.repeat(180)}`,
      ].sort(),
    )
  })
})

test.each([
  ['more content than promised', [encodeStart(0), data(new Uint8Array(1_001))], 'protocol-violation'],
  [
    'less content than promised',
    [encodeStart(0), data(new Uint8Array(999)), encodeEnd(new Uint8Array(32))],
    'protocol-violation',
  ],
  ['a start in the middle of nothing', [encodeStart(7)], 'protocol-violation'],
  ['another frame in the content', [encodeStart(0), data(new Uint8Array(10)), encodeAccept()], 'protocol-violation'],
  ['another digest', [encodeStart(0), data(new Uint8Array(1_000)), encodeEnd(new Uint8Array(32))], 'mismatch'],
])('%s: the transfer ends, and nothing stands under its name', async (_, frames, word) => {
  await attack(async ({ send, transfers, stage }) => {
    const stream = await send(encodeOffer(OFFER), ...manifest({ sizeBytes: 1_000 }), ...frames)
    expect(await endOf(stream)).toMatchObject({ code: 'reset', reason: word })
    await failureOf(transfers[0]!)
    expect(inInbox(stage)).not.toContain('film')
    if (word === 'mismatch') expect(inInbox(stage)).toEqual([])
  })
})

test('an offer that was not accepted does not pass for one that was', async () => {
  await onStage(async stage => {
    const [mallory, bob] = (await stage.joinAll('mallory', 'bob')) as [Room, Room]
    await stage.met([mallory, bob])
    const asked: string[] = []
    bob.inbox(INBOX, { accept: ({ name }) => asked.push(name) === 1 })
    const offer = async (each: Offer) => {
      const { writable } = peerOf(mallory, bob).openStream('earshot:transfer')
      await writable.getWriter().write(encodeOffer(each))
      await stage.advance(100)
    }
    await offer(OFFER)
    await offer({ ...OFFER, name: 'worm.exe' })
    await offer({ ...OFFER, sizeBytes: 1_000_000_000 })
    expect(asked).toEqual(['film', 'worm.exe', 'film'])
  })
})

test('a sender that falls silent is given up after two minutes, and its partial file stays', async () => {
  await attack(async ({ send, transfers, stage }) => {
    const startedAt = stage.net.now
    const stream = await send(
      encodeOffer(OFFER),
      ...manifest({ sizeBytes: 1_000 }),
      encodeStart(0),
      data(new Uint8Array(10)),
    )
    expect(await endOf(stream)).toMatchObject({ code: 'reset', reason: 'timeout' })
    expect(stage.net.now - startedAt).toBeGreaterThan(110_000)
    expect(stage.net.now - startedAt).toBeLessThan(160_000)
    expect(await failureOf(transfers[0]!)).toMatchObject({ code: 'timeout' })
    await stage.advance(100)
    expect(inInbox(stage)).toHaveLength(1)
  })
})

test('a sender that has endless streams of offers gets sixteen at a time', async () => {
  await attack(async ({ send, transfers, mallory, bob, stage }) => {
    const streams = await Promise.all(
      Array.from({ length: 20 }, (_, index) => send(encodeOffer({ ...OFFER, name: `${index}` }))),
    )
    const ends = await Promise.all(streams.slice(16).map(endOf))
    for (const end of ends) expect(end).toMatchObject({ code: 'reset', reason: 'limit-reached' })
    expect(transfers).toHaveLength(16)
    await peerOf(bob, mallory).ping({ timeoutMs: 1_000 })
    for (const transfer of transfers) transfer.cancel()
    await stage.advance(1_000)
  })
})

test('a receiver that accepts and never reads is given up after two minutes', async () => {
  await onStage(async stage => {
    const [ada, mallory] = (await stage.joinAll('ada', 'mallory')) as [Room, Room]
    await stage.met([ada, mallory])
    stage.host('ada').disk.write('/film', content(4 * MIB))
    mallory.accept('earshot-transfer', () => {})
    hijack(mallory, async ({ writable }) => {
      const writer = writable.getWriter()
      writer.closed.catch(() => {})
      for (const frame of [
        encodeAccept(),
        encodeHave(0, new Uint8Array(Buffer.from(sha256(new Uint8Array(0)), 'hex'))),
      ]) {
        await writer.write(frame)
      }
    })
    const startedAt = stage.net.now
    expect(await failureOf(peerOf(ada, mallory).sendFile('/film'))).toMatchObject({ code: 'timeout' })
    expect(stage.net.now - startedAt).toBeLessThan(160_000)
  })
})

test.each([
  ['has more than there is', [encodeAccept(), encodeHave(1_001, new Uint8Array(32))]],
  ['is done before the content', [encodeAccept(), encodeDone()]],
  ['accepts twice', [encodeAccept(), encodeAccept()]],
])('a receiver that %s: protocol-violation', async (_, frames) => {
  await onStage(async stage => {
    const [ada, mallory] = (await stage.joinAll('ada', 'mallory')) as [Room, Room]
    await stage.met([ada, mallory])
    stage.host('ada').disk.write('/film', content(1_000))
    hijack(mallory, async ({ writable }) => {
      const writer = writable.getWriter()
      writer.closed.catch(() => {})
      for (const frame of frames) await writer.write(frame)
    })
    expect(await failureOf(peerOf(ada, mallory).sendFile('/film'))).toMatchObject({ code: 'protocol-violation' })
    expect(peerOf(ada, mallory).state).toBe('here')
  })
})

/** Takes the streams of transfers by other means than an inbox. */
function hijack(room: Room, take: (stream: ByteStream) => Promise<void>): void {
  const inbox = room.inbox('/nowhere')
  inbox.onStream = stream => void take(stream).catch(() => {})
}

test('links and devices in the inbox are not written through', async () => {
  await attack(async ({ send, transfers, stage }) => {
    const { disk } = stage.host('bob')
    disk.write('/home/bob/diary', 'mine')
    await send(encodeOffer(OFFER))
    await stage.until(() => transfers.length === 1)
    transfers[0]!.cancel()
    // Somebody guesses the name of the partial file, and puts a link there.
    const ends: string[] = []
    for (const name of ['film', '.film.aaaaaaaaaaaaaaaa.earshot-part']) disk.link(`${INBOX}/${name}`, '/home/bob/diary')
    const empty = { ...OFFER, sizeBytes: 0 }
    await send(
      encodeOffer(empty),
      ...manifest({ sizeBytes: 0 }),
      encodeStart(0),
      encodeEnd(new Uint8Array(Buffer.from(sha256(new Uint8Array(0)), 'hex'))),
    )
    await stage.until(() => transfers.length === 2)
    ends.push((await transfers[1]!).path)
    expect(ends).toEqual([`${INBOX}/film (2)`])
    expect(disk.read('/home/bob/diary')).toEqual(new TextEncoder().encode('mine'))
  })
})
