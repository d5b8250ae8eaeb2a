/**
 * Requests to one TURN server, signed with a long-term credential (RFC 8489 section 9.2.3): the first one is not, the server
 * challenges it; later ones use the same challenge until its nonce is stale.
 */

import { protocolViolation } from '../../errors.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { errorCodeIn } from '../stun/attribute.ts'
import { answerChallenge, type Challenge, challengeIn, type LongTermCredential } from '../stun/long-term-credential.ts'
import type { StunAttribute } from '../stun/message.ts'
import { stunError } from '../stun/stun-error.ts'
import type { StunResponse, StunTransactions } from '../stun/transactions.ts'

export interface AuthenticatedRequest {
  readonly method: number
  readonly attributes: (transactionId: Uint8Array) => readonly StunAttribute[]
  /** @default those of the transactions */
  readonly delaysMs?: readonly number[]
  readonly signal?: AbortSignal | undefined
}

/** The challenge, and nonces that become stale meanwhile. A server that challenges for ever is none. */
const MAX_ATTEMPTS = 4
const UNAUTHENTICATED = 401
const STALE_NONCE = 438

export class AuthenticatedRequests {
  readonly #transactions: StunTransactions
  readonly #server: SocketAddress
  readonly #credential: LongTermCredential
  /** The last one, shared by all connections to the server. */
  readonly #known: { challenge: Challenge | undefined }

  /** `credential` must be prepared. */
  constructor(
    transactions: StunTransactions,
    server: SocketAddress,
    credential: LongTermCredential,
    known: { challenge: Challenge | undefined } = { challenge: undefined },
  ) {
    this.#transactions = transactions
    this.#server = server
    this.#credential = credential
    this.#known = known
  }

  /** The same, over another connection to the same server. */
  over(transactions: StunTransactions): AuthenticatedRequests {
    return new AuthenticatedRequests(transactions, this.#server, this.#credential, this.#known)
  }

  /**
   * The response: success, or an error that has nothing to do with the signature. Rejects with `refused` for a wrong
   * credential, and as requests do.
   */
  async request({ attributes, ...request }: AuthenticatedRequest): Promise<StunResponse> {
    for (let attempt = 1; ; attempt++) {
      const { challenge } = this.#known
      const signing = challenge && answerChallenge(this.#credential, challenge)
      const response = await this.#transactions.request({
        ...request,
        to: this.#server,
        attributes: id => [...attributes(id), ...(signing?.attributes ?? [])],
        integrity: signing?.integrity,
      })
      const code = response.message.class === 'error' ? errorCodeIn(response.message)?.code : undefined
      if (code !== STALE_NONCE && code !== UNAUTHENTICATED) return response
      const isRetried = attempt < MAX_ATTEMPTS && (code === STALE_NONCE || challenge === undefined)
      if (!isRetried) throw stunError(response.message, response.from)
      this.#known.challenge = challengeIn(response.message)
      if (this.#known.challenge === undefined)
        throw protocolViolation('The server wants a signature, and sends no realm or nonce')
    }
  }

  /** As `request`; rejects for every error. */
  async success(request: AuthenticatedRequest): Promise<StunResponse> {
    const response = await this.request(request)
    if (response.message.class === 'error') throw stunError(response.message, response.from)
    return response
  }
}
