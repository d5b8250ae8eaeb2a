/**
 * Our peer and the real peerpy on hosts of one LAN: discovery both ways, each data type both ways, deny, close, keep-alive,
 * streams. Needs a checkout of it, which PEERPY_CHECKOUT names; without one these tests are left out, and say so.
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { EarshotProcess, freshFolder, MAIN } from '../cli/earshot-process.ts'
import { Lab } from './lab.ts'
import { PEERPY_CHECKOUT, PeerpyProgram, type PeerpyProgramOptions } from './peerpy-program.ts'

const leftOut = PEERPY_CHECKOUT === undefined ? ' (left out: PEERPY_CHECKOUT names no checkout of it)' : ''

let lab: Lab
let namespaces: Readonly<Record<string, { readonly ns: string }>>
const programs: PeerpyProgram[] = []
/** A new one for each program: the real one does not set SO_REUSEADDR. */
let port = 52_000

beforeAll(() => {
  if (leftOut !== '') return
  lab = new Lab('site home port-restricted hosts=ada,bob,eve')
  namespaces = JSON.parse(lab.natlab('status', '--json')).nodes
})
afterEach(() => {
  for (const program of programs.splice(0)) program.stop()
})
afterAll(() => lab?.close())

const addressOf = (host: string): string => ({ ada: '192.168.1.10', bob: '192.168.1.11', eve: '192.168.1.12' })[host]!
const enter = (host: string): string[] => ['ip', 'netns', 'exec', namespaces[host]!.ns]

/** The real program. */
async function peerpy(
  host: string,
  options: PeerpyProgramOptions = {},
): Promise<{ program: PeerpyProgram; address: string }> {
  const address = `${addressOf(host)}:${port++}`
  const program = new PeerpyProgram(enter(host), address, options)
  programs.push(program)
  await program.next('listening')
  return { program, address }
}

interface Ours {
  readonly process: EarshotProcess
  readonly address: string
  tell(op: string, more?: Readonly<Record<string, unknown>>): void
  /** The first event of that name whose text has this in it. */
  event(event: string, has?: string): Promise<Record<string, unknown>>
}

/** Our command. */
async function ours(host: string, ...args: readonly string[]): Promise<Ours> {
  const address = `${addressOf(host)}:${port++}`
  const command = [process.execPath, MAIN, 'compat', 'peerpy', '--listen', address.split(':')[1]!, '--json', ...args]
  const started = new EarshotProcess([...enter(host), ...command], { XDG_CONFIG_HOME: freshFolder() })
  await started.stdout.line(/"listening"/)
  return {
    process: started,
    address,
    tell: (op, more = {}) => started.type(`${JSON.stringify({ op, ...more })}\n`),
    event: async (event, has = '') => {
      const text = has.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      return JSON.parse(await started.stdout.line(new RegExp(`^\\{"event":"${event}".*${text}`)))
    },
  }
}

describe(`with the real peerpy${leftOut}`, () => {
  test.skipIf(leftOut !== '')('discovery finds it, and it finds us; not when invisible', async () => {
    const bob = await peerpy('bob')
    const eve = await peerpy('eve', { invisible: true })
    const ada = await ours('ada')
    ada.tell('discover')
    expect(await ada.event('found')).toEqual({ event: 'found', address: bob.address })
    // From a host without a peer of its own: the real one's PONG to itself takes the port of its question.
    eve.program.tell('peers')
    expect((await eve.program.next('peers'))['value']).toEqual([ada.address, bob.address].sort())
    const hidden = await ours('ada', '--invisible')
    eve.program.tell('peers')
    expect((await eve.program.next('peers'))['value']).not.toContain(hidden.address)
    expect(ada.process.stdout.events.filter(({ event }) => event === 'found')).toHaveLength(1)
  })

  test.skipIf(leftOut !== '').each([
    ['json', { data: { n: 1, f: 2.5, u: 'é€', l: [null, true] } }, { n: 1, f: 2.5, u: 'é€', l: [null, true] }],
    ['bytes', { bytes: Buffer.from([0, 1, 0x7c, 0x80, 0xff]).toString('base64') }, { $bytes: '00017c80ff' }],
    ['raw', { data: ['a', 1, null, { x: [2.5, false] }, 'a'] }, ['a', 1, null, { x: [2.5, false] }, 'a']],
  ])('%s passes both ways, whoever dials', async (dataType, sent, received) => {
    const payload = 'bytes' in sent ? { bytes: sent.bytes } : { data: sent.data }
    const bob = await peerpy('bob', { echo: true })
    const ada = await ours('ada')
    ada.tell('connect', { address: bob.address, dataType, strict: true })
    ada.tell('send', { to: bob.address, ...payload })
    expect(await bob.program.next('offer')).toMatchObject({ peer: ada.address, dataType, strict: true })
    expect((await bob.program.next('data'))['data']).toEqual(received)
    expect(await ada.event('message')).toEqual({ event: 'message', from: bob.address, ...payload })
    ada.tell('disconnect', { to: bob.address })
    expect(await bob.program.next('close')).toMatchObject({ peer: ada.address })

    bob.program.tell('connect', { address: ada.address, dataType })
    expect(await bob.program.next('connected')).toMatchObject({ ok: true })
    await ada.event('offer')
    bob.program.tell('send', { to: ada.address, data: received })
    await bob.program.next('sent')
    // Ours is the second message now; it comes back no more, the program echoes only what it gets.
    ada.tell('send', { to: bob.address, ...payload })
    expect((await bob.program.next('data'))['data']).toEqual(received)
    bob.program.tell('close', { to: ada.address })
    await bob.program.next('close')
    ada.tell('close')
    expect(await ada.process.exitCode).toBe(0)
    expect(ada.process.stdout.events.filter(({ event }) => event === 'gone')).toHaveLength(2)
    expect(bob.program.stderr).toBe('')
  })

  test.skipIf(leftOut !== '')('raw carries tuples, sets, bytes and whole numbers of any length from it', async () => {
    const bob = await peerpy('bob')
    const ada = await ours('ada')
    bob.program.tell('connect', { address: ada.address, dataType: 'raw' })
    await bob.program.next('connected')
    bob.program.tell('send', {
      to: ada.address,
      data: [{ $tuple: [1, 'two'] }, { $set: [1, 2] }, { $bytes: '00ff' }, -3],
    })
    expect(await ada.event('message')).toEqual({
      event: 'message',
      from: bob.address,
      data: [[1, 'two'], [1, 2], { bytes: 'AP8=' }, -3],
    })
  })

  test.skipIf(leftOut !== '')('offers are denied both ways', async () => {
    const bob = await peerpy('bob')
    const ada = await ours('ada')
    bob.program.tell('admit', { value: false })
    ada.tell('connect', { address: bob.address })
    expect(await ada.event('error')).toMatchObject({ code: 'denied' })
    ada.tell('admit', { value: false })
    bob.program.tell('connect', { address: ada.address })
    expect(await bob.program.next('connected')).toMatchObject({ ok: false })
    expect(await ada.event('offer')).toMatchObject({ id: bob.address })
    expect(bob.program.stderr).toBe('')
  })

  test.skipIf(leftOut !== '')('silence is bridged by keep-alives of both, and its close is noticed', async () => {
    const bob = await peerpy('bob', { timeout: 0.3 })
    const ada = await ours('ada', '--timeout', '250ms')
    ada.tell('connect', { address: bob.address })
    await bob.program.next('connection')
    // Several rounds of both: the program says nothing of them, the capture of another host would.
    bob.program.tell('peers')
    await bob.program.next('peers')
    bob.program.tell('peers')
    await bob.program.next('peers')
    ada.tell('send', { to: bob.address, data: 'still here' })
    expect(await bob.program.next('data')).toMatchObject({ data: 'still here' })
    bob.program.tell('send', { to: ada.address, data: 'me too' })
    expect(await ada.event('message')).toMatchObject({ data: 'me too' })
    bob.program.tell('close', { to: ada.address })
    expect(await ada.event('gone')).toMatchObject({ id: bob.address })
    expect(bob.program.stderr).toBe('')
  })

  test.skipIf(leftOut !== '')('it waits for a place at ours, and ours at it', async () => {
    const bob = await peerpy('bob', { maxConnections: 1, timeout: 0.3 })
    const ada = await ours('ada', '--timeout', '400ms', '--max-connections', '1')
    const eve = await peerpy('eve', { timeout: 0.3 })
    eve.program.tell('connect', { address: bob.address })
    expect(await eve.program.next('connected')).toMatchObject({ ok: true })
    // It has stopped accepting within one of its time-outs.
    eve.program.tell('peers')
    await eve.program.next('peers')
    ada.tell('connect', { address: bob.address })
    expect(await ada.event('error')).toMatchObject({ code: 'timeout' })
    eve.program.tell('connect', { address: ada.address })
    expect(await eve.program.next('connected')).toMatchObject({ ok: true })
    const third = await peerpy('bob', { timeout: 0.3 })
    third.program.tell('connect', { address: ada.address })
    expect(await third.program.next('connected')).toMatchObject({ ok: false })
  })

  test.skipIf(leftOut !== '')('it survives dials that were given up while it thought, and takes the next', async () => {
    const bob = await peerpy('bob', { offerDelay: 0.6 })
    const hasty = await ours('ada', '--timeout', '200ms')
    hasty.tell('connect', { address: bob.address })
    expect(await hasty.event('error')).toMatchObject({ code: 'timeout' })
    // Its side of it ends when it has answered.
    await bob.program.next('close')
    bob.program.tell('threads')
    expect(await bob.program.next('threads')).toMatchObject({ accepting: true })
    const patient = await ours('eve')
    patient.tell('connect', { address: bob.address })
    await patient.event('peer')
    expect(bob.program.stderr).toBe('')
  })

  test.skipIf(leftOut !== '').each([
    ['ours', 'ada', 'bob'],
    ['its', 'eve', 'bob'],
  ])('where both dial at once, with %s the smaller name, one connection stands', async (_, host, other) => {
    for (let round = 0; round < 3; round++) {
      const bob = await peerpy(other)
      const ada = await ours(host)
      bob.program.tell('connect', { address: ada.address })
      ada.tell('connect', { address: bob.address })
      expect(await bob.program.next('connected')).toMatchObject({ ok: true })
      await ada.event('peer')
      ada.tell('send', { to: bob.address, data: 'from ours' })
      expect(await bob.program.next('data')).toMatchObject({ data: 'from ours' })
      bob.program.tell('send', { to: ada.address, data: 'from its' })
      expect(await ada.event('message')).toMatchObject({ data: 'from its' })
      expect(ada.process.stdout.events.filter(({ event }) => ['gone', 'error'].includes(String(event)))).toEqual([])
      expect(bob.program.stderr).toBe('')
    }
  })

  test.skipIf(leftOut !== '')('another data type is another connection, and it knows the new one', async () => {
    const bob = await peerpy('bob')
    const ada = await ours('ada')
    for (const dataType of ['json', 'raw', 'json']) {
      ada.tell('connect', { address: bob.address, dataType })
      expect(await bob.program.next('offer')).toMatchObject({ dataType })
      await bob.program.next('connection')
    }
    bob.program.tell('connections')
    expect(await bob.program.next('connections')).toMatchObject({ value: [ada.address] })
    bob.program.tell('broadcast', { data: 'to the last' })
    expect(await ada.event('message')).toMatchObject({ data: 'to the last' })
    expect(bob.program.stderr).toBe('')
  })

  test.skipIf(leftOut !== '')('broadcast reaches the real one and ours', async () => {
    const bob = await peerpy('bob')
    const ada = await ours('ada')
    const eve = await ours('eve')
    ada.tell('connect', { address: bob.address })
    ada.tell('connect', { address: eve.address })
    await Promise.all([ada.event('peer', bob.address), ada.event('peer', eve.address)])
    ada.tell('broadcast', { data: [1, 2] })
    expect(await bob.program.next('data')).toMatchObject({ data: [1, 2] })
    expect(await eve.event('message')).toMatchObject({ from: ada.address, data: [1, 2] })
    bob.program.tell('broadcast', { data: 'from bob' })
    expect(await ada.event('message')).toMatchObject({ from: bob.address, data: 'from bob' })
  })

  test.skipIf(leftOut !== '')('a burst of messages of the largest safe size arrives whole', async () => {
    const bob = await peerpy('bob')
    const ada = await ours('ada')
    ada.tell('connect', { address: bob.address, dataType: 'bytes' })
    const message = (i: number): Buffer => Buffer.alloc(8_192, i)
    for (let i = 0; i < 50; i++) ada.tell('send', { to: bob.address, bytes: message(i).toString('base64') })
    for (let i = 0; i < 50; i++)
      expect((await bob.program.next('data'))['data']).toEqual({ $bytes: message(i).toString('hex') })
    ada.tell('disconnect', { to: bob.address })
    await bob.program.next('close')
    expect(bob.program.stderr).toBe('')
  })

  test.skipIf(leftOut !== '')(
    'a stream of ours reaches it, header at first or size agreed, and one of its own reaches us',
    async () => {
      for (const streamSizeBytes of [undefined, 1_000]) {
        const bob = await peerpy('bob')
        const ada = await ours('ada')
        const frame = (i: number): Buffer => Buffer.alloc(1_000, i)
        ada.tell('connect', { address: bob.address, dataType: 'bytes', stream: true, streamSizeBytes })
        for (let i = 0; i < 5; i++) ada.tell('send', { to: bob.address, bytes: frame(i).toString('base64') })
        expect(await bob.program.next('offer')).toMatchObject({ stream: true })
        for (let i = 0; i < 5; i++)
          expect((await bob.program.next('data'))['data']).toEqual({ $bytes: frame(i).toString('hex') })
        ada.tell('disconnect', { to: bob.address })
        await bob.program.next('close')
        bob.program.tell('connect', { address: ada.address, dataType: 'bytes', more: { stream: true } })
        await bob.program.next('connected')
        for (let i = 0; i < 3; i++)
          bob.program.tell('send', { to: ada.address, data: { $bytes: frame(10 + i).toString('hex') } })
        await ada.event('message', frame(12).toString('base64').slice(0, 40))
        expect(bob.program.stderr).toBe('')
      }
    },
  )
})
