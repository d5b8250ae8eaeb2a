/** A room with `internet` on a host of a lab: a process of its own, which tells what happens and does what it is told. */

import type { InternetOptions, JoinOptions, TurnServer } from '../../src/index.ts'
import type { Lab, Program } from './lab.ts'

/** The public host of every lab, with its daemons. */
export const SERVER = '203.0.113.10'
export const BROKER: InternetOptions = { rendezvous: [`mqtt://${SERVER}`] }
export const STUN: InternetOptions = { stun: [`stun:${SERVER}`] }
export const TURN: InternetOptions = { turn: [turnAt(SERVER)] }

export function turnAt(address: string): TurnServer {
  return { urls: `turn:${address}?transport=tcp`, username: 'lab', credential: 'lab' }
}

export interface Told {
  readonly joined?: string
  /** Who came, with the path it came by. */
  readonly peer?: string
  /** Whose path or state changed. */
  readonly of?: string
  readonly kind?: string
  readonly transport?: string
  readonly remote?: string
  readonly state?: string
  readonly gone?: string
  readonly code?: string
  readonly heard?: unknown
  readonly from?: string
  /** Whether it came from the object that the peer was when it came first. */
  readonly isSameObject?: boolean
  readonly warning?: string
  readonly health?: readonly { readonly url: string; readonly state: string; readonly error?: string }[]
  readonly sent?: number
  readonly closed?: true
  /** Date.now(): all namespaces have one clock. */
  readonly at: number
}

const SOURCE = `
import { createInterface } from 'node:readline'
import { join } from 'DIST/index.js'
const tell = value => console.log(JSON.stringify({ ...value, at: Date.now() }))
const room = await join('lab', OPTIONS)
const first = new Map()
const told = ({ kind, transport, remote }) => ({ kind, transport, remote })
room.on('peer', peer => {
  if (!first.has(peer.name)) first.set(peer.name, peer)
  tell({ peer: peer.name, ...told(peer.path) })
})
room.on('path', ({ peer, path }) => tell({ of: peer.name, ...told(path) }))
room.on('peer-state', ({ peer, state }) => tell({ of: peer.name, state }))
room.on('peer-gone', ({ peer, code }) => tell({ gone: peer.name, code }))
room.on('warning', ({ code, message }) => tell({ warning: message, code }))
room.on('message', ({ data, from }) => tell({ heard: data, from: from.name, isSameObject: first.get(from.name) === from }))
tell({ joined: room.self.name })
let sent = 0
let counting
createInterface({ input: process.stdin }).on('line', async line => {
  const { send, count, health, close } = JSON.parse(line)
  if (send !== undefined) await room.send(send)
  if (count === true) counting = setInterval(() => void room.send(sent++), 20)
  if (count === false) {
    clearInterval(counting)
    await room.send('last', { receipt: true })
    tell({ sent })
  }
  if (health) tell({ health: room.rendezvous.map(({ url, state, lastError }) => ({ url, state, error: lastError?.code })) })
  if (close) {
    await room.close()
    tell({ closed: true })
    process.stdin.destroy()
  }
})`

export class InternetRoom {
  readonly name: string
  readonly #program: Program

  constructor(lab: Lab, host: string, internet: InternetOptions, options: JoinOptions = {}) {
    this.name = host
    const all = { name: host, secret: 'correct horse', discovery: [], internet, ...options }
    this.#program = lab.start(
      host,
      SOURCE.replace('OPTIONS', () => JSON.stringify(all)),
    )
  }

  /** Everything told so far. */
  get told(): readonly Told[] {
    return this.#program.lines as readonly Told[]
  }

  /** The first that fits from the `from`th on, told already or to come. */
  until(fits: (told: Told) => boolean, from = 0): Promise<Told> {
    return this.#program.until<Told>(told => this.told.indexOf(told) >= from && fits(told))
  }

  joined(): Promise<Told> {
    return this.until(({ joined }) => joined !== undefined)
  }

  /** Resolves when this peer's messages go over a path of one of these kinds. */
  async path(of: InternetRoom, ...kinds: readonly string[]): Promise<Told> {
    return this.until(told => (told.peer === of.name || told.of === of.name) && kinds.includes(told.kind!))
  }

  /** The kind of the path that is used now. */
  kindTo(of: InternetRoom): string | undefined {
    return this.told.findLast(({ peer, of: who, kind }) => (peer ?? who) === of.name && kind !== undefined)?.kind
  }

  /** What was heard from a peer, in its order. */
  heardFrom(from: InternetRoom): readonly unknown[] {
    return this.told.filter(told => told.from === from.name).map(({ heard }) => heard)
  }

  /** Says something, and resolves when the other has heard it. */
  async tell(to: InternetRoom, word: string): Promise<Told> {
    this.#program.say({ send: word })
    return to.until(({ heard, from }) => heard === word && from === this.name)
  }

  /** Sends without waiting. */
  say(word: string): void {
    this.#program.say({ send: word })
  }

  /** Sends a number every 20 ms from now on. */
  startCounting(): void {
    this.#program.say({ count: true })
  }

  /** Resolves with how many numbers were sent, when the application there has them all. */
  async stopCounting(): Promise<number> {
    this.#program.say({ count: false })
    return (await this.until(({ sent }) => sent !== undefined)).sent!
  }

  /** What `room.rendezvous` says now. */
  async health(): Promise<NonNullable<Told['health']>> {
    const from = this.told.length
    this.#program.say({ health: true })
    return (await this.until(({ health }) => health !== undefined, from)).health!
  }

  /** Leaves, and resolves when the program has ended because nothing is left to do. */
  async close(): Promise<void> {
    this.#program.say({ close: true })
    await this.until(({ closed }) => closed === true)
    await this.until(() => false).catch(() => {})
  }
}

/** Joins one after the other, and resolves when all are in. */
export async function joinAll<Rooms extends readonly InternetRoom[]>(...rooms: Rooms): Promise<Rooms> {
  await Promise.all(rooms.map(room => room.joined()))
  return rooms
}
