/**
 * The handshake (docs/protocol.md, "Handshake"), without I/O: bytes go in, bytes to send and an outcome come out.
 *
 *     initiator                                              responder
 *       preamble, e                           ─────────────►
 *                                             ◄─────────────   version, e, ee, s, es {version, features, proof}
 *       s, se, psk when there is one {proof}  ─────────────►
 *       records                               ◄────────────►   records
 *
 * In braces: payloads, encrypted. Either side may end it with an alert.
 */

import { EarshotError, protocolViolation } from '../errors.ts'
import { formatPeerId } from '../identity/peer-id.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { DATAGRAM_KEYS_BYTES, DATAGRAM_KEYS_LABEL, DatagramKeys } from './datagram/datagram-keys.ts'
import { alertError, alertFor, encodeAlert, refusal } from './handshake-alert.ts'
import { encodeFrame, HandshakeReader } from './handshake-frame.ts'
import type { HandshakeParty } from './handshake-party.ts'
import { HandshakeState } from './noise/handshake-state.ts'
import { decodePreamble, encodePreamble, type Preamble, preambleLength } from './preamble.ts'
import { RecordOpener, RecordSealer } from './record.ts'

/** What a handshake agrees on. */
export interface SecureChannel {
  /** The Ed25519 public key of the peer, 32 bytes. */
  readonly remoteIdentity: Uint8Array
  /** The same as text: the peer's id. */
  readonly remoteId: string
  readonly version: number
  /** The features that both sides know, as bits. */
  readonly features: number
  readonly sealer: RecordSealer
  readonly opener: RecordOpener
  /** 32 bytes that name this connection on both sides, and no other connection ever (Noise section 11.2). */
  readonly handshakeHash: Uint8Array
  /** For the datagrams of the session that this connection begins. */
  readonly datagramKeys: DatagramKeys
}

/** What `push` leads to. `send` must leave before anything else is done with the connection. */
export type HandshakeStep =
  | { readonly kind: 'waiting'; readonly send: Uint8Array | undefined }
  | {
      readonly kind: 'established'
      readonly send: Uint8Array | undefined
      readonly channel: SecureChannel
      /** What arrived behind the handshake: the first bytes for `channel.opener`. */
      readonly rest: Uint8Array
    }
  | { readonly kind: 'failed'; readonly send: Uint8Array | undefined; readonly error: EarshotError }

/** What a responder says in its only message. */
interface Reply {
  readonly version: number
  readonly features: number
  readonly remoteIdentity: Uint8Array
}

/** The side that opened the connection. */
export class InitiatorHandshake {
  readonly #party: HandshakeParty
  readonly #expectedId: string | undefined
  readonly #noise: HandshakeState
  readonly #preamble: Uint8Array
  readonly #reader = new HandshakeReader()
  #isOver = false

  /** @param expectedId the id of the peer that was dialled, where the dial was for one: another is `untrusted-peer` */
  constructor(party: HandshakeParty, expectedId?: string) {
    this.#party = party
    this.#expectedId = expectedId
    this.#preamble = encodePreamble(party)
    this.#noise = noiseState(party, 'initiator', this.#preamble)
  }

  /** The first bytes to send. Call it once. */
  start(): Uint8Array {
    const message = encodeFrame(this.#noise.writeMessage(new Uint8Array(0)))
    return new ByteWriter(this.#preamble.length + message.length).append(this.#preamble).append(message).finish()
  }

  /** Takes bytes from the responder, however they are cut. What comes after the outcome is not for the handshake. */
  push(chunk: Uint8Array): HandshakeStep {
    if (this.#isOver) return WAITING
    const step = this.#advance(chunk)
    this.#isOver = step.kind !== 'waiting'
    return step
  }

  #advance(chunk: Uint8Array): HandshakeStep {
    try {
      this.#reader.push(chunk)
      const frame = this.#reader.takeFrame()
      if (frame === undefined) return WAITING
      return frame.kind === 'alert' ? alerted(frame.code) : this.#finish(new ByteReader(frame.body))
    } catch (error) {
      return failed(error)
    }
  }

  #finish(body: ByteReader): HandshakeStep {
    const { version, features, remoteIdentity } = this.#readReply(body)
    this.#checkExpected(formatPeerId(remoteIdentity))
    const send = encodeFrame(this.#noise.writeMessage(this.#party.proof))
    const channel = secureChannel(this.#noise, remoteIdentity, version, features)
    return { kind: 'established', send, channel, rest: this.#reader.pending }
  }

  #readReply(body: ByteReader): Reply {
    const { versions, features: offered, proofVerifier } = this.#party
    const version = body.uint8('version')
    if (version < versions.lowest || version > versions.highest) {
      throw protocolViolation(`The peer chose version ${version}, which was not offered`)
    }
    const reply = new ByteReader(this.#noise.readMessage(body.view(body.remaining, 'message 2')))
    // The first version could have been changed on the way, this one could not.
    const authentic = reply.uint8('version')
    if (authentic !== version) throw protocolViolation(`Version ${version} was announced, but ${authentic} was chosen`)
    const features = reply.uint32('features')
    if ((features & ~offered) !== 0) {
      throw protocolViolation(`The peer accepted the features ${features}, of which ${offered} were offered`)
    }
    const remoteIdentity = proofVerifier.verify(reply, this.#noise.remoteStatic)
    reply.finish('The payload of message 2')
    return { version, features, remoteIdentity }
  }

  #checkExpected(remoteId: string): void {
    if (this.#expectedId === undefined || this.#expectedId === remoteId) return
    throw new EarshotError('untrusted-peer', `The peer there is ${remoteId}, not ${this.#expectedId} who was dialled`, {
      hint: 'The address may belong to another peer by now: look the peer up again.',
    })
  }
}

type ResponderState =
  | { readonly kind: 'preamble' | 'over' }
  | { readonly kind: 'message-1'; readonly noise: HandshakeState; readonly offer: Preamble }
  | { readonly kind: 'message-3'; readonly noise: HandshakeState; readonly version: number; readonly features: number }

/** The side that accepted the connection. */
export class ResponderHandshake {
  readonly #party: HandshakeParty
  readonly #reader = new HandshakeReader()
  #state: ResponderState = { kind: 'preamble' }

  constructor(party: HandshakeParty) {
    this.#party = party
  }

  /** Takes bytes from the initiator, however they are cut. What comes after the outcome is not for the handshake. */
  push(chunk: Uint8Array): HandshakeStep {
    if (this.#state.kind === 'over') return WAITING
    const step = this.#advance(chunk)
    if (step.kind !== 'waiting') this.#state = { kind: 'over' }
    return step
  }

  #advance(chunk: Uint8Array): HandshakeStep {
    try {
      this.#reader.push(chunk)
      if (this.#state.kind === 'preamble' && !this.#readPreamble()) return WAITING
      const frame = this.#reader.takeFrame()
      if (frame === undefined) return WAITING
      return frame.kind === 'alert' ? alerted(frame.code) : this.#readMessage(frame.body)
    } catch (error) {
      const step = failed(error)
      // Who does not even begin like a peer gets no answer: it is a port scan, or speaks another protocol.
      const isStranger = this.#state.kind === 'preamble' && step.error.code === 'protocol-violation'
      return isStranger ? { ...step, send: undefined } : step
    }
  }

  #readPreamble(): boolean {
    const length = preambleLength(this.#reader.pending)
    const bytes = length === undefined ? undefined : this.#reader.take(length)
    if (bytes === undefined) return false
    const offer = decodePreamble(bytes)
    checkOffer(offer, this.#party)
    this.#state = { kind: 'message-1', noise: noiseState(this.#party, 'responder', bytes), offer }
    return true
  }

  #readMessage(body: Uint8Array): HandshakeStep {
    const state = this.#state
    if (state.kind === 'message-1') return this.#reply(state.noise, state.offer, body)
    if (state.kind === 'message-3') return this.#finish(state.noise, state.version, state.features, body)
    return WAITING
  }

  #reply(noise: HandshakeState, offer: Preamble, body: Uint8Array): HandshakeStep {
    if (noise.readMessage(body).length > 0) throw protocolViolation('The first message has a payload')
    const version = Math.min(offer.versions.highest, this.#party.versions.highest)
    const features = (offer.features & this.#party.features) >>> 0
    const payload = new ByteWriter().uint8(version).uint32(features).append(this.#party.proof).finish()
    const reply = new ByteWriter().uint8(version).append(noise.writeMessage(payload)).finish()
    this.#state = { kind: 'message-3', noise, version, features }
    return { kind: 'waiting', send: encodeFrame(reply) }
  }

  #finish(noise: HandshakeState, version: number, features: number, body: Uint8Array): HandshakeStep {
    const payload = new ByteReader(this.#openLast(noise, body))
    const remoteIdentity = this.#party.proofVerifier.verify(payload, noise.remoteStatic)
    payload.finish('The payload of the last message')
    const channel = secureChannel(noise, remoteIdentity, version, features)
    return { kind: 'established', send: undefined, channel, rest: this.#reader.pending }
  }

  /** The secret comes in with the last message: two sides with different ones notice it here and nowhere before. */
  #openLast(noise: HandshakeState, body: Uint8Array): Uint8Array {
    try {
      return noise.readMessage(body)
    } catch (cause) {
      if (this.#party.psk === undefined || !(cause instanceof EarshotError)) throw cause
      throw refusal('wrong-secret', 'The caller does not have the secret of this room', cause)
    }
  }
}

const WAITING: HandshakeStep = { kind: 'waiting', send: undefined }

function noiseState(party: HandshakeParty, role: 'initiator' | 'responder', prologue: Uint8Array): HandshakeState {
  const { pattern, staticKey, psk } = party
  return new HandshakeState({ pattern, role, prologue, staticKey, ephemeralKey: party.newKey(), psk })
}

function checkOffer(offer: Preamble, party: HandshakeParty): void {
  const { lowest, highest } = offer.versions
  if (highest < party.versions.lowest || lowest > party.versions.highest) {
    throw refusal('version-mismatch', `The caller speaks the versions ${lowest} to ${highest}, this side does not`)
  }
  if (offer.service !== party.service) {
    throw refusal('wrong-service', `The caller asks for the service '${offer.service}', this is '${party.service}'`)
  }
  if (offer.pattern !== party.pattern) {
    const [caller, room] = party.psk === undefined ? ['a', 'none'] : ['no', 'one']
    throw refusal('wrong-secret', `The caller has ${caller} secret, this room has ${room}`)
  }
}

function secureChannel(
  noise: HandshakeState,
  remoteIdentity: Uint8Array,
  version: number,
  features: number,
): SecureChannel {
  const { sending, receiving } = noise.split()
  return {
    remoteIdentity,
    remoteId: formatPeerId(remoteIdentity),
    version,
    features,
    sealer: new RecordSealer(sending),
    opener: new RecordOpener(receiving),
    handshakeHash: noise.handshakeHash,
    datagramKeys: new DatagramKeys(noise.derive(DATAGRAM_KEYS_LABEL, DATAGRAM_KEYS_BYTES), noise.role),
  }
}

type FailedStep = Extract<HandshakeStep, { kind: 'failed' }>

/** The other side ended it; an alert is not answered. */
function alerted(code: number): FailedStep {
  return { kind: 'failed', send: undefined, error: alertError(code) }
}

function failed(error: unknown): FailedStep {
  if (!(error instanceof EarshotError)) throw error
  const alert = alertFor(error.code)
  return { kind: 'failed', send: alert === undefined ? undefined : encodeAlert(alert), error }
}
