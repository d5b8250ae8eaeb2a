import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError, ERROR_CODES } from '../errors.ts'
import { MAX_HANDSHAKE_MESSAGE_BYTES } from '../limits.ts'
import { alertError, alertFor, encodeAlert } from './handshake-alert.ts'
import { encodeFrame, type HandshakeFrame, HandshakeReader } from './handshake-frame.ts'

function readAll(reader: HandshakeReader): HandshakeFrame[] {
  const frames: HandshakeFrame[] = []
  for (let frame = reader.takeFrame(); frame !== undefined; frame = reader.takeFrame()) frames.push(frame)
  return frames
}

describe('HandshakeReader', () => {
  const body = fc.uint8Array({ minLength: 1, maxLength: MAX_HANDSHAKE_MESSAGE_BYTES })

  test('gives the frames back however the bytes are cut, and keeps what lies behind them', () => {
    fc.assert(
      fc.property(fc.array(body, { maxLength: 4 }), fc.array(fc.nat(5000), { maxLength: 8 }), (bodies, cuts) => {
        const behind = Uint8Array.of(0xff)
        const wire = Buffer.concat([...bodies.map(encodeFrame), behind])
        const edges = [0, ...cuts.map(cut => cut % wire.length).sort((a, b) => a - b), wire.length]
        const reader = new HandshakeReader()
        const frames: HandshakeFrame[] = []
        for (let i = 1; i < edges.length; i++) {
          reader.push(wire.subarray(edges[i - 1], edges[i]))
          frames.push(...readAll(reader))
        }
        expect(frames.map(frame => frame.kind === 'message' && Buffer.from(frame.body))).toEqual(
          bodies.map(body => Buffer.from(body)),
        )
        expect(Buffer.compare(reader.pending, behind)).toBe(0)
      }),
    )
  })

  test('takes an alert between frames', () => {
    const reader = new HandshakeReader()
    reader.push(Buffer.concat([encodeFrame(Uint8Array.of(7)), encodeAlert('busy'), Uint8Array.of(9)]))
    expect(readAll(reader).map(frame => (frame.kind === 'alert' ? frame.code : 'message'))).toEqual(['message', 5])
    expect(reader.pending.length).toBe(1)
  })

  test('refuses a message above the limit as soon as its length is there', () => {
    const reader = new HandshakeReader()
    reader.push(Uint8Array.of((MAX_HANDSHAKE_MESSAGE_BYTES + 1) >>> 8, (MAX_HANDSHAKE_MESSAGE_BYTES + 1) & 0xff, 0))
    expect(() => reader.takeFrame()).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
  })

  test('reads any bytes or refuses them', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 }), chunks => {
        const reader = new HandshakeReader()
        try {
          for (const chunk of chunks) {
            reader.push(chunk)
            readAll(reader)
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol-violation' })
        }
      }),
    )
  })
})

describe('alerts', () => {
  test.each([
    ['version-mismatch', 1, 'version-mismatch'],
    ['wrong-service', 2, 'wrong-service'],
    ['wrong-secret', 3, 'wrong-secret'],
    ['protocol-violation', 4, 'protocol-violation'],
    ['busy', 5, 'limit-reached'],
  ] as const)('%s is the byte %d and means %s to who receives it', (alert, byte, code) => {
    expect(encodeAlert(alert)).toEqual(Uint8Array.of(0, 0, byte))
    expect(alertError(byte)).toMatchObject({ code, hint: expect.stringMatching(/\.$/) })
  })

  test('every other byte is a protocol-violation', () => {
    for (let byte = 0; byte < 256; byte++) expect(alertError(byte)).toBeInstanceOf(EarshotError)
    for (const byte of [0, 6, 255]) expect(alertError(byte).message).toContain(`unknown alert ${byte}`)
  })

  test('tell the other side of four errors and of no other', () => {
    const told = ERROR_CODES.filter(code => alertFor(code) !== undefined)
    expect(told).toEqual(['protocol-violation', 'version-mismatch', 'wrong-secret', 'wrong-service'])
  })
})
