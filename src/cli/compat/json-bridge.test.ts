import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { Interrupt } from '../interrupt.ts'
import { Output } from '../output.ts'
import { base64Field, booleanField, numberField, optionalField, payloadOf, textField } from './command-fields.ts'
import { JsonBridge, type JsonBridgeOptions, type Operation } from './json-bridge.ts'

interface Bridge {
  readonly input: PassThrough
  readonly bridge: JsonBridge
  readonly interrupt: Interrupt
  readonly ended: Promise<void>
  readonly lines: string[]
}

function start(operations: Record<string, Operation>, options: Partial<JsonBridgeOptions> = {}, json = true): Bridge {
  const lines: string[] = []
  const stdout = { write: (text: string) => lines.push(text.trimEnd()) }
  const output = new Output({ stdout, stderr: { write() {} }, json, env: {} })
  const interrupt = new Interrupt(() => {})
  const settings = {
    name: undefined,
    room: undefined,
    json,
    timeoutMs: undefined,
    interfaces: [],
    secret: undefined,
    peers: [],
    internet: { rendezvous: [], stun: [], turn: [], direct: undefined, relayBudgetBytes: undefined },
  }
  const bridge = new JsonBridge({ settings, output, interrupt }, { operations, ...options })
  const input = new PassThrough()
  return { input, bridge, interrupt, ended: bridge.run(input), lines }
}

test('commands start in the order of their lines, and none waits for the one before', async () => {
  const said: unknown[] = []
  let finish = () => {}
  const { input, ended } = start({
    slow: () => new Promise<void>(resolve => (finish = resolve)).then(() => said.push('slow')),
    quick: ({ data }) => said.push(data),
  })
  input.end('{"op":"slow"}\n\n{"op":"quick","data":1}\r\n{"op":"quick","data":[2]}')
  await new Promise(resolve => input.once('close', resolve))
  finish()
  await ended
  expect(said).toEqual([1, [2], 'slow'])
})

test('close ends it when all that was begun is done, and nothing behind it is obeyed', async () => {
  const said: string[] = []
  const { input, ended } = start({ say: async () => void said.push('said') })
  input.write('{"op":"say"}\n{"op":"close"}\n{"op":"say"}\n')
  await ended
  expect(said).toEqual(['said'])
})

test.each([
  ['no JSON', 'a line is one JSON object: '],
  ['[1]', 'a line is one JSON object, not [1]'],
  ['null', 'a line is one JSON object, not null'],
  ['{}', 'op must be one of fail, close, not null'],
  ['{"op":"dance"}', 'op must be one of fail, close, not "dance"'],
  ['{"op":"toString"}', 'op must be one of fail, close, not "toString"'],
  ['{"op":1}', 'op must be one of fail, close, not 1'],
])('the line %s is an error of usage, and the bridge goes on', async (line, message) => {
  const { input, ended, lines } = start({ fail: () => {} })
  input.end(`${line}\n{"op":"fail"}\n`)
  await ended
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0]!)).toMatchObject({ event: 'error', code: 'usage' })
  expect(JSON.parse(lines[0]!).message).toContain(message)
})

test('what an operation throws or rejects with is told, under the code of the bridge', async () => {
  const { input, ended, lines } = start(
    {
      throw: () => {
        throw new RangeError('port must be …')
      },
      reject: async () => {
        throw new EarshotError('refused', 'no', { hint: 'Ask again.' })
      },
      lose: () => Promise.reject(new EarshotError('lost', 'gone')),
    },
    { errorCodes: { refused: 'denied' } },
  )
  input.end('{"op":"throw"}\n{"op":"reject"}\n{"op":"lose"}\n')
  await ended
  expect(lines.map(line => JSON.parse(line))).toEqual([
    { event: 'error', code: 'usage', message: 'port must be …' },
    { event: 'error', code: 'denied', message: 'no', hint: 'Ask again.' },
    { event: 'error', code: 'lost', message: 'gone' },
  ])
})

test('Ctrl-C ends it at once, without a word about what that cut off', async () => {
  let fail = (_: unknown) => {}
  const { input, interrupt, ended, lines } = start({ wait: () => new Promise((_, reject) => (fail = reject)) })
  input.write('{"op":"wait"}\n')
  await new Promise(resolve => setImmediate(resolve))
  interrupt.trigger()
  await ended
  fail(new Error('cut off'))
  await new Promise(resolve => setImmediate(resolve))
  expect(lines).toEqual([])
})

test('without --json people get a line, made safe for a terminal', async () => {
  const { bridge, input, ended, lines } = start({}, {}, false)
  bridge.tell('message', { from: '10.0.0.2:51002', data: { text: 'a\u001b[2Jb' }, empty: undefined })
  bridge.tell('peer', { id: 'x\ny' })
  input.end()
  await ended
  expect(lines).toEqual(['message: from 10.0.0.2:51002, data {"text":"a\\u001b[2Jb"}', 'peer: id x␊y'])
})

test('fields are checked, and named where they are wrong', () => {
  const command = { text: 'a', flag: false, count: 2, bytes: 'AAE=', bad: 'AAE' }
  expect([textField(command, 'text'), booleanField(command, 'flag'), numberField(command, 'count')]).toEqual([
    'a',
    false,
    2,
  ])
  expect(base64Field(command, 'bytes')).toEqual(new Uint8Array([0, 1]))
  expect(optionalField(command, 'none', textField)).toBeUndefined()
  expect(() => textField(command, 'flag')).toThrow('flag must be a text, not false')
  expect(() => booleanField(command, 'none')).toThrow('none must be true or false, not null')
  expect(() => numberField(command, 'text')).toThrow('text must be a number, not "a"')
  expect(() => base64Field(command, 'bad')).toThrow('bad must be base64 with its padding, not "AAE"')
})

test('a payload is data or bytes', () => {
  expect(payloadOf({ data: null })).toBe(null)
  expect(payloadOf({ bytes: '' })).toEqual(new Uint8Array())
  expect(() => payloadOf({})).toThrow('data is missing, or bytes')
  expect(() => payloadOf({ data: 1, bytes: '' })).toThrow('not both')
})
