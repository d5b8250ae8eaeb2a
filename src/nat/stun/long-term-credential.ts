/**
 * The long-term credential mechanism (RFC 8489 section 9.2): the server challenges with realm and nonce, the client signs
 * with a key made of user name, realm and password. The first 9 characters of a nonce may say what else the server can.
 */

import { md5 } from '../../crypto/md5.ts'
import { sha256 } from '../../crypto/sha256.ts'
import { protocolViolation } from '../../errors.ts'
import { MAX_STUN_ALGORITHMS, MAX_STUN_USERNAME_BYTES } from '../../limits.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { textAttribute, textIn } from './attribute.ts'
import { ATTRIBUTE } from './attribute-type.ts'
import type { StunIntegrity } from './integrity.ts'
import { attributeOf, type StunAttribute, type StunMessage } from './message.ts'

export interface LongTermCredential {
  readonly username: string
  readonly password: string
}

/** What a 401 or 438 asks to be signed. */
export interface Challenge {
  readonly realm: string
  readonly nonce: string
  /** The value of PASSWORD-ALGORITHMS, to be sent back as it came; undefined: MD5, as RFC 5389 had it. */
  readonly passwordAlgorithms: Uint8Array | undefined
  readonly algorithm: 'md5' | 'sha256'
  /** The user name is to be sent as a hash. */
  readonly hidesUsername: boolean
}

/** How to sign a request: attributes that it needs, and the key. */
export interface SigningMaterial {
  readonly attributes: readonly StunAttribute[]
  readonly integrity: StunIntegrity
}

const NONCE_COOKIE = 'obMatJos2'
/** The cookie is followed by 24 bits in base64 (section 9.2). */
const FEATURES_LENGTH = 4
const PASSWORD_ALGORITHMS_BIT = 0x80_0000
const USERNAME_ANONYMITY_BIT = 0x40_0000
const MD5 = 1
const SHA256 = 2
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const encoder = new TextEncoder()

/** A credential as it is compared and hashed. Throws RangeError. */
export function prepareCredential({ username, password }: LongTermCredential): LongTermCredential {
  const prepared = { username: opaqueString('username', username), password: opaqueString('credential', password) }
  const { length } = encoder.encode(prepared.username)
  if (length > MAX_STUN_USERNAME_BYTES) {
    throw new RangeError(`username must have at most ${MAX_STUN_USERNAME_BYTES} bytes of UTF-8, not ${length}`)
  }
  return prepared
}

/**
 * The challenge in an error response; undefined where it has no realm or nonce. Throws `protocol-violation` where the
 * nonce promises password algorithms and none are there: somebody on the way may have removed them (section 9.2.4).
 */
export function challengeIn(response: StunMessage): Challenge | undefined {
  const realm = textIn(response, ATTRIBUTE.realm)
  const nonce = textIn(response, ATTRIBUTE.nonce)
  if (realm === undefined || nonce === undefined) return undefined
  const features = featuresOf(nonce)
  const passwordAlgorithms = attributeOf(response, ATTRIBUTE.passwordAlgorithms)
  const hasAlgorithms = (features & PASSWORD_ALGORITHMS_BIT) !== 0
  if (hasAlgorithms !== (passwordAlgorithms !== undefined)) {
    throw protocolViolation('The nonce and the list of password algorithms contradict each other: a bid-down attack?')
  }
  return {
    realm,
    nonce,
    passwordAlgorithms,
    algorithm: passwordAlgorithms === undefined ? 'md5' : chooseAlgorithm(passwordAlgorithms),
    hidesUsername: (features & USERNAME_ANONYMITY_BIT) !== 0,
  }
}

/** `credential` must be prepared. */
export function answerChallenge({ username, password }: LongTermCredential, challenge: Challenge): SigningMaterial {
  const { realm, nonce, passwordAlgorithms, algorithm, hidesUsername } = challenge
  const user: StunAttribute = hidesUsername
    ? { type: ATTRIBUTE.userhash, value: sha256(encoder.encode(`${username}:${realm}`)) }
    : textAttribute(ATTRIBUTE.username, username)
  const attributes = [user, textAttribute(ATTRIBUTE.nonce, nonce), textAttribute(ATTRIBUTE.realm, realm)]
  if (passwordAlgorithms !== undefined) {
    attributes.push({ type: ATTRIBUTE.passwordAlgorithms, value: passwordAlgorithms })
    attributes.push({
      type: ATTRIBUTE.passwordAlgorithm,
      value: Uint8Array.of(0, algorithm === 'md5' ? MD5 : SHA256, 0, 0),
    })
  }
  const secret = encoder.encode(`${username}:${realm}:${password}`)
  const key = algorithm === 'md5' ? md5(secret) : sha256(secret)
  return { attributes, integrity: { key, algorithm: passwordAlgorithms === undefined ? 'sha1' : 'sha256' } }
}

function featuresOf(nonce: string): number {
  if (!nonce.startsWith(NONCE_COOKIE)) return 0
  const digits = [...nonce.slice(NONCE_COOKIE.length, NONCE_COOKIE.length + FEATURES_LENGTH)].map(digit =>
    BASE64.indexOf(digit),
  )
  if (digits.length < FEATURES_LENGTH || digits.includes(-1)) return 0
  return digits.reduce((bits, digit) => bits * 64 + digit, 0)
}

/** The first one that is known: the server lists them in its order of preference (section 9.2.5). */
function chooseAlgorithm(list: Uint8Array): 'md5' | 'sha256' {
  const reader = new ByteReader(list)
  for (let count = 1; reader.remaining > 0; count++) {
    if (count > MAX_STUN_ALGORITHMS) break
    const algorithm = reader.uint16('password algorithm')
    const length = reader.uint16('length of its parameters')
    reader.view(length, 'parameters')
    reader.view(-length & 3, 'padding')
    if (algorithm === SHA256 && length === 0) return 'sha256'
    if (algorithm === MD5 && length === 0) return 'md5'
  }
  throw protocolViolation('The server offers only password algorithms that are not known here')
}

/** The profile OpaqueString (RFC 8265 section 4.2) as far as it changes or refuses anything that people type. */
function opaqueString(name: string, text: string): string {
  if (typeof text !== 'string') throw new TypeError(`${name} must be a text, not ${typeof text}`)
  const prepared = text.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC')
  if (prepared === '' || /[\p{Cc}\p{Cs}]/u.test(prepared)) {
    throw new RangeError(`${name} must have at least one character, and no control characters`)
  }
  return prepared
}
