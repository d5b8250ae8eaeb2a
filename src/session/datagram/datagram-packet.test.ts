import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Identity } from '../../identity/identity.ts'
import { DATAGRAM_BYTES } from '../../limits.ts'
import { InitiatorHandshake, ResponderHandshake } from '../handshake.ts'
import { HandshakeParty } from '../handshake-party.ts'
import { readDatagramFrames } from './datagram-frame.ts'
import { DATAGRAM_KEYS_BYTES, DatagramKeys } from './datagram-keys.ts'
import {
  DatagramOpener,
  DatagramSealer,
  HEADER_BYTES,
  MAX_DATAGRAM_PLAINTEXT_BYTES,
  MIN_DATAGRAM_BYTES,
  newDatagram,
} from './datagram-packet.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const json = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../test/vectors/${name}`, import.meta.url), 'utf8')) as unknown

const derived = Uint8Array.from({ length: DATAGRAM_KEYS_BYTES }, (_, i) => i)
const ADA = new DatagramKeys(derived, 'initiator')
const BOB = new DatagramKeys(derived, 'responder')

function seal(sealer: DatagramSealer, plaintext: Uint8Array): Uint8Array {
  const datagram = newDatagram()
  datagram.set(plaintext, HEADER_BYTES)
  return Uint8Array.from(sealer.seal(datagram, plaintext.length))
}

describe('keys', () => {
  test('of one side for sending are those of the other for receiving', () => {
    expect(ADA.sending).toEqual(BOB.receiving)
    expect(BOB.sending).toEqual(ADA.receiving)
    expect(new Set([ADA.sending.key, ADA.receiving.key].map(text)).size).toBe(2)
    expect(new Set([ADA.sending.connectionId, ADA.receiving.connectionId].map(text)).size).toBe(2)
  })
})

describe('a datagram', () => {
  test('arrives as it was sent, once, in any order', () => {
    const plaintext = fc.uint8Array({ minLength: 1, maxLength: 50 })
    fc.assert(
      fc.property(
        fc.array(plaintext, { minLength: 1, maxLength: 30 }),
        fc.infiniteStream(fc.nat()),
        (texts, chance) => {
          const sealer = new DatagramSealer(ADA.sending)
          const opener = new DatagramOpener(BOB.receiving)
          const sent = texts.map(plaintext => ({
            plaintext,
            datagram: seal(sealer, plaintext),
            key: chance.next().value!,
          }))
          for (const { plaintext, datagram } of sent.sort((a, b) => a.key - b.key)) {
            expect(opener.open(datagram)).toEqual(plaintext)
            expect(opener.open(datagram)).toBe('replayed')
          }
        },
      ),
      { numRuns: 50 },
    )
  })

  test('has at most 1,200 bytes', () => {
    const datagram = seal(new DatagramSealer(ADA.sending), new Uint8Array(MAX_DATAGRAM_PLAINTEXT_BYTES))
    expect(datagram.length).toBe(DATAGRAM_BYTES)
    expect(new DatagramOpener(BOB.receiving).open(datagram)).toEqual(new Uint8Array(MAX_DATAGRAM_PLAINTEXT_BYTES))
  })

  test('changed in any bit, its header too, or cut off is forged, and keeps no other from coming', () => {
    const sealer = new DatagramSealer(ADA.sending)
    const opener = new DatagramOpener(BOB.receiving)
    const datagram = seal(sealer, hex('10000003abcdef'))
    for (let bit = 0; bit < datagram.length * 8; bit++) {
      const changed = datagram.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(opener.open(changed)).toBe('forged')
    }
    for (let length = 0; length < datagram.length; length++)
      expect(opener.open(datagram.subarray(0, length))).toBe('forged')
    expect(opener.open(datagram)).toEqual(hex('10000003abcdef'))
  })

  test('of the other direction, or of another session, is forged', () => {
    const datagram = seal(new DatagramSealer(ADA.sending), hex('00'))
    expect(new DatagramOpener(ADA.receiving).open(datagram)).toBe('forged')
    const other = new DatagramKeys(
      derived.map(byte => byte ^ 1),
      'responder',
    )
    expect(new DatagramOpener(other.receiving).open(datagram)).toBe('forged')
    expect(new DatagramOpener(BOB.receiving).open(datagram)).toEqual(hex('00'))
  })

  test('from bytes of any kind is forged', () => {
    const opener = new DatagramOpener(BOB.receiving)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        expect(opener.open(bytes)).toBe('forged')
      }),
    )
    expect(opener.open(new Uint8Array(MIN_DATAGRAM_BYTES))).toBe('forged')
  })
})

// The wire fixtures of version 1, kept for ever ---------------------------------------------------------------------

interface PartyFixture {
  readonly identitySeed: string
  readonly staticPrivateKey: string
  readonly ephemeralPrivateKey: string
}

interface HandshakeFixture {
  readonly name: string
  readonly service: string
  readonly psk: string | null
  readonly initiator: PartyFixture
  readonly responder: PartyFixture
}

interface KeyFixture {
  readonly key: string
  readonly connectionId: string
}

interface DatagramFixture {
  readonly name: string
  readonly handshake: string
  readonly toResponder: KeyFixture
  readonly toInitiator: KeyFixture
  readonly datagrams: readonly {
    readonly name: string
    readonly from: 'initiator' | 'responder'
    readonly plaintext: string
    readonly bytes: string
  }[]
}

const { handshakes } = json('handshake-v1.json') as { handshakes: HandshakeFixture[] }
const { sessions } = json('datagrams-v1.json') as { sessions: DatagramFixture[] }

function party(side: PartyFixture, { service, psk }: HandshakeFixture): HandshakeParty {
  const keys = [hex(side.staticPrivateKey), hex(side.ephemeralPrivateKey)]
  return new HandshakeParty({
    identity: new Identity(hex(side.identitySeed)),
    service,
    psk: psk === null ? undefined : hex(psk),
    random: { bytes: () => keys.shift()!, fraction: () => 0 },
  })
}

function keysOf(fixture: HandshakeFixture): [initiator: DatagramKeys, responder: DatagramKeys] {
  const initiator = new InitiatorHandshake(party(fixture.initiator, fixture))
  const responder = new ResponderHandshake(party(fixture.responder, fixture))
  const last = initiator.push(responder.push(initiator.start()).send!)
  const end = responder.push(last.send!)
  if (last.kind !== 'established' || end.kind !== 'established') throw new Error(`${last.kind}, ${end.kind}`)
  return [last.channel.datagramKeys, end.channel.datagramKeys]
}

describe('version 1 on the wire (test/vectors/datagrams-v1.json)', () => {
  test('has fixtures of both handshakes', () => {
    expect(sessions.map(({ handshake }) => handshake)).toEqual(handshakes.map(({ name }) => name))
  })

  test.each(sessions)('$handshake: keys and connection ids', ({ handshake, toResponder, toInitiator }) => {
    const [initiator, responder] = keysOf(handshakes.find(({ name }) => name === handshake)!)
    const texts = ({ key, connectionId }: { key: Uint8Array; connectionId: Uint8Array }) => ({
      key: text(key),
      connectionId: text(connectionId),
    })
    expect([initiator.sending, initiator.receiving].map(texts)).toEqual([toResponder, toInitiator])
    expect([responder.receiving, responder.sending].map(texts)).toEqual([toResponder, toInitiator])
  })

  test.each(sessions)('$handshake: datagrams', ({ toResponder, toInitiator, datagrams }) => {
    const keys = ({ key, connectionId }: KeyFixture) => ({ key: hex(key), connectionId: hex(connectionId) })
    const sealers = {
      initiator: new DatagramSealer(keys(toResponder)),
      responder: new DatagramSealer(keys(toInitiator)),
    }
    const openers = {
      initiator: new DatagramOpener(keys(toResponder)),
      responder: new DatagramOpener(keys(toInitiator)),
    }
    for (const { from, plaintext, bytes } of datagrams) {
      expect(text(seal(sealers[from], hex(plaintext)))).toBe(bytes)
      expect(text(openers[from].open(hex(bytes)) as Uint8Array)).toBe(plaintext)
      const ignore = () => {}
      readDatagramFrames(hex(plaintext), {
        onChallenge: ignore,
        onResponse: ignore,
        onMessage: ignore,
        onFragment: ignore,
      })
    }
  })
})
