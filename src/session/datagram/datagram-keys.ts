/**
 * The keys of a session's datagrams and the two names under which they travel (docs/protocol.md, "Datagrams"): made
 * from the handshake of the connection that began the session, and used for as long as it lives, on whatever path.
 */

import { KEY_BYTES } from '../../crypto/octet-key.ts'

export const CONNECTION_ID_BYTES = 8

/** One direction. */
export interface DatagramKey {
  /** 32 bytes for ChaCha20-Poly1305. */
  readonly key: Uint8Array
  /** By what the receiver finds the session that a datagram belongs to, before it has done any arithmetic. */
  readonly connectionId: Uint8Array
}

/** Names what is derived, so that it has nothing to do with the keys of records. */
export const DATAGRAM_KEYS_LABEL = 'earshot-datagrams-v1'
export const DATAGRAM_KEYS_BYTES: number = 2 * (KEY_BYTES + CONNECTION_ID_BYTES)

/** Both directions, as one side sees them: cut out of the derived bytes when they are needed, which mostly they are not. */
export class DatagramKeys {
  readonly #derived: Uint8Array
  readonly #role: 'initiator' | 'responder'

  /** @param derived DATAGRAM_KEYS_BYTES, first what the initiator sends with, then what the responder does */
  constructor(derived: Uint8Array, role: 'initiator' | 'responder') {
    this.#derived = derived
    this.#role = role
  }

  get sending(): DatagramKey {
    return this.#keyOf(this.#role)
  }

  get receiving(): DatagramKey {
    return this.#keyOf(this.#role === 'initiator' ? 'responder' : 'initiator')
  }

  #keyOf(sender: 'initiator' | 'responder'): DatagramKey {
    const index = sender === 'initiator' ? 0 : 1
    const idAt = 2 * KEY_BYTES + index * CONNECTION_ID_BYTES
    return {
      key: this.#derived.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES),
      connectionId: this.#derived.subarray(idAt, idAt + CONNECTION_ID_BYTES),
    }
  }
}
