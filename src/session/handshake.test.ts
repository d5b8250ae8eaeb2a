import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SIGNATURE_BYTES } from '../crypto/ed25519.ts'
import { X25519KeyPair } from '../crypto/x25519.ts'
import { EarshotError, type ErrorCode } from '../errors.ts'
import { Identity } from '../identity/identity.ts'
import type { Random } from '../platform/random.ts'
import { type HandshakeStep, InitiatorHandshake, ResponderHandshake, type SecureChannel } from './handshake.ts'
import { encodeAlert } from './handshake-alert.ts'
import { encodeFrame } from './handshake-frame.ts'
import { HandshakeParty, type HandshakePartyOptions } from './handshake-party.ts'
import { HandshakeState } from './noise/handshake-state.ts'
import { encodePreamble } from './preamble.ts'

/** Bytes that count up: every key differs, every run is the same. */
function countingRandom(start: number): Random {
  let next = start
  return { bytes: length => new Uint8Array(length).fill(next++), fraction: () => 0.5 }
}

function party(start: number, options: Partial<HandshakePartyOptions> = {}): HandshakeParty {
  const random = countingRandom(start)
  return new HandshakeParty({ identity: new Identity(random.bytes(32)), service: 'chat', random, ...options })
}

const ada = party(1)
const bob = party(100)
const psk = new Uint8Array(32).fill(9)
const NOTHING = new Uint8Array(0)

/** Lets two sides talk until both have an outcome, each flight cut into pieces by `cut`. */
function talk(
  initiator: InitiatorHandshake,
  responder: ResponderHandshake,
  cut: (bytes: Uint8Array) => Uint8Array[] = bytes => [bytes],
): { initiator: HandshakeStep; responder: HandshakeStep } {
  let ofInitiator: HandshakeStep = { kind: 'waiting', send: initiator.start() }
  let ofResponder: HandshakeStep = { kind: 'waiting', send: undefined }
  const deliver = (bytes: Uint8Array, to: InitiatorHandshake | ResponderHandshake) => {
    const steps = cut(bytes).map(piece => to.push(piece))
    return steps.find(step => step.kind !== 'waiting' || step.send !== undefined) ?? steps.at(-1)!
  }
  while (ofInitiator.send !== undefined || ofResponder.send !== undefined) {
    const toResponder: Uint8Array | undefined = ofInitiator.send
    const toInitiator: Uint8Array | undefined = ofResponder.send
    ofInitiator = { ...ofInitiator, send: undefined }
    ofResponder = { ...ofResponder, send: undefined }
    if (toResponder !== undefined && ofResponder.kind === 'waiting') ofResponder = deliver(toResponder, responder)
    if (toInitiator !== undefined && ofInitiator.kind === 'waiting') ofInitiator = deliver(toInitiator, initiator)
  }
  return { initiator: ofInitiator, responder: ofResponder }
}

function channelOf(step: HandshakeStep): SecureChannel {
  if (step.kind !== 'established')
    throw step.kind === 'failed' ? step.error : new Error(`The handshake is ${step.kind}`)
  return step.channel
}

function failureOf(step: HandshakeStep): EarshotError {
  if (step.kind !== 'failed') throw new Error(`The handshake is ${step.kind}`)
  return step.error
}

function connect(
  initiator: HandshakeParty,
  responder: HandshakeParty,
  cut?: (bytes: Uint8Array) => Uint8Array[],
): [SecureChannel, SecureChannel] {
  const steps = talk(new InitiatorHandshake(initiator), new ResponderHandshake(responder), cut)
  return [channelOf(steps.initiator), channelOf(steps.responder)]
}

function refuse(initiator: HandshakeParty, responder: HandshakeParty): [ErrorCode, ErrorCode] {
  const steps = talk(new InitiatorHandshake(initiator), new ResponderHandshake(responder))
  return [failureOf(steps.initiator).code, failureOf(steps.responder).code]
}

const byteByByte = (bytes: Uint8Array) => Array.from(bytes, byte => Uint8Array.of(byte))

describe('a handshake', () => {
  test.each([
    ['without a secret', {}],
    ['with a secret', { psk }],
  ])('%s makes both sides know each other and speak', (_, options) => {
    const [ofAda, ofBob] = connect(party(1, options), party(100, options))
    expect(ofAda.remoteId).toBe(bob.identity.id)
    expect(ofBob.remoteId).toBe(ada.identity.id)
    expect(ofAda.remoteIdentity).toEqual(bob.identity.publicKey)
    expect(ofAda.handshakeHash).toEqual(ofBob.handshakeHash)
    expect([ofAda.version, ofAda.features, ofBob.version, ofBob.features]).toEqual([1, 0, 1, 0])
    const heard: string[] = []
    const hear = (plaintext: Uint8Array) => heard.push(Buffer.from(plaintext).toString())
    ofBob.opener.push(ofAda.sealer.seal(Buffer.from('hello')), hear)
    ofAda.opener.push(ofBob.sealer.seal(Buffer.from('hello back')), hear)
    expect(heard).toEqual(['hello', 'hello back'])
  })

  test('works however TCP cuts the flights, byte by byte too', () => {
    const [ofAda, ofBob] = connect(ada, bob, byteByByte)
    expect(ofAda.remoteId).toBe(bob.identity.id)
    expect(ofBob.handshakeHash).toEqual(ofAda.handshakeHash)
  })

  test('hands over what arrives behind the last message: the first records', () => {
    const initiator = new InitiatorHandshake(ada)
    const responder = new ResponderHandshake(bob)
    const reply = responder.push(initiator.start())
    const last = initiator.push(reply.send!)
    const record = channelOf(last).sealer.seal(Buffer.from('early'))
    const step = responder.push(Buffer.concat([last.send!, record]))
    if (step.kind !== 'established') throw new Error(step.kind)
    expect(Buffer.compare(step.rest, record)).toBe(0)
    step.channel.opener.push(step.rest, plaintext => expect(Buffer.from(plaintext).toString()).toBe('early'))
    expect.assertions(2)
  })

  test('takes the highest version that both sides speak', () => {
    const modern = party(1, { versions: { lowest: 1, highest: 7 } })
    const recent = party(100, { versions: { lowest: 3, highest: 5 } })
    const channels = [connect(modern, recent), connect(recent, modern)].flat()
    expect(channels.map(channel => channel.version)).toEqual([5, 5, 5, 5])
  })

  test('agrees on the features that both sides know', () => {
    const [ofAda, ofBob] = connect(party(1, { features: 0x8000_0006 }), party(100, { features: 0xffff_0003 }))
    expect([ofAda.features, ofBob.features]).toEqual([0x8000_0002, 0x8000_0002])
  })

  test('has other keys every time', () => {
    const hashes = [connect(ada, bob), connect(ada, bob)].map(([channel]) => Buffer.from(channel.handshakeHash))
    expect(hashes[0]).not.toEqual(hashes[1])
  })

  test('ends in untrusted-peer where another peer than the one dialled answers, which learns nothing of the caller', () => {
    const initiator = new InitiatorHandshake(ada, ada.identity.id)
    const reply = new ResponderHandshake(bob).push(initiator.start())
    const step = initiator.push(reply.send!)
    expect(failureOf(step).code).toBe('untrusted-peer')
    expect(failureOf(step).message).toContain(bob.identity.id)
    expect(step.send).toBeUndefined()
    expect(
      channelOf(talk(new InitiatorHandshake(ada, bob.identity.id), new ResponderHandshake(bob)).initiator),
    ).toBeDefined()
  })
})

describe('two sides that do not fit together', () => {
  test('without a common version both learn version-mismatch', () => {
    const modern = party(1, { versions: { lowest: 2, highest: 3 } })
    expect(refuse(modern, bob)).toEqual(['version-mismatch', 'version-mismatch'])
    expect(refuse(ada, party(100, { versions: { lowest: 2, highest: 3 } }))).toEqual([
      'version-mismatch',
      'version-mismatch',
    ])
  })

  test('of different services both learn wrong-service', () => {
    expect(refuse(party(1, { service: 'game' }), bob)).toEqual(['wrong-service', 'wrong-service'])
  })

  test('of which one has a secret both learn wrong-secret', () => {
    expect(refuse(party(1, { psk }), bob)).toEqual(['wrong-secret', 'wrong-secret'])
    expect(refuse(ada, party(100, { psk }))).toEqual(['wrong-secret', 'wrong-secret'])
  })

  test('with different secrets both learn wrong-secret: the responder from the last message, the initiator instead of a record', () => {
    const steps = talk(
      new InitiatorHandshake(party(1, { psk })),
      new ResponderHandshake(party(100, { psk: new Uint8Array(32).fill(8) })),
    )
    expect(failureOf(steps.responder).code).toBe('wrong-secret')
    expect(() => channelOf(steps.initiator).opener.push(encodeAlert('wrong-secret'), () => {})).toThrow(
      expect.objectContaining({ code: 'wrong-secret', hint: expect.stringContaining('same secret') }),
    )
  })

  test('busy reaches the initiator as limit-reached', () => {
    const initiator = new InitiatorHandshake(ada)
    initiator.start()
    const step = initiator.push(encodeAlert('busy'))
    expect(failureOf(step)).toMatchObject({ code: 'limit-reached', hint: expect.stringContaining('again') })
    expect(step.send, 'an alert is not answered').toBeUndefined()
  })
})

describe('a hostile peer', () => {
  /** A step that failed with a violation, and whether it was answered. */
  const violation = (step: HandshakeStep) => {
    expect(failureOf(step).code).toBe('protocol-violation')
    return step.send
  }

  test('that sends garbage is refused at the first wrong byte and gets no answer', () => {
    for (const garbage of ['GET / HTTP/1.1\r\n', 'E\0', 'EARSHOUT', '\x16\x03\x01\x02']) {
      expect(violation(new ResponderHandshake(bob).push(Buffer.from(garbage, 'latin1')))).toBeUndefined()
    }
    const initiator = new InitiatorHandshake(ada)
    initiator.start()
    expect(violation(initiator.push(Buffer.from('HTTP/1.1 400 Bad Request\r\n')))).toEqual(
      encodeAlert('protocol-violation'),
    )
  })

  test('that announces an oversized message is refused before it has sent it', () => {
    const responder = new ResponderHandshake(bob)
    responder.push(encodePreamble(ada))
    expect(violation(responder.push(Uint8Array.of(0x04, 0x01, 0)))).toEqual(encodeAlert('protocol-violation'))
  })

  test('that is cut off leaves the other side waiting, whatever the place', () => {
    const first = new InitiatorHandshake(ada).start()
    for (let cut = 0; cut < first.length; cut++) {
      expect(new ResponderHandshake(bob).push(first.subarray(0, cut))).toEqual({ kind: 'waiting', send: undefined })
    }
    const full = new ResponderHandshake(bob).push(first)
    expect(full.send).toBeDefined()
  })

  test('on the way cannot lower the version or take features away: the changed preamble fails authentication', () => {
    const modern = party(1, { versions: { lowest: 1, highest: 2 }, features: 3 })
    const other = party(100, { versions: { lowest: 1, highest: 2 }, features: 3 })
    for (const [offset, byte] of [
      [8, 1],
      [12, 1],
    ] as const) {
      const initiator = new InitiatorHandshake(modern)
      const flight = initiator.start()
      flight[offset] = byte
      const reply = new ResponderHandshake(other).push(flight)
      expect(reply.kind).toBe('waiting')
      expect(failureOf(initiator.push(reply.send!)).message).toContain('fails authentication')
    }
  })

  test('on the way cannot change the announced version', () => {
    const initiator = new InitiatorHandshake(party(1, { versions: { lowest: 1, highest: 2 } }))
    const reply = new ResponderHandshake(party(100, { versions: { lowest: 1, highest: 2 } })).push(initiator.start())
    reply.send![2] = 1
    expect(failureOf(initiator.push(reply.send!)).message).toBe('Version 1 was announced, but 2 was chosen')
  })

  test('on the way cannot change any bit of any flight unnoticed', () => {
    const handshake = (flip: { flight: number; bit: number }) => {
      const initiator = new InitiatorHandshake(ada)
      const responder = new ResponderHandshake(bob)
      const steps: HandshakeStep[] = []
      let bytes: Uint8Array | undefined = initiator.start()
      for (let flight = 0; flight < 3 && bytes !== undefined; flight++) {
        if (flip.flight === flight) bytes[flip.bit >> 3]! ^= 1 << (flip.bit & 7)
        const step: HandshakeStep = flight === 1 ? initiator.push(bytes) : responder.push(bytes)
        steps.push(step)
        bytes = step.kind === 'failed' ? undefined : step.send
      }
      return steps.at(-1)!
    }
    expect(handshake({ flight: 3, bit: 0 }).kind).toBe('established')
    for (const [flight, bytes] of [19 + 34, 2 + 198, 2 + 160].entries()) {
      for (let bit = 0; bit < bytes * 8; bit += 11) expect(handshake({ flight, bit }).kind).not.toBe('established')
    }
  })

  test('cannot replay the last message of an earlier handshake', () => {
    const record = (responder: ResponderHandshake) => {
      const initiator = new InitiatorHandshake(ada)
      return initiator.push(responder.push(initiator.start()).send!).send!
    }
    const earlier = record(new ResponderHandshake(bob))
    const responder = new ResponderHandshake(bob)
    responder.push(new InitiatorHandshake(ada).start())
    expect(failureOf(responder.push(earlier)).code).toBe('protocol-violation')
  })

  test.each([
    ['0', '00'.repeat(32)],
    ['1', `01${'00'.repeat(31)}`],
    ['of order 8', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
    ['of order 8, the other', '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'],
    ['p - 1', `ec${'ff'.repeat(30)}7f`],
    ['p', `ed${'ff'.repeat(30)}7f`],
    ['p + 1', `ee${'ff'.repeat(30)}7f`],
  ])('cannot force a known secret with the low-order point %s', (_, point) => {
    const message = encodeFrame(Uint8Array.from(Buffer.from(point, 'hex')))
    const step = new ResponderHandshake(bob).push(Buffer.concat([encodePreamble(ada), message]))
    expect(failureOf(step).message).toContain('low order')
  })

  /** A handshake in which the initiator's last payload is `payload`, sent by somebody who has the key `staticKey`. */
  const lastPayload = (payload: Uint8Array, staticKey: X25519KeyPair) => {
    const prologue = encodePreamble(ada)
    const ephemeralKey = new X25519KeyPair(new Uint8Array(32).fill(77))
    const noise = new HandshakeState({ pattern: 'XX', role: 'initiator', prologue, staticKey, ephemeralKey })
    const responder = new ResponderHandshake(bob)
    const reply = responder.push(Buffer.concat([prologue, encodeFrame(noise.writeMessage(NOTHING))]))
    noise.readMessage(reply.send!.subarray(3))
    return responder.push(encodeFrame(noise.writeMessage(payload)))
  }

  test('cannot pass for an identity whose signature it copied', () => {
    expect(lastPayload(ada.proof, ada.staticKey).kind).toBe('established')
    const thief = new X25519KeyPair(new Uint8Array(32).fill(66))
    expect(violation(lastPayload(ada.proof, thief))).toEqual(encodeAlert('protocol-violation'))
  })

  test('cannot pass with a wrong signature, a cut-off proof or a longer one', () => {
    const wrong = ada.proof.slice()
    wrong[40]! ^= 1
    violation(lastPayload(wrong, ada.staticKey))
    violation(lastPayload(new Uint8Array(32 + SIGNATURE_BYTES), ada.staticKey))
    violation(lastPayload(Buffer.concat([ada.proof, NOTHING, Uint8Array.of(0)]), ada.staticKey))
    for (let cut = 0; cut < ada.proof.length; cut++) violation(lastPayload(ada.proof.subarray(0, cut), ada.staticKey))
  })

  /** What an initiator that offers version 1 and feature 1 makes of a responder with this version and payload. */
  const reply = (version: number, payload: Uint8Array) => {
    const initiator = new InitiatorHandshake(party(1, { features: 1 }))
    const first = initiator.start()
    const noise = new HandshakeState({
      pattern: 'XX',
      role: 'responder',
      prologue: first.subarray(0, 19),
      staticKey: bob.staticKey,
      ephemeralKey: bob.newKey(),
    })
    noise.readMessage(first.subarray(21))
    return initiator.push(encodeFrame(Buffer.concat([Uint8Array.of(version), noise.writeMessage(payload)])))
  }

  test.each([
    ['a version that was not offered', 2, [2, 0, 0, 0, 1], 'version 2, which was not offered'],
    ['version 0', 0, [0, 0, 0, 0, 1], 'version 0, which was not offered'],
    ['another version than it announces', 1, [2, 0, 0, 0, 1], 'Version 1 was announced, but 2 was chosen'],
    ['features that were not offered', 1, [1, 0x80, 0, 0, 1], 'of which 1 were offered'],
  ])('cannot choose %s', (_, version, choice, message) => {
    expect(failureOf(reply(version, Buffer.concat([Uint8Array.from(choice), bob.proof]))).message).toContain(message)
  })

  test('cannot answer with a cut-off, longer or unproven payload', () => {
    const payload = Buffer.concat([Uint8Array.of(1, 0, 0, 0, 1), bob.proof])
    expect(channelOf(reply(1, payload)).features).toBe(1)
    for (let cut = 0; cut < payload.length; cut++) violation(reply(1, payload.subarray(0, cut)))
    violation(reply(1, Buffer.concat([payload, Uint8Array.of(0)])))
    violation(reply(1, Buffer.concat([payload.subarray(0, 5), ada.proof])))
  })

  test('cannot put a payload into the first message', () => {
    const noise = new HandshakeState({
      pattern: 'XX',
      role: 'initiator',
      prologue: encodePreamble(ada),
      staticKey: ada.staticKey,
      ephemeralKey: ada.newKey(),
    })
    const message = encodeFrame(noise.writeMessage(Uint8Array.of(1)))
    expect(violation(new ResponderHandshake(bob).push(Buffer.concat([encodePreamble(ada), message])))).toBeDefined()
  })

  test('is ignored after the handshake has failed', () => {
    const garbage = encodeFrame(new Uint8Array(160))
    const responder = new ResponderHandshake(bob)
    responder.push(new InitiatorHandshake(ada).start())
    const initiator = new InitiatorHandshake(ada)
    initiator.start()
    for (const side of [initiator, responder]) {
      expect(side.push(garbage).kind).toBe('failed')
      expect(side.push(garbage)).toEqual({ kind: 'waiting', send: undefined })
    }
  })

  test('with any bytes in any pieces leads to an outcome, never to another error', () => {
    const begins = [NOTHING, encodePreamble(ada), new InitiatorHandshake(ada).start()]
    fc.assert(
      fc.property(
        fc.constantFrom(...begins),
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }),
        fc.boolean(),
        (begin, chunks, isResponder) => {
          const side = isResponder ? new ResponderHandshake(bob) : new InitiatorHandshake(ada)
          for (const chunk of isResponder ? [begin, ...chunks] : chunks) {
            const step = side.push(chunk)
            expect(step.kind).not.toBe('established')
            if (step.kind === 'failed') expect(step.error).toBeInstanceOf(EarshotError)
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})
