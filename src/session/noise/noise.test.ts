import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ChaCha20Poly1305, TAG_BYTES } from '../../crypto/chacha20-poly1305.ts'
import { X25519KeyPair } from '../../crypto/x25519.ts'
import { MAX_RECORDS_PER_KEY } from '../../limits.ts'
import { CipherState } from './cipher-state.ts'
import { HandshakeState, type NoisePattern } from './handshake-state.ts'

interface Vector {
  readonly origin: string
  readonly protocol_name: string
  readonly init_prologue: string
  readonly init_static: string
  readonly init_ephemeral: string
  readonly init_psks?: readonly string[]
  readonly resp_prologue: string
  readonly resp_static: string
  readonly resp_ephemeral: string
  readonly resp_psks?: readonly string[]
  readonly handshake_hash?: string
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[]
}

const { vectors } = JSON.parse(
  readFileSync(new URL('../../../test/vectors/noise-xx.json', import.meta.url), 'utf8'),
) as { vectors: Vector[] }

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const key = (byte: number) => new X25519KeyPair(new Uint8Array(32).fill(byte))

function sides(vector: Vector): { initiator: HandshakeState; responder: HandshakeState } {
  const pattern = vector.protocol_name.split('_')[1] as NoisePattern
  const side = (role: 'initiator' | 'responder') => {
    const of = (field: 'prologue' | 'static' | 'ephemeral') =>
      hex(vector[`${role === 'initiator' ? 'init' : 'resp'}_${field}`])
    const psk = vector[role === 'initiator' ? 'init_psks' : 'resp_psks']?.[0]
    return new HandshakeState({
      pattern,
      role,
      prologue: of('prologue'),
      staticKey: new X25519KeyPair(of('static')),
      ephemeralKey: new X25519KeyPair(of('ephemeral')),
      psk: psk === undefined ? undefined : hex(psk),
    })
  }
  return { initiator: side('initiator'), responder: side('responder') }
}

describe('the published vectors (test/vectors/noise-xx.json)', () => {
  test('are there for both patterns', () => {
    expect(vectors.map(vector => `${vector.origin} ${vector.protocol_name}`)).toEqual([
      'cacophony Noise_XX_25519_ChaChaPoly_SHA256',
      'cacophony Noise_XXpsk3_25519_ChaChaPoly_SHA256',
      'snow Noise_XX_25519_ChaChaPoly_SHA256',
    ])
  })

  test.each(vectors)('$origin, $protocol_name: every message, the handshake hash, the transport messages', vector => {
    const { initiator, responder } = sides(vector)
    for (const [i, { payload, ciphertext }] of vector.messages.slice(0, 3).entries()) {
      const [writer, reader] = i % 2 === 0 ? [initiator, responder] : [responder, initiator]
      const message = writer.writeMessage(hex(payload))
      expect(text(message)).toBe(ciphertext)
      expect(text(reader.readMessage(message))).toBe(payload)
    }
    expect(initiator.handshakeHash).toEqual(responder.handshakeHash)
    if (vector.handshake_hash !== undefined) expect(text(initiator.handshakeHash)).toBe(vector.handshake_hash)
    expect(text(responder.remoteStatic)).toBe(text(new X25519KeyPair(hex(vector.init_static)).publicKey))
    expect(text(initiator.remoteStatic)).toBe(text(new X25519KeyPair(hex(vector.resp_static)).publicKey))

    const ofInitiator = initiator.split()
    const ofResponder = responder.split()
    for (const [i, { payload, ciphertext }] of vector.messages.slice(3).entries()) {
      // The fourth message comes from the responder: the turns go on.
      const [sender, receiver] = i % 2 === 0 ? [ofResponder, ofInitiator] : [ofInitiator, ofResponder]
      const message = sender.sending.encrypt(hex(payload))
      expect(text(message)).toBe(ciphertext)
      expect(text(receiver.receiving.decrypt(message)!)).toBe(payload)
    }
  })
})

describe('HandshakeState', () => {
  const pair = (responderPsk?: Uint8Array, initiatorPsk = responderPsk) => {
    const side = (role: 'initiator' | 'responder', psk: Uint8Array | undefined, byte: number) =>
      new HandshakeState({
        pattern: psk === undefined ? 'XX' : 'XXpsk3',
        role,
        prologue: hex('00'),
        staticKey: key(byte),
        ephemeralKey: key(byte + 1),
        psk,
      })
    return { initiator: side('initiator', initiatorPsk, 1), responder: side('responder', responderPsk, 3) }
  }
  const none = new Uint8Array(0)

  test('refuses a message in which any single bit was changed', () => {
    const lengths = [32, 32 + 48 + 16, 48 + 16]
    for (const [message, length] of lengths.entries()) {
      for (let bit = 0; bit < length * 8; bit += 7) {
        const { initiator, responder } = pair()
        expect(() => {
          for (let i = 0; i < 3; i++) {
            const [writer, reader] = i % 2 === 0 ? [initiator, responder] : [responder, initiator]
            const bytes = writer.writeMessage(none)
            expect(bytes.length).toBe(lengths[i])
            if (i === message) bytes[bit >> 3]! ^= 1 << (bit & 7)
            reader.readMessage(bytes)
          }
        }).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
      }
    }
  })

  test('refuses every cut-off prefix of a message', () => {
    const { initiator, responder } = pair()
    const first = initiator.writeMessage(none)
    for (let cut = 0; cut < 32; cut++) {
      expect(() => pair().responder.readMessage(first.subarray(0, cut))).toThrow('ephemeral key')
    }
    responder.readMessage(first)
    const second = responder.writeMessage(none)
    for (let cut = 0; cut < second.length; cut++) {
      const { initiator } = pair()
      initiator.writeMessage(none)
      expect(() => initiator.readMessage(second.subarray(0, cut))).toThrow(
        expect.objectContaining({ code: 'protocol-violation' }),
      )
    }
  })

  test('another pre-shared key fails in the last message, not before', () => {
    const { initiator, responder } = pair(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2))
    responder.readMessage(initiator.writeMessage(none))
    initiator.readMessage(responder.writeMessage(none))
    const last = initiator.writeMessage(none)
    expect(() => responder.readMessage(last)).toThrow('The payload of the handshake fails authentication')
  })

  test('wants a pre-shared key with XXpsk3 and with nothing else', () => {
    const options = { role: 'initiator', prologue: none, staticKey: key(1), ephemeralKey: key(2) } as const
    expect(() => new HandshakeState({ ...options, pattern: 'XXpsk3' })).toThrow(TypeError)
    expect(() => new HandshakeState({ ...options, pattern: 'XX', psk: new Uint8Array(32) })).toThrow(TypeError)
  })

  test('has three messages and no more', () => {
    const { initiator, responder } = pair()
    responder.readMessage(initiator.writeMessage(none))
    initiator.readMessage(responder.writeMessage(none))
    responder.readMessage(initiator.writeMessage(none))
    expect(() => responder.writeMessage(none)).toThrow('no further message')
  })
})

describe('CipherState', () => {
  const secret = new Uint8Array(32).fill(7)
  const plaintext = hex('616263')

  test('does not move on when authentication fails', () => {
    const sealed = new CipherState(secret).encrypt(plaintext)
    const cipher = new CipherState(secret)
    expect(cipher.decrypt(new Uint8Array(20))).toBeUndefined()
    expect(cipher.decrypt(new Uint8Array(3))).toBeUndefined()
    expect(text(cipher.decrypt(sealed)!)).toBe('616263')
    expect(cipher.decrypt(sealed), 'the same message again').toBeUndefined()
  })

  test.each([0, 0xff, 0xffff_ffff, 2 ** 33 + 1, 2 ** 40 + 5, 2 ** 48 - 1])(
    'seals message %d under 32 bits of zeros and the 64-bit counter, little-endian (section 12.3)',
    counter => {
      const nonce = new Uint8Array(12)
      new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true)
      const expected = new Uint8Array(plaintext.length + TAG_BYTES)
      new ChaCha20Poly1305(secret).sealInto(expected, 0, plaintext, nonce, undefined)
      expect(new CipherState(secret, counter).encrypt(plaintext)).toEqual(expected)
      expect(text(new CipherState(secret, counter).decrypt(expected)!)).toBe('616263')
    },
  )

  test('moves on with every message', () => {
    const sender = new CipherState(secret, 0xffff_ffff)
    const receiver = new CipherState(secret, 0xffff_ffff)
    for (let i = 0; i < 3; i++) expect(text(receiver.decrypt(sender.encrypt(plaintext))!)).toBe('616263')
    expect(sender.encrypt(plaintext)).toEqual(new CipherState(secret, 0x1_0000_0002).encrypt(plaintext))
  })

  test('refuses to seal or open more than 2^48 messages', () => {
    const cipher = new CipherState(secret, MAX_RECORDS_PER_KEY - 1)
    cipher.encrypt(plaintext)
    expect(() => cipher.encrypt(plaintext)).toThrow(expect.objectContaining({ code: 'limit-reached' }))
    expect(() => cipher.decrypt(new Uint8Array(20))).toThrow(expect.objectContaining({ code: 'limit-reached' }))
  })
})
