/**
 * HandshakeState of the Noise Protocol Framework, revision 34, section 5.3, for the two patterns in use:
 *
 *     XX:                      XXpsk3:
 *       -> e                     -> e
 *       <- e, ee, s, es          <- e, ee, s, es
 *       -> s, se                 -> s, se, psk
 */

import { TAG_BYTES } from '../../crypto/chacha20-poly1305.ts'
import { KEY_BYTES } from '../../crypto/octet-key.ts'
import type { X25519KeyPair } from '../../crypto/x25519.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'
import type { CipherState } from './cipher-state.ts'
import { SymmetricState } from './symmetric-state.ts'

export type NoisePattern = 'XX' | 'XXpsk3'

export interface HandshakeStateOptions {
  readonly pattern: NoisePattern
  readonly role: 'initiator' | 'responder'
  /** Bytes that both sides must have seen alike before the first message. */
  readonly prologue: Uint8Array
  readonly staticKey: X25519KeyPair
  /** Fresh for every handshake. */
  readonly ephemeralKey: X25519KeyPair
  /** The pre-shared key of 32 bytes; for XXpsk3 only. */
  readonly psk?: Uint8Array | undefined
}

type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'psk'

const MESSAGES: Record<NoisePattern, readonly (readonly Token[])[]> = {
  XX: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']],
  XXpsk3: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se', 'psk']],
}

export class HandshakeState {
  readonly #options: HandshakeStateOptions
  readonly #symmetric: SymmetricState
  #nextMessage = 0
  #remoteEphemeral: Uint8Array | undefined
  #remoteStatic: Uint8Array | undefined

  constructor(options: HandshakeStateOptions) {
    if ((options.psk !== undefined) !== (options.pattern === 'XXpsk3')) {
      throw new TypeError(
        `A pre-shared key goes with the pattern XXpsk3, and only with it, not with ${options.pattern}`,
      )
    }
    this.#options = options
    this.#symmetric = new SymmetricState(`Noise_${options.pattern}_25519_ChaChaPoly_SHA256`)
    this.#symmetric.mixHash(options.prologue)
  }

  /** Known from the message on in which the remote side sent it. */
  get remoteStatic(): Uint8Array {
    return known(this.#remoteStatic)
  }

  get handshakeHash(): Uint8Array {
    return this.#symmetric.handshakeHash
  }

  writeMessage(payload: Uint8Array): Uint8Array {
    const message = new ByteWriter()
    for (const token of this.#nextTokens()) {
      if (token === 'e') message.append(this.#writeEphemeral())
      else if (token === 's') message.append(this.#symmetric.encryptAndHash(this.#options.staticKey.publicKey))
      else this.#mix(token)
    }
    return message.append(this.#symmetric.encryptAndHash(payload)).finish()
  }

  /** Returns the payload. Throws `protocol-violation`; then the handshake is over. */
  readMessage(message: Uint8Array): Uint8Array {
    const reader = new ByteReader(message)
    for (const token of this.#nextTokens()) {
      if (token === 'e') this.#readEphemeral(reader)
      else if (token === 's') this.#readStatic(reader)
      else this.#mix(token)
    }
    return this.#symmetric.decryptAndHash(reader.view(reader.remaining, 'payload'), 'The payload')
  }

  /** After the last message: the ciphers for sending and receiving. */
  split(): { readonly sending: CipherState; readonly receiving: CipherState } {
    const [toResponder, toInitiator] = this.#symmetric.split()
    return this.#options.role === 'initiator'
      ? { sending: toResponder, receiving: toInitiator }
      : { sending: toInitiator, receiving: toResponder }
  }

  /** After the last message: bytes for a purpose of their own, the same on both sides. */
  derive(label: string, length: number): Uint8Array {
    return this.#symmetric.derive(label, length)
  }

  get role(): 'initiator' | 'responder' {
    return this.#options.role
  }

  #nextTokens(): readonly Token[] {
    const tokens = MESSAGES[this.#options.pattern][this.#nextMessage++]
    if (tokens === undefined) throw new Error('The handshake has no further message')
    return tokens
  }

  #writeEphemeral(): Uint8Array {
    const { publicKey } = this.#options.ephemeralKey
    this.#mixEphemeral(publicKey)
    return publicKey
  }

  #readEphemeral(reader: ByteReader): void {
    // A copy: the view would hold the whole chunk that came from the network.
    this.#remoteEphemeral = new Uint8Array(reader.view(KEY_BYTES, 'ephemeral key'))
    this.#mixEphemeral(this.#remoteEphemeral)
  }

  #mixEphemeral(publicKey: Uint8Array): void {
    this.#symmetric.mixHash(publicKey)
    // Section 9.2: with a pre-shared key, the ephemeral key randomizes the encryption too.
    if (this.#options.psk !== undefined) this.#symmetric.mixKey(publicKey)
  }

  #readStatic(reader: ByteReader): void {
    const sealed = reader.view(KEY_BYTES + TAG_BYTES, 'static key')
    this.#remoteStatic = this.#symmetric.decryptAndHash(sealed, 'The static key')
  }

  /** The first letter of a key agreement is the initiator's key, the second the responder's (section 5.3). */
  #mix(token: 'ee' | 'es' | 'se' | 'psk'): void {
    if (token === 'psk') {
      this.#symmetric.mixKeyAndHash(known(this.#options.psk))
      return
    }
    const { role, staticKey, ephemeralKey } = this.#options
    const [ours, theirs] = role === 'initiator' ? token : [token[1], token[0]]
    const localKey = ours === 'e' ? ephemeralKey : staticKey
    this.#symmetric.mixKey(localKey.agree(known(theirs === 'e' ? this.#remoteEphemeral : this.#remoteStatic)))
  }
}

function known(key: Uint8Array | undefined): Uint8Array {
  if (key === undefined) throw new Error('The key is not known yet at this point of the handshake')
  return key
}
