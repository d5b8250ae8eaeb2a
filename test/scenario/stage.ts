/** A simulated network with rooms on it. Whatever a scenario leaves open is a failure of that scenario. */

import { expect } from 'vitest'
import type { JoinOptions, Peer, Room } from '../../src/index.ts'
import { join } from '../../src/index.ts'
import type { Platform } from '../../src/platform/platform.ts'
import {
  type HostOptions,
  type LanOptions,
  type SimulatedHost,
  type SimulatedNetwork,
  type SimulationOptions,
  simulate,
} from '../../src/testing/index.ts'

const STEP_MS = 5
const PATIENCE_MS = 20_000

export interface StageOptions extends SimulationOptions {
  /** Properties of the LAN 'home'. */
  readonly lan?: LanOptions
}

export interface JoinAs extends Omit<JoinOptions, 'network'> {
  /** @default 'chat' */
  readonly service?: string
  /** @default the first program of the host with the name of the room */
  readonly on?: Platform
}

/**
 * Plays a scenario in virtual time; afterwards every room is closed, and nothing may be left open anywhere, but on hosts
 * of those who keep no rules, whose names begin with `mallory`.
 */
export async function onStage(play: (stage: Stage) => Promise<void>, options: StageOptions = {}): Promise<void> {
  const stage = new Stage(options)
  await stage.net.run(() => play(stage), { withinMs: 3_600_000 })
  await stage.net.run(() => stage.closeAll())
  await stage.net.advance(2_000)
  expect(stage.leftOpen()).toEqual([])
}

export class Stage {
  readonly net: SimulatedNetwork
  readonly #hosts = new Map<string, SimulatedHost>()
  readonly #rooms = new Set<Room>()

  constructor({ lan, ...options }: StageOptions = {}) {
    this.net = simulate(options)
    this.net.lan('home', lan ?? {})
  }

  /** The host of that name, made where there is none. */
  host(name: string, options?: HostOptions): SimulatedHost {
    const known = this.#hosts.get(name)
    if (known) return known
    const host = this.net.host(name, options)
    this.#hosts.set(name, host)
    return host
  }

  /** Joins under a name, on the host of that name. */
  async join(name: string, { service = 'chat', on, ...options }: JoinAs = {}): Promise<Room> {
    const platform = on ?? this.host(name).network
    const joining = join(service, { name, network: platform, ...options })
    // Deriving the key of a secret is work in the real world.
    const room = await (options.secret === undefined ? joining : this.net.freeze(joining))
    this.#rooms.add(room)
    return room
  }

  async joinAll(...names: readonly string[]): Promise<Room[]> {
    return Promise.all(names.map(name => this.join(name)))
  }

  advance(ms: number): Promise<void> {
    return this.net.advance(ms)
  }

  /** Waits until something is so, and returns how many milliseconds that took. */
  async until(isSo: () => boolean, withinMs: number = PATIENCE_MS): Promise<number> {
    const startedAt = this.net.now
    while (!isSo()) {
      if (this.net.now - startedAt >= withinMs) expect.fail(`not so within ${withinMs} ms: ${isSo}`)
      await this.advance(STEP_MS)
    }
    return this.net.now - startedAt
  }

  /** Waits until each of these rooms has each of the others as its peer, and returns how long that took. */
  met(rooms: readonly Room[], withinMs?: number): Promise<number> {
    return this.until(() => rooms.every(room => hasAll(room, rooms)), withinMs)
  }

  /** What is open on hosts of honest people, a line each. */
  leftOpen(): string[] {
    const honest = this.net.open().filter(({ host }) => !host.startsWith('mallory'))
    return honest.map(({ host, kind, detail }) => `${host}: ${kind} ${detail}`)
  }

  /** Rooms whose host was killed or stopped cannot be closed: their programs are no more. */
  async closeAll(): Promise<void> {
    const hosts = [...this.#hosts.values()]
    for (const host of hosts) if (host.state === 'asleep') host.wake()
    await Promise.race([Promise.all([...this.#rooms].map(room => room.close())), this.advance(5_000)])
  }
}

function hasAll(room: Room, rooms: readonly Room[]): boolean {
  return rooms.every(other => other === room || room.peers.some(({ id }) => id === other.self.id))
}

/** How `room` sees `other`. */
export function peerOf(room: Room, other: Room): Peer {
  const peer = room.peers.find(({ id }) => id === other.self.id)
  if (!peer) throw new Error(`${room.self.name} has no peer ${other.self.name}`)
  return peer
}

/** Names of the peers of a room, sorted. */
export function namesOf(room: Room): string[] {
  return room.peers.map(({ name }) => name).sort()
}

/** What happens in a room, a line each. */
export function logOf(room: Room): string[] {
  const log: string[] = []
  room.on('peer', ({ name }) => log.push(`peer ${name}`))
  room.on('peer-gone', ({ peer, code, reason }) => log.push(`gone ${peer.name} ${code}${reason && `: ${reason}`}`))
  room.on('peer-state', ({ peer, state, was }) => log.push(`state ${peer.name} ${was} ${state}`))
  room.on('warning', ({ code, message }) => log.push(`warning ${code}: ${message}`))
  return log
}

/** The data of all messages that reach a room from now on. */
export function heardBy(room: Room): unknown[] {
  const heard: unknown[] = []
  room.on('message', ({ data }) => heard.push(data))
  return heard
}

/** What a promise rejects with. */
export async function failureOf(promise: PromiseLike<unknown>): Promise<Error & Record<string, unknown>> {
  const outcome = await promise.then(
    value => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('value' in outcome) expect.fail(`did not reject, but gave ${String(outcome.value)}`)
  return outcome.error as Error & Record<string, unknown>
}
