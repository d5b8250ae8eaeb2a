/** A simulated LAN with nodes of pythonConnect on it: ours, and a model of the real program. What is left open fails. */

import { expect } from 'vitest'
import {
  type PythonConnectEvents,
  PythonConnectNode,
  type PythonConnectOptions,
} from '../../../src/compat/pythonconnect.ts'
import type { Platform } from '../../../src/platform/platform.ts'
import {
  type SimulatedHost,
  type SimulatedNetwork,
  type SimulationOptions,
  simulate,
} from '../../../src/testing/index.ts'
import { RealProgram, type RealProgramOptions } from './real-program.ts'

const PATIENCE_MS = 20_000

export async function onStage(play: (stage: Stage) => Promise<void>, options: SimulationOptions = {}): Promise<void> {
  const stage = new Stage(options)
  await stage.net.run(() => play(stage), { withinMs: 3_600_000 })
  await stage.net.run(() => stage.closeAll())
  await stage.net.advance(2_000)
  const left = stage.net.open().filter(({ host }) => !host.startsWith('mallory'))
  expect(left.map(({ host, kind, detail }) => `${host}: ${kind} ${detail}`)).toEqual([])
}

export class Stage {
  readonly net: SimulatedNetwork
  readonly #hosts = new Map<string, SimulatedHost>()
  readonly #open = new Set<{ close(): Promise<void> | void }>()

  constructor(options: SimulationOptions) {
    this.net = simulate(options)
    this.net.lan('home')
  }

  host(name: string): SimulatedHost {
    const host = this.#hosts.get(name) ?? this.net.host(name)
    this.#hosts.set(name, host)
    return host
  }

  /** A node of ours under a name, on a host of its own. */
  async node(
    name: string,
    options: PythonConnectOptions & { readonly on?: Platform } = {},
  ): Promise<PythonConnectNode> {
    const { on = this.host(name).network, ...rest } = options
    const node = await PythonConnectNode.join({ name, network: on, ...rest })
    this.#open.add(node)
    return node
  }

  /** A model of the real program under a name, on a host of its own. */
  async real(name: string, options: RealProgramOptions = {}): Promise<RealProgram> {
    const program = await RealProgram.start(name, this.host(name).network, options)
    this.#open.add(program)
    return program
  }

  advance(ms: number): Promise<void> {
    return this.net.advance(ms)
  }

  /** Waits until something is so, and returns how many milliseconds that took. */
  async until(isSo: () => boolean, withinMs: number = PATIENCE_MS): Promise<number> {
    const startedAt = this.net.now
    while (!isSo()) {
      if (this.net.now - startedAt >= withinMs) expect.fail(`not so within ${withinMs} ms: ${isSo}`)
      await this.advance(5)
    }
    return this.net.now - startedAt
  }

  /** Waits until each has all the others. */
  met(nodes: readonly (PythonConnectNode | RealProgram)[], withinMs?: number): Promise<number> {
    return this.until(
      () =>
        nodes.every(node =>
          nodes.every(
            other =>
              other === node || (node instanceof RealProgram ? node.isLinked(other.name) : node.peer(other.name)),
          ),
        ),
      withinMs,
    )
  }

  /** Nodes whose host was killed or stopped cannot be closed: their programs are no more. */
  async closeAll(): Promise<void> {
    await Promise.race([Promise.all([...this.#open].map(node => node.close())), this.advance(5_000)])
  }
}

export function namesOf(node: PythonConnectNode): string[] {
  return node.peers.map(({ name }) => name).sort()
}

/** What happens to a node, a line each. */
export function logOf(node: PythonConnectNode): string[] {
  const log: string[] = []
  const lines: { [K in keyof PythonConnectEvents]: (event: PythonConnectEvents[K]) => string } = {
    peer: ({ name }) => `peer ${name}`,
    'peer-gone': ({ peer, code }) => `gone ${peer.name} ${code}`,
    message: ({ data, from }) => `${from.name}: ${data}`,
    warning: ({ code }) => `warning ${code}`,
  }
  node.on('peer', event => log.push(lines.peer(event)))
  node.on('peer-gone', event => log.push(lines['peer-gone'](event)))
  node.on('message', event => log.push(lines.message(event)))
  node.on('warning', event => log.push(lines.warning(event)))
  return log
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
