/** Arguments of the public functions: checked and completed once, at the edge. Inside, everything is required. */

import { asError, EarshotError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { generateIdentity } from '../identity/identity.ts'
import { parsePeerId } from '../identity/peer-id.ts'
import {
  AWAY_TIMEOUT_MS,
  MAX_AWAY_TIMEOUT_MS,
  MAX_HELLO_BYTES,
  MAX_INFO_BYTES,
  MAX_LABEL_BYTES,
  MAX_NAME_BYTES,
  MAX_OFFER_NAME_BYTES,
  MAX_SECRET_BYTES,
  MAX_SERVICE_NAME_LENGTH,
  MAX_STREAM_HEADER_BYTES,
} from '../limits.ts'
import type { AskLimits } from '../messaging/asked-questions.ts'
import type { EncodedValue } from '../messaging/value.ts'
import type { Platform } from '../platform/platform.ts'
import { boundText } from '../wire/bound-text.ts'
import { addressFault, parseAddress } from './connecting/address.ts'
import type { RoomEvents } from './events.ts'
import type {
  Admit,
  AskOptions,
  Delivery,
  DiscoveryMethod,
  InboxOptions,
  InterfaceChoice,
  JoinOptions,
  Json,
  SendFileOptions,
  SendOptions,
} from './options.ts'

const DEFAULT_ASK_TIMEOUT_MS = 2_000
/** A record, so that none can be missing. */
const EVENT_TYPES: Readonly<Record<keyof RoomEvents, true>> = {
  peer: true,
  'peer-gone': true,
  'peer-state': true,
  relay: true,
  message: true,
  path: true,
  warning: true,
  found: true,
  lost: true,
}
const DELIVERIES: readonly Delivery[] = ['reliable', 'latest', 'unreliable']
/** Names of channels, questions and streams that are ours. */
export const RESERVED_PREFIX = 'earshot:'
const DISCOVERY_METHODS: readonly DiscoveryMethod[] = ['mdns', 'beacon']

/** What `join` works with. */
export interface RoomOptions {
  readonly service: string
  readonly name: string
  readonly identity: Identity
  /** JSON text, empty for none. */
  readonly info: string
  /** JSON text, empty for none. */
  readonly hello: string
  readonly secret: string | undefined
  readonly admit: Admit | undefined
  readonly maxPeers: number
  readonly visible: boolean
  readonly discovery: readonly DiscoveryMethod[]
  readonly peers: readonly string[]
  readonly interfaces: InterfaceChoice | undefined
  readonly listen: { readonly host: string; readonly port: number }
  readonly awayTimeoutMs: number
  /** How much is relayed for others; undefined for nothing. */
  readonly relayBudgetBytes: number | undefined
  readonly signal: AbortSignal | undefined
}

/** All but `internet`. */
export function checkJoinOptions(service: string, options: JoinOptions, platform: Platform): RoomOptions {
  checkObject('options', options)
  const { secret, maxPeers = Number.POSITIVE_INFINITY, visible = true, admit, signal } = options
  if (maxPeers !== Number.POSITIVE_INFINITY && (!Number.isInteger(maxPeers) || maxPeers < 0)) {
    throw new RangeError(`maxPeers must be a whole number from 0 or Infinity, not ${show(maxPeers)}`)
  }
  if (admit !== undefined && typeof admit !== 'function')
    throw new TypeError(`admit must be a function, not ${show(admit)}`)
  checkVisible(visible)
  checkSecret(secret)
  return {
    service: checkService(service),
    name: checkName(options.name ?? defaultName(platform.hostName)),
    identity: checkIdentity(options.identity) ?? generateIdentity(platform.random),
    info: checkJson('info', options.info, MAX_INFO_BYTES),
    hello: checkJson('hello', options.hello, MAX_HELLO_BYTES),
    secret,
    admit,
    maxPeers,
    visible,
    discovery: checkDiscovery(options.discovery),
    peers: checkPeers(options.peers ?? [], options.internet !== undefined),
    interfaces: checkInterfaceChoice(options.interfaces),
    listen: checkListen(options.listen ?? {}),
    awayTimeoutMs: checkAwayTimeout(options.awayTimeoutMs),
    relayBudgetBytes: checkRelay(options.relay),
    signal: checkSignal(signal),
  }
}

function checkRelay(relay: JoinOptions['relay']): number | undefined {
  if (relay === undefined) return undefined
  checkObject('relay', relay)
  const { budgetBytes = Number.POSITIVE_INFINITY } = relay
  if (typeof budgetBytes !== 'number' || !(budgetBytes >= 0)) {
    throw new RangeError(`relay.budgetBytes must be 0 or more bytes, not ${show(budgetBytes)}`)
  }
  return budgetBytes
}

function checkAwayTimeout(ms: number = AWAY_TIMEOUT_MS): number {
  if (checkDuration('awayTimeoutMs', ms) > MAX_AWAY_TIMEOUT_MS) {
    throw new RangeError(`awayTimeoutMs must be at most ${MAX_AWAY_TIMEOUT_MS}, a day, not ${show(ms)}`)
  }
  return ms
}

export function checkVisible(visible: boolean): boolean {
  if (typeof visible !== 'boolean') throw new TypeError(`visible must be true or false, not ${show(visible)}`)
  return visible
}

/** Says nothing of the value. */
function checkSecret(secret: string | undefined): void {
  if (secret === undefined) return
  if (typeof secret !== 'string') throw new TypeError(`secret must be a string, not of type ${typeof secret}`)
  const bytes = byteLength(secret.normalize('NFC'))
  if (bytes === 0 || bytes > MAX_SECRET_BYTES) {
    throw new RangeError(`secret must have 1 to ${MAX_SECRET_BYTES} bytes of UTF-8, it has ${bytes}`)
  }
}

/** RFC 6335 section 5.1: letters, digits and single hyphens inside, at least one letter. */
export function checkService(service: string): string {
  if (typeof service !== 'string') throw new TypeError(`the service name must be a string, not ${show(service)}`)
  if (!/^(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/.test(service) || service.length > MAX_SERVICE_NAME_LENGTH) {
    throw new RangeError(
      `the service name must have 1 to ${MAX_SERVICE_NAME_LENGTH} characters of a-z, 0-9 and '-', with a letter and ` +
        `no '-' at an end or beside another, not ${show(service)}`,
    )
  }
  return service
}

export function checkName(name: string): string {
  return checkText('name', name, MAX_NAME_BYTES)
}

/** JSON text of a value, empty for undefined. */
export function checkJson(field: string, value: Json | undefined, maxBytes: number): string {
  if (value === undefined) return ''
  const text = stringify(field, value)
  const bytes = byteLength(text)
  if (bytes > maxBytes) throw new RangeError(`${field} must have at most ${maxBytes} bytes of JSON, it has ${bytes}`)
  return text
}

function stringify(field: string, value: Json): string {
  try {
    const text: string | undefined = JSON.stringify(value)
    if (text !== undefined) return text
  } catch (cause) {
    throw new TypeError(`${field} must be a value that JSON can carry: ${asError(cause).message}`, { cause })
  }
  throw new TypeError(`${field} must be a value that JSON can carry, not ${show(value)}`)
}

export function checkInterfaceChoice(choice: InterfaceChoice | undefined): InterfaceChoice | undefined {
  if (choice === undefined) return undefined
  checkObject('interfaces', choice)
  for (const field of ['include', 'exclude'] as const) {
    const patterns = choice[field]
    if (patterns !== undefined && !(Array.isArray(patterns) && patterns.every(item => typeof item === 'string'))) {
      throw new TypeError(`interfaces.${field} must be an array of names, not ${show(patterns)}`)
    }
  }
  return choice
}

/** A channel's or question's name. */
export function checkLabel(kind: string, name: string): string {
  checkText(kind, name, MAX_LABEL_BYTES)
  if (name.startsWith(RESERVED_PREFIX)) {
    throw new RangeError(
      `${kind} must not begin with '${RESERVED_PREFIX}', which earshot keeps for itself: ${show(name)}`,
    )
  }
  return name
}

/** What is sent has a name: given, or its own. */
export function checkSendFile(what: string | Blob, { name, signal, waitMs = 60_000 }: SendFileOptions): SendFileLimits {
  checkSignal(signal)
  checkDuration('waitMs', waitMs)
  if (typeof what !== 'string' && !(what instanceof Blob)) {
    throw new TypeError(`sendFile takes a path or a Blob, not ${show(what)}`)
  }
  if (what === '') throw new RangeError('the path of what is sent must not be empty')
  if (name !== undefined) checkText('the name of a file', name, MAX_OFFER_NAME_BYTES)
  const ownName = (what as { name?: unknown }).name
  if (typeof what === 'string' || name !== undefined) return { name, waitMs }
  if (typeof ownName !== 'string' || ownName === '')
    throw new TypeError('a Blob needs a name: sendFile(blob, { name })')
  return { name: boundText(ownName, MAX_OFFER_NAME_BYTES), waitMs }
}

export interface SendFileLimits {
  readonly name: string | undefined
  readonly waitMs: number
}

export function checkInbox(dir: string, { accept, overwrite = false }: InboxOptions): Required<InboxOptions> {
  if (typeof dir !== 'string' || dir === '') throw new TypeError(`inbox takes the path of a folder, not ${show(dir)}`)
  if (accept !== undefined && typeof accept !== 'function') {
    throw new TypeError(`accept must be a function, not ${show(accept)}`)
  }
  if (typeof overwrite !== 'boolean') throw new TypeError(`overwrite must be true or false, not ${show(overwrite)}`)
  return { accept: accept ?? (() => true), overwrite }
}

export function checkStreamHeader(header: EncodedValue): EncodedValue {
  const { length } = header.bytes
  if (length <= MAX_STREAM_HEADER_BYTES) return header
  throw new EarshotError(
    'too-large',
    `the header of a stream has ${length} bytes, at most ${MAX_STREAM_HEADER_BYTES}`,
    {
      hint: 'Send it in the stream itself.',
    },
  )
}

export function askLimits(name: string, { timeoutMs = DEFAULT_ASK_TIMEOUT_MS, signal }: AskOptions): AskLimits {
  checkLabel('the name of the question', name)
  checkDuration('timeoutMs', timeoutMs)
  return { timeoutMs, signal }
}

export function checkDuration(field: string, ms: number): number {
  if (typeof ms !== 'number' || Number.isNaN(ms) || ms < 0) {
    throw new RangeError(`${field} must be 0 or more milliseconds, not ${show(ms)}`)
  }
  return ms
}

export function checkEventType(type: string): void {
  if (!Object.hasOwn(EVENT_TYPES, type)) {
    throw new RangeError(`a room has the events ${Object.keys(EVENT_TYPES).join(', ')}, not ${show(type)}`)
  }
}

export function checkText(field: string, text: string, maxBytes: number): string {
  if (typeof text !== 'string') throw new TypeError(`${field} must be a string, not ${show(text)}`)
  // A code unit is at most three bytes: most names need no counting, and this runs for every question.
  if (text.length > 0 && text.length * 3 <= maxBytes) return text
  const bytes = byteLength(text)
  if (bytes === 0 || bytes > maxBytes) {
    throw new RangeError(`${field} must have 1 to ${maxBytes} bytes of UTF-8, ${show(text)} has ${bytes}`)
  }
  return text
}

export function checkSendOptions({ delivery = 'reliable', receipt, whenFull, signal }: SendOptions): void {
  checkDelivery(delivery)
  if (whenFull !== undefined && whenFull !== 'wait' && whenFull !== 'reject') {
    throw new RangeError(`whenFull must be 'wait' or 'reject', not ${show(whenFull)}`)
  }
  if (receipt && delivery !== 'reliable') {
    throw new RangeError(`receipt goes with delivery 'reliable' only, not with ${show(delivery)}`)
  }
  checkSignal(signal)
}

export function checkDelivery(delivery: Delivery): Delivery {
  if (DELIVERIES.includes(delivery)) return delivery
  throw new RangeError(`delivery must be ${DELIVERIES.map(show).join(', ')}, not ${show(delivery)}`)
}

export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`signal must be an AbortSignal, not ${show(signal)}`)
  }
  return signal
}

function checkIdentity(identity: Identity | undefined): Identity | undefined {
  if (identity !== undefined && typeof identity?.sign !== 'function') {
    throw new TypeError(`identity must come from Identity.generate() or Identity.load(), not ${show(identity)}`)
  }
  return identity
}

export function checkDiscovery(methods: readonly DiscoveryMethod[] | undefined): readonly DiscoveryMethod[] {
  if (methods === undefined) return DISCOVERY_METHODS
  if (!Array.isArray(methods)) throw new TypeError(`discovery must be an array, not ${show(methods)}`)
  for (const method of methods) {
    if (!DISCOVERY_METHODS.includes(method)) {
      throw new RangeError(`discovery knows ${DISCOVERY_METHODS.map(show).join(', ')}, not ${show(method)}`)
    }
  }
  return [...new Set(methods)]
}

function checkPeers(peers: readonly string[], hasInternet: boolean): readonly string[] {
  if (!Array.isArray(peers)) throw new TypeError(`peers must be an array of 'ip:port', not ${show(peers)}`)
  for (const peer of peers) {
    if (typeof peer !== 'string') throw new TypeError(`peers takes 'ip:port', not ${show(peer)}`)
    if (hasInternet && parsePeerId(peer)) continue
    const fault = addressFault(peer)
    if (fault || !parseAddress(peer)) {
      throw new RangeError(`peers takes 'ip:port' or 'host:port', not ${show(peer)}${fault ? `: ${fault}` : ''}`)
    }
  }
  return peers
}

/** For a text that is the address, the id or the name of nobody who is known: whether it can be one at all. */
export function checkTarget(target: string): void {
  const fault = addressFault(target)
  if (fault) throw new RangeError(`connect takes 'ip:port', an id or a name, not ${show(target)}: ${fault}`)
  if (!parseAddress(target)) checkText('the name of a peer', target, MAX_NAME_BYTES)
}

function checkListen(listen: NonNullable<JoinOptions['listen']>): RoomOptions['listen'] {
  checkObject('listen', listen)
  const { host = '::', port = 0 } = listen
  if (typeof host !== 'string') throw new TypeError(`listen.host must be an address, not ${show(host)}`)
  return { host, port: checkPort(port) }
}

function checkPort(port: number): number {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new RangeError(`listen.port must be a whole number from 0 to 65535, not ${show(port)}`)
  }
  return port
}

function checkObject(field: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw new TypeError(`${field} must be an object, not ${show(value)}`)
}

function defaultName(hostName: string): string {
  return boundText(hostName, MAX_NAME_BYTES) || 'earshot'
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length
}

/** A value for an error message: short, and never a secret's neighbour by accident. */
function show(value: unknown): string {
  if (typeof value === 'string') return `'${boundText(value, 80)}'`
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}
