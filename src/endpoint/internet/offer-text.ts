/**
 * The two texts that connect two peers without any server (docs/protocol.md, "Offers"): what a person copies into a mail or a chat.
 * Each is a complete description of one side's candidates, signed by its identity, with its length and a checksum, so that what was
 * cut off, what was changed, and what is something else are told apart.
 */

import { bytesFromBase64Url, bytesToBase64Url } from '../../crypto/base64url.ts'
import { SIGNATURE_BYTES, verifyEd25519 } from '../../crypto/ed25519.ts'
import { KEY_BYTES } from '../../crypto/octet-key.ts'
import { sha256 } from '../../crypto/sha256.ts'
import { EarshotError } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import { formatPeerId, shortPeerId } from '../../identity/peer-id.ts'
import { MAX_ICE_MESSAGE_BYTES, MAX_NAME_BYTES, MAX_OFFER_TEXT_CHARACTERS } from '../../limits.ts'
import { type Description, decodeDescription } from '../../nat/ice/description.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'

export interface OfferText {
  readonly kind: 'offer' | 'answer'
  /** Whose it is: proven by the signature. */
  readonly id: string
  readonly name: string
  /** By its maker's clock, in milliseconds since 1970, in whole seconds. */
  readonly madeAt: number
  /** See `serviceMark`. */
  readonly service: Uint8Array
  /** Encoded: `describe` shows it. */
  readonly description: Uint8Array
}

const PREFIX = 'earshot:'
const VERSION = 1
const KINDS = ['offer', 'answer'] as const
/** Version, kind and length: exactly four characters. */
const HEADER_BYTES = 3
const HEADER_CHARACTERS = 4
const SERVICE_MARK_BYTES = 8
const CHECKSUM_BYTES = 4
const LEAST_BYTES = HEADER_BYTES + SERVICE_MARK_BYTES + KEY_BYTES + 4 + SIGNATURE_BYTES + CHECKSUM_BYTES
/** Line breaks and blanks, the marks of quoted mails, and characters that are not seen. */
const INSERTED = /[\s>\u00ad\u200b-\u200f\u2060\ufeff]+/g
const HINT = "Copy the whole text, from 'earshot:' to its last character."
const encoder = new TextEncoder()
const LABEL = encoder.encode('earshot-offer-v1\0')

/** Tells rooms of another service apart. It hides nothing: services are names that can be guessed. */
export function serviceMark(service: string): Uint8Array {
  return sha256(encoder.encode(`earshot-offer-service-v1\0${service}`)).subarray(0, SERVICE_MARK_BYTES)
}

/** One line of base64url behind `earshot:`. */
export function encodeOfferText(
  { kind, name, madeAt, service, description }: Omit<OfferText, 'id'>,
  identity: Identity,
): string {
  const body = new ByteWriter(512)
    .append(service)
    .append(identity.publicKey)
    .uint32(Math.floor(madeAt / 1_000))
    .prefixedUtf8(name)
    .prefixed(description)
    .finish()
  const length = HEADER_BYTES + body.length + SIGNATURE_BYTES + CHECKSUM_BYTES
  const signed = new ByteWriter(length)
    .uint8((VERSION << 4) | (KINDS.indexOf(kind) + 1))
    .uint16(length)
    .append(body)
    .finish()
  const packet = new ByteWriter(length)
    .append(signed)
    .append(identity.sign(labelled(signed)))
    .finish()
  return PREFIX + bytesToBase64Url(new ByteWriter(length).append(packet).append(checksum(packet)).finish())
}

/** Whatever stands around the text is left out. Throws `invalid-data` that says what is wrong with it. */
export function decodeOfferText(text: string): OfferText {
  const packet = packetIn(text)
  const reader = new ByteReader(packet)
  const head = reader.uint8('version and kind')
  if (head >>> 4 !== VERSION) {
    throw new EarshotError('version-mismatch', `version ${head >>> 4} of such texts is not known here`, {
      hint: 'Update earshot on the older of the two sides.',
    })
  }
  const kind = KINDS[(head & 0x0f) - 1]
  if (kind === undefined) throw invalid('the text is neither an offer nor an answer')
  reader.uint16('length')
  const end = packet.length - CHECKSUM_BYTES - SIGNATURE_BYTES
  try {
    const offer = { kind, ...readBody(new ByteReader(packet, HEADER_BYTES, end)) }
    const signature = packet.subarray(end, end + SIGNATURE_BYTES)
    const { publicKey, ...rest } = offer
    if (verifyEd25519(publicKey, labelled(packet.subarray(0, end)), signature)) return rest
    throw invalid(`the text is not signed by ${shortPeerId(rest.id)}, whose it claims to be: somebody has changed it`)
  } catch (error) {
    if (!(error instanceof EarshotError) || error.code !== 'protocol-violation') throw error
    throw invalid(`the text is malformed: ${error.message}`, error)
  }
}

/** What the maker has. */
export function describe({ description }: OfferText): Description {
  return decodeDescription(description)
}

function readBody(reader: ByteReader): Omit<OfferText, 'kind'> & { readonly publicKey: Uint8Array } {
  const service = reader.view(SERVICE_MARK_BYTES, 'service').slice()
  const publicKey = reader.view(KEY_BYTES, 'key').slice()
  const madeAt = reader.uint32('time') * 1_000
  const nameLength = reader.varint('length of the name')
  if (nameLength === 0 || nameLength > MAX_NAME_BYTES) {
    throw invalid(`the text is malformed: a name has 1 to ${MAX_NAME_BYTES} bytes, not ${nameLength}`)
  }
  const name = reader.utf8(nameLength, 'name')
  const length = reader.varint('length of the description')
  if (length > MAX_ICE_MESSAGE_BYTES) throw invalid(`the text is malformed: a description of ${length} bytes`)
  const description = reader.view(length, 'description').slice()
  reader.finish('the text')
  if (!decodeDescription(description).isComplete)
    throw invalid('the text is malformed: its description is not complete')
  return { id: formatPeerId(publicKey), publicKey, name, madeAt, service, description }
}

/** The bytes that the text stands for, with their length and checksum as they should be. */
function packetIn(text: string): Uint8Array {
  if (text.length > MAX_OFFER_TEXT_CHARACTERS) {
    throw invalid(`a text has at most ${MAX_OFFER_TEXT_CHARACTERS} characters, this one has ${text.length}`)
  }
  const bare = text.replace(INSERTED, '')
  const start = bare.toLowerCase().indexOf(PREFIX)
  if (start < 0) throw invalid(`there is no '${PREFIX}…' in the text`)
  const characters = /^[\w-]*/.exec(bare.slice(start + PREFIX.length))![0]
  if (characters.length < HEADER_CHARACTERS) throw cutOff('the text is cut off right behind its beginning')
  const header = bytesFromBase64Url(characters.slice(0, HEADER_CHARACTERS))
  const length = (header[1]! << 8) | header[2]!
  if (length < LEAST_BYTES) throw invalid('the text was changed: its length cannot be right')
  const wanted = Math.ceil((length * 4) / 3)
  const whole = wanted + PREFIX.length
  if (characters.length < wanted) {
    throw cutOff(`the text is cut off: ${characters.length + PREFIX.length} of ${whole} characters are there`)
  }
  const base64 = characters.slice(0, wanted)
  const bytes = bytesFromBase64Url(base64)
  const packet = bytes.subarray(0, length - CHECKSUM_BYTES)
  const isWhole = checksum(packet).every((byte, index) => byte === bytes[packet.length + index])
  if (!isWhole || bytesToBase64Url(bytes) !== base64)
    throw invalid('a character of the text was changed, or some are missing')
  return bytes
}

function checksum(packet: Uint8Array): Uint8Array {
  return sha256(packet).subarray(0, CHECKSUM_BYTES)
}

function labelled(signed: Uint8Array): Uint8Array {
  return new ByteWriter(LABEL.length + signed.length).append(LABEL).append(signed).finish()
}

function invalid(message: string, cause?: unknown): EarshotError {
  return new EarshotError('invalid-data', message, { hint: HINT, ...(cause !== undefined && { cause }) })
}

function cutOff(message: string): EarshotError {
  return new EarshotError('invalid-data', message, { hint: HINT, reason: 'cut-off' })
}
