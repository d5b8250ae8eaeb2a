/**
 * The devices of pythonConnect for a bridge. One node finds them. The protocol has one listening node for each address, so
 * the seats neither listen nor advertise: each dials every device, which takes the name it hears for a device of its own.
 */

import { EarshotError } from '../../errors.ts'
import type { InterfaceChoice } from '../../platform/interface-choice.ts'
import type { Platform } from '../../platform/platform.ts'
import { boundText } from '../../wire/bound-text.ts'
import type { PythonConnectPeer } from '../pythonconnect/events.ts'
import { SEPARATOR, TERMINATOR } from '../pythonconnect/frame.ts'
import { PythonConnectNode } from '../pythonconnect/node.ts'
import type { AskLimits, Device, ForeignNetwork, NetworkHandlers, Seat, SeatHandlers } from './foreign-network.ts'
import { pause } from './pause.ts'

/** Short of 128 bytes, where a character across the border would be a trap for the program. */
const MAX_SEAT_NAME_BYTES = 100
/** A message waits this long for the connection of its seat. */
const LINK_TIMEOUT_MS = 5_000
const RETRY_MS = 2_000

export interface PythonConnectNetworkOptions {
  readonly platform: Platform
  readonly name: string
  readonly interfaces: InterfaceChoice | undefined
  readonly handlers: NetworkHandlers
}

export class PythonConnectNetwork implements ForeignNetwork {
  readonly kind = 'pythonconnect'
  readonly #options: PythonConnectNetworkOptions
  readonly #main: PythonConnectNode
  readonly #seats = new Map<string, PythonConnectSeat>()

  static async open(options: PythonConnectNetworkOptions): Promise<PythonConnectNetwork> {
    const { platform, name, interfaces } = options
    const main = await PythonConnectNode.open(platform, { name, ...(interfaces && { interfaces }) })
    return new PythonConnectNetwork(main, options)
  }

  private constructor(main: PythonConnectNode, options: PythonConnectNetworkOptions) {
    const { handlers } = options
    this.#main = main
    this.#options = options
    main.on('peer', peer => this.#onPeer(peer))
    main.on('peer-gone', ({ peer }) => handlers.onDeviceGone(peer.name))
    main.on('warning', error => handlers.onWarning(error))
    // What is sent to all reaches the seats as well; this node is nobody in the room.
    main.on('message', () => {})
  }

  ownIds(): string[] {
    return [this.#main.name, ...this.#seats.keys()]
  }

  async openSeat(name: string, shortId: string, handlers: SeatHandlers): Promise<Seat> {
    const id = this.#freeName(usableName(name), shortId)
    const { platform, handlers: own } = this.#options
    const seat = new PythonConnectSeat(id, platform, handlers, () => {
      this.#seats.delete(id)
      own.onOwnIds()
    })
    this.#seats.set(id, seat)
    own.onOwnIds()
    try {
      await seat.open(error => own.onWarning(error))
    } catch (error) {
      this.#seats.delete(id)
      throw error
    }
    return seat
  }

  async close(): Promise<void> {
    await Promise.all([...this.#seats.values()].map(seat => seat.close()))
    await this.#main.close()
  }

  /** Where a device at our own address does not listen, its seats reach this node instead: those are no devices. */
  #onPeer({ name, address }: PythonConnectPeer): void {
    const { handlers, platform } = this.#options
    const isOwnAddress = platform.network.interfaces().some(link => link.addresses.some(own => own.address === address))
    if (!this.#seats.has(name)) handlers.onDevice({ id: name, name, address })
    else if (!isOwnAddress) handlers.onWarning(nameTaken(name, address))
  }

  #freeName(name: string, shortId: string): string {
    const isTaken = (each: string) => this.#seats.has(each) || this.#main.name === each || !!this.#main.peer(each)
    return isTaken(name) ? `${name}-${shortId}` : name
  }
}

function nameTaken(name: string, address: string): EarshotError {
  return new EarshotError('name-taken', `the device at ${address} calls itself '${name}', as a peer of the room does`, {
    hint: 'It is not brought into the room; give it a name of its own.',
  })
}

/** Names of rooms may be any text; those of devices may not. */
function usableName(name: string): string {
  const usable = name.replaceAll(SEPARATOR, ' ').replaceAll(TERMINATOR, ' ')
  const isFree = usable !== '' && usable !== 'toAll' && !usable.includes(SEPARATOR) && !usable.includes(TERMINATOR)
  return isFree ? boundText(usable, MAX_SEAT_NAME_BYTES) : 'peer'
}

class PythonConnectSeat implements Seat {
  readonly id: string
  readonly #platform: Platform
  readonly #handlers: SeatHandlers
  readonly #onClosed: () => void
  readonly #devices = new Map<string, Device>()
  readonly #linking = new Map<string, Promise<void>>()
  readonly #ending = new AbortController()
  #node!: PythonConnectNode

  constructor(id: string, platform: Platform, handlers: SeatHandlers, onClosed: () => void) {
    this.id = id
    this.#platform = platform
    this.#handlers = handlers
    this.#onClosed = onClosed
  }

  async open(onWarning: (error: EarshotError) => void): Promise<void> {
    const node = await PythonConnectNode.open(this.#platform, { name: this.id, discovery: false, listen: false })
    this.#node = node
    node.on('message', ({ data, from }) => this.#handlers.onMessage(from.name, data))
    node.answer((question, { from, signal }) => this.#handlers.onQuestion(from.name, question, signal))
    node.on('warning', onWarning)
    node.on('peer-gone', ({ peer }) => {
      const device = this.#devices.get(peer.name)
      if (device) void this.#reach(device, RETRY_MS)
    })
  }

  meet(device: Device): void {
    if (this.#devices.get(device.id)?.address === device.address) return
    this.#devices.set(device.id, device)
    void this.#reach(device, 0)
  }

  forget(deviceId: string): void {
    this.#devices.delete(deviceId)
  }

  async send(deviceId: string, data: unknown): Promise<void> {
    const text = toText(data)
    await this.#linked(deviceId)
    await this.#node.send(text, { to: deviceId })
  }

  async ask(deviceId: string, question: unknown, limits: AskLimits): Promise<unknown> {
    const text = toText(question)
    await this.#linked(deviceId)
    const answer = (await this.#node.ask(deviceId, text, limits)).get(deviceId) ?? null
    if (answer === null) throw new EarshotError('timeout', `the device '${deviceId}' did not answer`)
    return answer
  }

  async close(): Promise<void> {
    if (this.#ending.signal.aborted) return
    this.#ending.abort()
    this.#devices.clear()
    await this.#node.close()
    this.#onClosed()
  }

  /** Dials until there is a connection, or no device any more. */
  async #reach(device: Device, firstPauseMs: number): Promise<void> {
    const { signal } = this.#ending
    const isWanted = () => this.#devices.get(device.id) === device && !this.#node.peer(device.id) && !signal.aborted
    if (firstPauseMs > 0) await pause(this.#platform.clock, firstPauseMs, signal)
    while (isWanted()) {
      try {
        await this.#node.connect(device.address, { signal })
      } catch {
        await pause(this.#platform.clock, RETRY_MS, signal)
      }
    }
  }

  /** One wait for all, so that they go on in their order. */
  #linked(deviceId: string): Promise<void> {
    const pending = this.#linking.get(deviceId)
    if (pending) return pending
    if (this.#node.peer(deviceId)) return Promise.resolve()
    const waiting = this.#waitForLink(deviceId).finally(() => this.#linking.delete(deviceId))
    this.#linking.set(deviceId, waiting)
    return waiting
  }

  async #waitForLink(deviceId: string): Promise<void> {
    const { clock } = this.#platform
    const until = clock.now() + LINK_TIMEOUT_MS
    while (!this.#node.peer(deviceId)) {
      const leftMs = Math.ceil(until - clock.now())
      if (leftMs <= 0) throw new EarshotError('unreachable', `the device '${deviceId}' takes no connection`)
      await pause(clock, Math.min(leftMs, 20), this.#ending.signal)
      this.#ending.signal.throwIfAborted()
    }
  }
}

/** The network carries texts; other values go as JSON. */
function toText(data: unknown): string {
  if (typeof data === 'string') return data
  const text = isJson(data) ? JSON.stringify(data) : undefined
  if (text !== undefined) return text
  throw new EarshotError('invalid-data', 'pythonConnect carries texts, and what JSON can say; this is neither')
}

/** Bytes, Map and Set would silently become something else. */
export function isJson(value: unknown): boolean {
  if (value === null || ['string', 'boolean'].includes(typeof value)) return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (Array.isArray(value)) return value.every(isJson)
  if (typeof value !== 'object') return false
  const prototype = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && Object.values(value).every(isJson)
}
