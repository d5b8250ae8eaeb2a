import { describe, expect, test } from 'vitest'
import { besieged, messengers, rejection } from '../../test/messaging/messengers.ts'
import { outcome } from '../../test/session/stage.ts'
import { EarshotError } from '../errors.ts'
import { INITIAL_CREDIT_BYTES, MAX_LABELS, MAX_MESSAGE_BYTES } from '../limits.ts'
import { encodeLabel, Frame, Payload } from '../session/frame.ts'
import { ReceiptOutcome } from './messenger.ts'

// Messages ------------------------------------------------------------------------------------------------------------

test('messages of all kinds arrive on their channels, in the order of each', async () => {
  const { net, alice, bert } = await messengers()
  const values = ['text', Uint8Array.of(1), { a: [1] }, new Map([['k', 1n]]), 'x'.repeat(100_000), undefined]
  for (const value of values) alice.send('scores', value)?.catch(() => {})
  alice.send('', 'to the room')
  await net.advance(100)

  expect(bert.messages.filter(({ channel }) => channel === 'scores').map(({ data }) => data)).toEqual(values)
  expect(bert.messages.filter(({ channel }) => channel === '').map(({ data }) => data)).toEqual(['to the room'])
  expect(bert.messages.every(({ receipt }) => receipt === 0)).toBe(true)
})

test('a message that is too large is refused, and the session goes on', async () => {
  const { net, alice, bert } = await messengers()
  expect(() => alice.send('', new Uint8Array(MAX_MESSAGE_BYTES + 1))).toThrow(
    expect.objectContaining({ code: 'too-large' }),
  )
  alice.send('', 'smaller')
  await net.advance(10)

  expect(bert.messages.map(({ data }) => data)).toEqual(['smaller'])
})

test('the names of channels are limited, and the session goes on', async () => {
  const { net, alice, bert } = await messengers()
  for (let i = 0; i < MAX_LABELS; i++) alice.send(`channel ${i}`, i)
  expect(() => alice.send('one more', 0)).toThrow(expect.objectContaining({ code: 'limit-reached' }))
  expect(await rejection(alice.ask('one more', 0))).toMatchObject({ code: 'limit-reached' })
  alice.send('channel 0', 'last')
  await net.advance(100)

  expect(bert.messages).toHaveLength(MAX_LABELS + 1)
  expect(bert.messages.at(-1)).toMatchObject({ channel: 'channel 0', data: 'last' })
})

test('messages that are held slow their sender down until they are released', async () => {
  const { net, alice, bert } = await messengers()
  bert.onArrival = ({ length }) => bert.messenger.hold(length)
  const sends = Array.from({ length: 150 }, () => alice.send('', new Uint8Array(10_000)))
  await net.advance(1_000)
  const held = bert.messages.reduce((bytes, { length }) => bytes + length, 0)
  expect(held).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES)
  expect(await outcome(sends.at(-1))).toBeUndefined()

  bert.onArrival = () => {}
  bert.messenger.release(held)
  await net.until(Promise.all(sends))
})

// Receipts ------------------------------------------------------------------------------------------------------------

describe('a receipt', () => {
  test('resolves when the receiving application has the message, and not before', async () => {
    const { net, alice, bert } = await messengers()
    const sent = alice.sendWithReceipt('', 'important')
    await net.advance(1_000)
    expect(await outcome(sent)).toBeUndefined()

    bert.messenger.receipt(bert.messages[0]!.receipt, ReceiptOutcome.delivered)
    await net.until(sent)
  })

  test.each([
    ['nobody took it', ReceiptOutcome.dropped, 'limit-reached'],
    ['it did not fit the schema', ReceiptOutcome.invalid, 'invalid-data'],
    ['a later version says why', 7, 'limit-reached'],
  ])('rejects where %s', async (_, result, code) => {
    const { net, alice, bert } = await messengers()
    bert.onArrival = ({ receipt }) => bert.messenger.receipt(receipt, result)
    expect(await net.until(rejection(alice.sendWithReceipt('', 'important')))).toMatchObject({ code })
  })

  test('of each message is its own', async () => {
    const { net, alice, bert } = await messengers()
    bert.onArrival = ({ data, receipt }) =>
      bert.messenger.receipt(receipt, data === 2 ? ReceiptOutcome.invalid : ReceiptOutcome.delivered)
    const sends = [1, 2, 3].map(number => alice.sendWithReceipt('', number))
    const results = await net.until(Promise.allSettled(sends))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  test('is not sent where none is wanted', async () => {
    const { net, alice, raw } = await besieged()
    raw.send([Payload.message | 1, 0, 0, 1, 0x61])
    await net.advance(10)
    alice.messenger.receipt(alice.messages[0]!.receipt, ReceiptOutcome.delivered)
    await net.advance(10)
    expect(raw.of('receipt')).toEqual([])
  })

  test('that nobody waits for is ignored', async () => {
    const { net, alice, raw } = await besieged()
    raw.send([Frame.receipt, 5, 0], [Frame.receipt, 0, 0])
    await net.advance(10)
    expect(alice.ends).toEqual([])
  })

  test('rejects with the end of the session, whenever it is wanted', async () => {
    const { net, alice } = await messengers()
    const sent = rejection(alice.sendWithReceipt('', 'important'))
    await net.advance(10)
    alice.session.abort(new EarshotError('lost', 'gone'))
    expect(await sent).toMatchObject({ code: 'lost' })
    expect(await rejection(alice.sendWithReceipt('', 'later'))).toMatchObject({ code: 'closed' })
  })
})

// Looked up first, decoded second -----------------------------------------------------------------------------------

test('values that nobody waits for are not decoded', async () => {
  const { net, alice, raw } = await besieged()
  const [ID, NOT_CBOR] = [7, 0xff]
  raw.send(encodeLabel(1, 'what'), [Payload.question | 3, ID, 1, 1, NOT_CBOR])
  raw.send([Payload.answer | 3, ID, 0, 1, NOT_CBOR], [Payload.answerItem | 3, ID, 0, 1, NOT_CBOR])
  await net.advance(10)
  expect(alice.ends).toEqual([])
})

test('a value that somebody waits for and that cannot be decoded cuts the peer off', async () => {
  const { net, alice, raw } = await besieged()
  const asked = rejection(alice.ask('what', 0))
  await net.advance(10)
  raw.send([Payload.answer | 3, 1, 0, 1, 0xff])
  expect(await net.until(asked)).toMatchObject({ code: 'protocol-violation' })
})

// The rest ------------------------------------------------------------------------------------------------------------

test('pings have their limits', async () => {
  const { net, alice, raw } = await besieged()
  expect(await net.until(rejection(alice.messenger.ping({ timeoutMs: 500, signal: undefined })))).toMatchObject({
    code: 'timeout',
  })
  expect(raw.of('number')).toHaveLength(1)
})

test('changed info and presence are passed on', async () => {
  const { net, alice, bert } = await messengers()
  alice.session.info('{"a":1}')
  await net.advance(10)
  bert.messenger.onPresence('quiet')
  expect([bert.infos, bert.presences]).toEqual([['{"a":1}'], ['quiet']])
})

test('the end tells who ended it and why, and everything that was open rejects with that', async () => {
  const { net, alice, bert } = await messengers()
  bert.answers.set('slow', () => new Promise(() => {}))
  const open = [alice.ask('slow', 0), alice.sendWithReceipt('', 1), alice.askStream('slow', 0).next()].map(rejection)
  await net.advance(10)
  void bert.session.close('kicked', 'too loud')

  const errors = await net.until(Promise.all(open))
  for (const error of errors) expect(error).toMatchObject({ code: 'closed', reason: 'too loud' })
  expect(alice.ends).toMatchObject([{ code: 'kicked', reason: 'too loud', byPeer: true }])
})

describe('a peer that breaks the rules is cut off:', () => {
  test.each<[string, readonly (Uint8Array | readonly number[])[]]>([
    ['a message on a channel that was never named', [[Payload.message, 1, 0, 0]]],
    ['a question that was never named', [[Payload.question, 1, 1, 0]]],
    ['a text that is not UTF-8', [[Payload.message | 1, 0, 0, 1, 0xff]]],
    ['JSON that is none', [[Payload.message | 2, 0, 0, 1, 0x7b]]],
    ['CBOR that is none', [[Payload.message | 3, 0, 0, 1, 0xff]]],
    ['a reason that is too long', [[Payload.answerError, 1, 0, 0x42, 0x01, ...new Uint8Array(513)]]],
  ])('%s', async (_, parts) => {
    const { net, alice, raw } = await besieged()
    raw.send(...parts)
    await net.advance(2_000)
    expect(alice.ends).toMatchObject([{ code: 'protocol-violation', error: { code: 'protocol-violation' } }])
    expect(raw.of('goodbye')).toHaveLength(1)
  })
})

test('answers nobody asked for are ignored, of every kind', async () => {
  const { net, alice, raw } = await besieged()
  const types = [Payload.answer | 2, Payload.answerItem | 2, Payload.answerEnd, Payload.answerError]
  for (const id of [0, 1, 63]) for (const type of types) raw.send([type, id, 0, 1, 0x30])
  raw.send([Frame.cancel, 1], [Frame.pull, 1, 5])
  await net.advance(10)
  expect(alice.ends).toEqual([])
})

test('a name that looks like a property of objects is a name like any other', async () => {
  const { net, alice, bert } = await messengers()
  for (const name of ['__proto__', 'constructor', 'toString']) {
    alice.send(name, name)
    expect(await net.until(rejection(alice.ask(name, 0)))).toMatchObject({ code: 'no-answer' })
  }
  expect(bert.messages.map(({ channel }) => channel)).toEqual(['__proto__', 'constructor', 'toString'])
})

test('a label is told once in each direction, before what uses it', async () => {
  const { net, alice, raw } = await besieged()
  alice.send('a', 1)
  alice.send('a', 2)
  alice.ask('a', 3).catch(() => {})
  await net.advance(10)
  expect(raw.frames.map(({ kind }) => kind)).toEqual(['label', 'payload', 'payload', 'payload'])
  raw.send(encodeLabel(1, 'b'), [Payload.message | 1, 1, 0, 0])
  await net.advance(10)
  expect(alice.messages).toMatchObject([{ channel: 'b', data: '' }])
})
