/**
 * The wire fixtures of version 1, which are kept for ever: whoever changes what these bytes are makes a new version of
 * the protocol.
 */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Identity } from '../identity/identity.ts'
import { InitiatorHandshake, ResponderHandshake, type SecureChannel } from './handshake.ts'
import { HandshakeParty } from './handshake-party.ts'

interface PartyFixture {
  readonly identitySeed: string
  readonly staticPrivateKey: string
  readonly ephemeralPrivateKey: string
  readonly id: string
}

interface Fixture {
  readonly name: string
  readonly service: string
  readonly psk: string | null
  readonly initiator: PartyFixture
  readonly responder: PartyFixture
  readonly flights: readonly string[]
  readonly handshakeHash: string
  readonly records: readonly {
    readonly from: 'initiator' | 'responder'
    readonly plaintext: string
    readonly bytes: string
  }[]
}

const { handshakes } = JSON.parse(
  readFileSync(new URL('../../test/vectors/handshake-v1.json', import.meta.url), 'utf8'),
) as { handshakes: Fixture[] }

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex')

/** The party whose randomness is, in this order, its static and its ephemeral key. */
function party(side: PartyFixture, { service, psk }: Fixture): HandshakeParty {
  const keys = [hex(side.staticPrivateKey), hex(side.ephemeralPrivateKey)]
  return new HandshakeParty({
    identity: new Identity(hex(side.identitySeed)),
    service,
    psk: psk === null ? undefined : hex(psk),
    random: { bytes: () => keys.shift()!, fraction: () => 0 },
  })
}

describe('version 1 on the wire (test/vectors/handshake-v1.json)', () => {
  test('has fixtures with and without a secret', () => {
    expect(handshakes.map(({ name }) => name)).toEqual(['Noise_XX', 'Noise_XXpsk3'])
  })

  test.each(handshakes)('$name: flights, handshake hash and records', fixture => {
    const initiator = new InitiatorHandshake(party(fixture.initiator, fixture), fixture.responder.id)
    const responder = new ResponderHandshake(party(fixture.responder, fixture))
    const first = initiator.start()
    const reply = responder.push(first)
    const last = initiator.push(reply.send!)
    const end = responder.push(last.send!)
    expect([first, reply.send, last.send].map(text)).toEqual(fixture.flights)

    if (last.kind !== 'established' || end.kind !== 'established') throw new Error(`${last.kind}, ${end.kind}`)
    expect(last.channel.remoteId).toBe(fixture.responder.id)
    expect(end.channel.remoteId).toBe(fixture.initiator.id)
    expect(text(last.channel.handshakeHash)).toBe(fixture.handshakeHash)
    expect(text(end.channel.handshakeHash)).toBe(fixture.handshakeHash)
    for (const record of fixture.records) checkRecord(record, last.channel, end.channel)
  })

  function checkRecord(record: Fixture['records'][number], initiator: SecureChannel, responder: SecureChannel): void {
    const [from, to] = record.from === 'initiator' ? [initiator, responder] : [responder, initiator]
    expect(text(from.sealer.seal(hex(record.plaintext)))).toBe(record.bytes)
    const opened: string[] = []
    to.opener.push(hex(record.bytes), plaintext => opened.push(text(plaintext)))
    expect(opened).toEqual([record.plaintext])
  }
})
