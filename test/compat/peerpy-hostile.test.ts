/** Everything that ends a thread of the real program, or hangs it: our peer says a code, closes that connection, and lives. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeHello } from '../../src/compat/peerpy/hello.ts'
import { MessageReader } from '../../src/compat/peerpy/message-reader.ts'
import { encodePickle } from '../../src/compat/peerpy/pickle-encode.ts'
import { EarshotError } from '../../src/errors.ts'
import { ByteQueue } from '../../src/wire/byte-queue.ts'
import { ascii, header, logOf, onPeerpyStage, type PeerpyStage, type Scripted } from './peerpy-stage.ts'

const HELLO = 'HELLO|peer_name=10.77.0.2:51002&data_type=json&strict=True'

/** A caller that has been accepted. */
async function accepted(stage: PeerpyStage, hello = HELLO): Promise<{ log: string[]; caller: Scripted }> {
  const ada = await stage.listen('ada')
  const log = logOf(ada)
  const caller = await stage.dial('mallory', ada.address)
  caller.say(hello)
  await stage.net.advance(20)
  expect(caller.text).toMatch(/^ACCEPT\|+$/)
  log.length = 0
  return { log, caller }
}

/** The peer still takes others. */
async function lives(stage: PeerpyStage): Promise<void> {
  const friend = await stage.listen(`friend`)
  await (await friend.connect('10.77.0.1:51000')).send('hello')
  await stage.net.advance(50)
}

describe('instead of HELLO', () => {
  test.each([
    ['a type that is not known', [header('BONJOUR|a=1')], 'no type of header'],
    ['another type', [header('PING')], 'begins with HELLO'],
    [
      'an unknown data type',
      [header('HELLO|peer_name=10.77.0.2:1&data_type=video&strict=True')],
      'data_type is "video"',
    ],
    ['a field without =', [header('HELLO|peer_name')], 'where key=value belongs'],
    ['no name', [header('HELLO|data_type=json&strict=True')], 'lacks the field peer_name'],
    ['a name that is none', [header('HELLO|peer_name=ada&data_type=json&strict=True')], 'peer_name is "ada"'],
    ['bytes that are not UTF-8', [new Uint8Array(128).fill(0xff)], 'not well-formed UTF-8'],
    ['HTTP', [ascii(`GET / HTTP/1.1\r\n${'Header: x\r\n'.repeat(20)}\r\n`)], 'no type of header'],
    [
      'a header cut by a border',
      [header(HELLO.replace('json', 'jsom')).subarray(0, 60), header(HELLO.replace('json', 'jsom')).subarray(60)],
      'data_type is "jsom"',
    ],
  ])('%s: told, and the connection reset', async (_, segments, message) => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const log = logOf(ada)
      const caller = await stage.dial('mallory', ada.address)
      for (const segment of segments) {
        caller.say(segment)
        await stage.net.advance(5)
      }
      await stage.net.advance(50)
      expect(caller.ends).toEqual(['lost'])
      expect(log.at(-1)).toMatch(/^warning protocol-violation: a caller from 10\.77\.0\.2:\d+ was cut off/)
      expect(log.at(-1)).toContain(message)
      expect(ada.connections).toEqual([])
      await lives(stage)
    })
  })

  test('nothing: cut off after the time-out, without a word', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const log = logOf(ada)
      const caller = await stage.dial('mallory', ada.address)
      caller.say(ascii('HEL'))
      await stage.net.advance(1_900)
      expect(caller.ends).toEqual([])
      await stage.net.advance(200)
      expect([caller.ends, log.length]).toEqual([['lost'], 1])
      await lives(stage)
    })
  })

  test('a header in two segments, and one together with messages, are taken', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const log = logOf(ada)
      const caller = await stage.dial('mallory', ada.address)
      caller.say(header(HELLO).subarray(0, 1))
      await stage.net.advance(50)
      caller.say(
        header(HELLO).subarray(1),
        'DATA|data_size=12&data_type=json',
        ascii('{"data": ""}'),
        'PING',
        ascii('DATA|data_si'),
      )
      await stage.net.advance(50)
      expect(log.slice(-2)).toEqual(['connection 10.77.0.2:51002 json', 'data 10.77.0.2:51002 ""'])
    })
  })

  test('keys that end a thread of the program are nothing here', async () => {
    await onPeerpyStage(async stage => {
      await accepted(stage, `${HELLO}&sock=1&peer=2&buffer_size=x`)
    })
  })

  test('more than may come before ACCEPT: cut off', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada', { admit: () => new Promise(() => {}) })
      const log = logOf(ada)
      const caller = await stage.dial('mallory', ada.address)
      caller.say(HELLO, new Uint8Array(70_000))
      await stage.net.advance(200)
      expect(caller.ends).toEqual(['lost'])
      expect(log.at(-1)).toContain('bytes came before ACCEPT')
    })
  })

  test('a hundred callers from one address: so many wait, the rest is reset', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const callers = await Promise.all(Array.from({ length: 100 }, () => stage.dial('mallory', ada.address)))
      await stage.net.advance(20)
      expect(callers.filter(({ ends }) => ends.length === 0)).toHaveLength(32)
      await lives(stage)
    })
  })
})

describe('in a connection', () => {
  test.each([
    ['an unknown type', [header('FOO|a=1')], 'no type of header'],
    ['a size that is none', [header('DATA|data_size=many&data_type=json')], 'data_size is "many"'],
    ['a negative size', [header('DATA|data_size=-1&data_type=json')], 'data_size is "-1"'],
    ['an oversized frame', [header('DATA|data_size=8388609&data_type=json')], 'data_size is "8388609"'],
    ['a size of 4 GB', [header('DATA|data_size=4294967296&data_type=json')], 'data_size is'],
    ['an unknown data type', [header('DATA|data_size=1&data_type=video')], 'data_type is "video"'],
    ['a missing field', [header('DATA|data_size=1')], 'lacks the field data_type'],
    ['JSON that is none', [header('DATA|data_size=5&data_type=json'), ascii('{"dat')], 'json has'],
    ['JSON without data', [header('DATA|data_size=2&data_type=json'), ascii('{}')], 'the key data'],
    ['an empty JSON payload', [header('DATA|data_size=0&data_type=json')], 'nothing more'],
    ['bytes that are no header', [new Uint8Array(256).fill(7)], 'no type of header'],
  ])('%s: a code, and that connection is closed', async (_, segments, message) => {
    await onPeerpyStage(async stage => {
      const { log, caller } = await accepted(stage)
      for (const segment of segments) caller.say(segment)
      await stage.net.advance(50)
      expect(log[0]).toBe('close 10.77.0.2:51002 protocol-violation')
      expect(log[1]).toContain('warning protocol-violation: 10.77.0.2:51002: ')
      expect(log[1]).toContain(message)
      expect(caller.ends).toEqual(['lost'])
      await lives(stage)
    })
  })

  test.each([
    ['a call', ascii('cos\nsystem\n(Vid\ntR.'), 'GLOBAL'],
    [
      'a bomb',
      Buffer.concat(
        [
          ascii('('),
          ...Array.from({ length: 20 }, (_, i) =>
            ascii(`]\x94(${i === 0 ? 'K\x01K\x01' : `h${String.fromCharCode(i - 1)}`.repeat(10)}e`),
          ),
          Uint8Array.of(0x6c, 0x2e),
        ].map(part => Buffer.from(part)),
      ),
      '',
    ],
  ])('a pickle with %s: refused by name, nothing is called', async (_, pickle, name) => {
    await onPeerpyStage(async stage => {
      const { log, caller } = await accepted(stage, HELLO.replace('json', 'raw'))
      caller.say(`DATA|data_size=${pickle.length}&data_type=raw`, pickle)
      await stage.net.advance(50)
      expect(log[0]).toBe('close 10.77.0.2:51002 protocol-violation')
      expect(log[1]).toContain(name)
      await lives(stage)
    })
  })

  test('other headers are signs of life, and a frame of another type is left out whole', async () => {
    await onPeerpyStage(async stage => {
      const { log, caller } = await accepted(stage)
      const pickle = encodePickle('PING|'.repeat(60))
      caller.say('PING', 'HELLO|peer_name=x', 'ACCEPT', 'DENY', 'PONG')
      caller.say(`DATA|data_size=${pickle.length}&data_type=raw`, pickle.subarray(0, 100))
      await stage.net.advance(20)
      caller.say(pickle.subarray(100), 'DATA|data_size=11&data_type=json', ascii('{"data": 1}'))
      await stage.net.advance(50)
      expect(log).toEqual([
        `warning protocol-violation: 10.77.0.2:51002 sent ${pickle.length} bytes of raw on a strict connection of json: left out`,
        'data 10.77.0.2:51002 1',
      ])
    })
  })

  test('a frame of another type is taken where the connection is not strict', async () => {
    await onPeerpyStage(async stage => {
      const { log, caller } = await accepted(stage, HELLO.replace('strict=True', 'strict=False'))
      caller.say('DATA|data_size=3&data_type=bytes', Uint8Array.of(1, 2, 3))
      const pickle = encodePickle([1])
      caller.say(`DATA|data_size=${pickle.length}&data_type=raw`, pickle)
      await stage.net.advance(50)
      expect(log).toEqual(['data 10.77.0.2:51002 010203', 'data 10.77.0.2:51002 [1]'])
    })
  })

  test('parts of messages are held within bounds', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const log = logOf(ada)
      const callers: Scripted[] = []
      for (let i = 0; i < 10; i++) {
        const caller = await stage.dial('mallory', ada.address)
        caller.say(HELLO.replace('51002', String(51_002 + i)))
        await stage.net.advance(20)
        caller.say('DATA|data_size=8388608&data_type=json', new Uint8Array(8_388_600))
        callers.push(caller)
        await stage.net.advance(2_000)
      }
      expect(log.filter(line => line.startsWith('warning limit-reached')).length).toBeGreaterThan(0)
      expect(ada.connections.length).toBeGreaterThan(5)
      expect(ada.connections.length).toBeLessThan(10)
    })
  })

  test('FIN is the end for both sides, noticed at once', async () => {
    await onPeerpyStage(async stage => {
      const { log, caller } = await accepted(stage)
      caller.tcp.end()
      await stage.net.advance(10)
      expect(log).toEqual(['close 10.77.0.2:51002 orderly'])
    })
  })

  test('the answer to our HELLO may be anything', async () => {
    for (const [answer, code] of [
      [header('PONG'), 'protocol-violation'],
      [header('FOO'), 'protocol-violation'],
      [new Uint8Array(128).fill(0xff), 'protocol-violation'],
      [ascii('ACC'), 'timeout'],
    ] as const) {
      await onPeerpyStage(async stage => {
        const ada = await stage.listen('ada')
        const { address, called } = await stage.accept('mallory', 51_002)
        const connecting = ada.connect(address).then(
          () => 'connected',
          (error: EarshotError) => error.code,
        )
        ;(await called).say(answer)
        expect(await connecting).toBe(code)
      })
    }
  })
})

test('any bytes, in any pieces, are read or refused, and the pieces do not matter', () => {
  const part = fc.oneof(
    fc
      .constantFrom(
        'PING',
        'DATA|data_size=3&data_type=bytes',
        'DATA|data_size=12&data_type=json',
        'DATA|data_size=3',
        'ACCEPT',
        'FOO',
      )
      .map(header),
    fc.uint8Array({ maxLength: 12 }),
    fc.constant(ascii('{"data": ""}')),
    fc.uint8Array({ minLength: 100, maxLength: 200 }),
  )
  const terms = fc.constantFrom(
    HELLO,
    HELLO.replace('True', 'False'),
    `${HELLO.replace('json', 'bytes')}&stream=True`,
    `${HELLO.replace('json', 'bytes')}&stream=True&data_size=5`,
  )
  const read = (hello: string, pieces: readonly Uint8Array[]): string => {
    const queue = new ByteQueue()
    const agreed = decodeHello({
      type: 'HELLO',
      fields: new Map(
        hello
          .slice(6)
          .split('&')
          .map(pair => pair.split('=') as [string, string]),
      ),
    })
    const reader = new MessageReader(queue, agreed, { bytes: agreed.streamSizeBytes })
    const seen: string[] = []
    try {
      for (const piece of pieces) {
        queue.push(piece)
        for (let next = reader.next(); next !== undefined; next = reader.next())
          seen.push(next.kind === 'message' ? `${next.dataType} ${Buffer.from(next.bytes).toString('hex')}` : next.kind)
      }
    } catch (error) {
      expect(error).toBeInstanceOf(EarshotError)
      expect((error as EarshotError).code).toBe('protocol-violation')
      seen.push('violation')
    }
    return seen.join('\n')
  }
  fc.assert(
    fc.property(terms, fc.array(part, { maxLength: 12 }), fc.integer({ min: 1, max: 200 }), (hello, parts, size) => {
      const whole = Buffer.concat(parts)
      const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
        whole.subarray(i * size, (i + 1) * size),
      )
      const once = read(hello, [whole])
      // On a stream a PING is told from data only where it comes in one piece, as the program sends it.
      if (!hello.includes('stream')) expect(read(hello, pieces)).toBe(once)
      else read(hello, pieces)
    }),
    { numRuns: 1_000 },
  )
})
