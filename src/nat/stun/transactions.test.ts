import { describe, expect, test } from 'vitest'
import { type SimulatedNetwork, simulate } from '../../testing/index.ts'
import { errorCodeAttribute } from './attribute.ts'
import { ATTRIBUTE } from './attribute-type.ts'
import {
  decodeStunMessage,
  encodeStunMessage,
  METHOD,
  type ReceivedStunMessage,
  type StunEncoding,
  type StunMessage,
} from './message.ts'
import { RELIABLE_TIMEOUT_MS, retransmissionDelays } from './retransmission.ts'
import { type StunRequest, StunTransactions } from './transactions.ts'

const server = { address: '192.0.2.1', port: 3478 }
const integrity = { algorithm: 'sha1', key: Uint8Array.of(1, 2, 3) } as const

interface Stage {
  readonly net: SimulatedNetwork
  readonly transactions: StunTransactions
  /** When each request left. */
  readonly sentAt: number[]
  readonly sent: ReceivedStunMessage[]
}

function stage(delaysMs = retransmissionDelays()): Stage {
  const net = simulate({ seed: 1 })
  const { clock, random } = net.host('ada').network
  const [sentAt, sent]: [number[], ReceivedStunMessage[]] = [[], []]
  const transmit = (bytes: Uint8Array) => {
    sentAt.push(net.now)
    sent.push(decodeStunMessage(bytes))
  }
  return { net, transactions: new StunTransactions({ clock, random, transmit, delaysMs }), sentAt, sent }
}

const binding: StunRequest = { method: METHOD.binding, to: server }

function answer(
  request: StunMessage,
  changes: Partial<StunMessage> = {},
  encoding: StunEncoding = {},
): ReceivedStunMessage {
  const { method, transactionId } = request
  return decodeStunMessage(
    encodeStunMessage({ class: 'success', method, transactionId, attributes: [], ...changes }, encoding),
  )
}

describe('a request', () => {
  test('is sent seven times and given up after 39.5 s', async () => {
    const { net, transactions, sentAt, sent } = stage()
    await expect(net.until(transactions.request(binding))).rejects.toMatchObject({
      code: 'timeout',
      message: 'no answer from 192.0.2.1:3478 within 39500 ms',
    })
    expect(sentAt).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 31_500])
    expect(new Set(sent.map(({ transactionId }) => String(transactionId))).size).toBe(1)
    expect(transactions.size).toBe(0)
  })

  test('over a reliable transport is sent once', async () => {
    const { net, transactions, sentAt } = stage([RELIABLE_TIMEOUT_MS])
    await expect(net.until(transactions.request(binding))).rejects.toMatchObject({ code: 'timeout' })
    expect([sentAt, net.now]).toEqual([[0], 39_500])
  })

  test('ends with its response, and is not sent again', async () => {
    const { net, transactions, sentAt, sent } = stage()
    const responding = transactions.request(binding)
    await net.advance(600)
    expect(transactions.receive(answer(sent[0]!), server)).toBe(true)
    const { from, rttMs, requests, message } = await responding
    expect({ from, rttMs, requests, class: message.class }).toEqual({
      from: server,
      rttMs: 600,
      requests: 2,
      class: 'success',
    })
    await net.advance(60_000)
    expect(sentAt).toEqual([0, 500])
  })

  test('hears an error as well', async () => {
    const { transactions, sent } = stage()
    const responding = transactions.request(binding)
    const attributes = [errorCodeAttribute({ code: 500, reason: 'Server Error' })]
    transactions.receive(answer(sent[0]!, { class: 'error', attributes }), server)
    expect((await responding).message.class).toBe('error')
  })

  test('has an id that no other has', async () => {
    const { net, transactions, sent } = stage()
    const both = [transactions.request(binding), transactions.request(binding)]
    expect(sent[0]!.transactionId).not.toEqual(sent[1]!.transactionId)
    transactions.receive(answer(sent[1]!), server)
    transactions.receive(answer(sent[0]!), server)
    expect(await net.until(Promise.all(both))).toHaveLength(2)
  })

  test('can be aborted, before and after it was sent', async () => {
    const { net, transactions, sentAt } = stage()
    const reason = new Error('enough')
    await expect(transactions.request({ ...binding, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(sentAt).toEqual([])
    const controller = new AbortController()
    const responding = transactions.request({ ...binding, signal: controller.signal })
    controller.abort(reason)
    await expect(responding).rejects.toBe(reason)
    await net.advance(60_000)
    expect([sentAt, transactions.size]).toEqual([[0], 0])
  })

  test('ends when all are closed', async () => {
    const { transactions } = stage()
    const responding = transactions.request(binding)
    const reason = new Error('closed')
    transactions.close(reason)
    await expect(responding).rejects.toBe(reason)
    await expect(transactions.request(binding)).rejects.toBe(reason)
  })
})

describe('what is no response to it', () => {
  const forged: readonly [string, (request: ReceivedStunMessage) => [ReceivedStunMessage, typeof server]][] = [
    ['from another address', request => [answer(request), { ...server, address: '192.0.2.2' }]],
    ['from another port', request => [answer(request), { ...server, port: 1 }]],
    ['with another id', request => [answer({ ...request, transactionId: new Uint8Array(12) }), server]],
    ['with another method', request => [answer(request, { method: METHOD.allocate }), server]],
    ['of another class', request => [answer(request, { class: 'indication' }), server]],
  ]

  test.each(forged)('%s is ignored', async (_, forge) => {
    const { net, transactions, sent } = stage()
    const responding = transactions.request(binding)
    transactions.receive(...forge(sent[0]!))
    await net.advance(400)
    transactions.receive(answer(sent[0]!), server)
    expect((await responding).rttMs).toBe(400)
  })

  test('from another address counts where it was asked for', async () => {
    const { transactions, sent } = stage()
    const responding = transactions.request({ ...binding, fromAnywhere: true })
    const other = { address: '192.0.2.2', port: 3479 }
    transactions.receive(answer(sent[0]!), other)
    expect((await responding).from).toEqual(other)
  })

  test('that comes late or twice is not used', async () => {
    const { transactions, sent } = stage()
    const responding = transactions.request(binding)
    expect(transactions.receive(answer(sent[0]!), server)).toBe(true)
    await responding
    expect(transactions.receive(answer(sent[0]!), server)).toBe(false)
  })

  test('that must be understood and is not, ends it', async () => {
    const { transactions, sent } = stage()
    const responding = transactions.request(binding)
    transactions.receive(answer(sent[0]!, { attributes: [{ type: 0x7f00, value: new Uint8Array() }] }), server)
    await expect(responding).rejects.toMatchObject({
      code: 'protocol-violation',
      message: expect.stringContaining('0x7f00'),
    })
  })
})

describe('a signed request', () => {
  test('takes a signed response only', async () => {
    const { net, transactions, sent } = stage()
    const responding = transactions.request({ ...binding, integrity })
    transactions.receive(answer(sent[0]!), server)
    transactions.receive(answer(sent[0]!, {}, { integrity: { ...integrity, key: Uint8Array.of(9) } }), server)
    const unsigned = [errorCodeAttribute({ code: 437, reason: '' })]
    transactions.receive(answer(sent[0]!, { class: 'error', attributes: unsigned }), server)
    transactions.receive(answer(sent[0]!, { class: 'error', attributes: [] }), server)
    const malformed = [{ type: ATTRIBUTE.errorCode, value: Uint8Array.of(1) }]
    transactions.receive(answer(sent[0]!, { class: 'error', attributes: malformed }), server)
    await net.advance(100)
    expect(transactions.size).toBe(1)
    transactions.receive(answer(sent[0]!, {}, { integrity }), server)
    expect((await responding).message.class).toBe('success')
  })

  test.each([300, 400, 401, 438])('takes the error %i unsigned, since its sender may not know the key', async code => {
    const { transactions, sent } = stage()
    const responding = transactions.request({ ...binding, integrity })
    transactions.receive(
      answer(sent[0]!, { class: 'error', attributes: [errorCodeAttribute({ code, reason: '' })] }),
      server,
    )
    expect((await responding).message.class).toBe('error')
  })

  test('says so when all answers were forged', async () => {
    const { net, transactions, sent } = stage()
    const responding = transactions.request({ ...binding, integrity })
    transactions.receive(answer(sent[0]!), server)
    await expect(net.until(responding)).rejects.toMatchObject({ code: 'untrusted-peer' })
  })
})
