/** What a fake gateway keeps: mappings on a simulated NAT, whatever protocol they were asked for in. */

import type { ExplicitPortMapping, SimulatedNat } from '../../src/testing/index.ts'

export interface Asked {
  readonly protocol: 'udp' | 'tcp'
  readonly internalAddress: string
  readonly internalPort: number
  /** 0 for any. */
  readonly externalPort: number
  readonly lifetimeMs: number
  /** Who may change it again. */
  readonly owner: string
}

interface Kept {
  readonly mapping: ExplicitPortMapping
  readonly owner: string
}

export class GatewayMappings {
  readonly #nat: SimulatedNat
  readonly #kept = new Map<string, Kept>()

  constructor(nat: SimulatedNat) {
    this.#nat = nat
  }

  /** The mapping, renewed or made; 'not-owner' where another owner has it, 'conflict' where the very port is wanted and taken. */
  add(asked: Asked, isExact = false): ExplicitPortMapping | 'not-owner' | 'conflict' {
    const key = keyOf(asked)
    const kept = this.#present(key)
    if (kept !== undefined && kept.owner !== asked.owner) return 'not-owner'
    const externalPort = kept === undefined ? asked.externalPort : kept.mapping.externalPort
    const mapping = this.#map(asked, externalPort) ?? (isExact ? undefined : this.#map(asked, 0))
    if (mapping === undefined) return 'conflict'
    this.#kept.set(key, { mapping, owner: asked.owner })
    return mapping
  }

  /** False where there is none. */
  remove(asked: Pick<Asked, 'protocol' | 'internalAddress' | 'internalPort'>): boolean {
    const key = keyOf(asked)
    const kept = this.#present(key)
    kept?.mapping.remove()
    return this.#kept.delete(key) && kept !== undefined
  }

  /** The endpoint behind an external port. */
  find(protocol: 'udp' | 'tcp', externalPort: number): ExplicitPortMapping | undefined {
    return [...this.#kept.values()]
      .map(({ mapping }) => mapping)
      .find(mapping => mapping.protocol === protocol && mapping.externalPort === externalPort && this.#isThere(mapping))
  }

  #map({ protocol, internalAddress, internalPort, lifetimeMs }: Asked, port: number): ExplicitPortMapping | undefined {
    try {
      const wanted = port === 0 ? {} : { externalPort: port }
      return this.#nat.map({ protocol, internalAddress, internalPort, lifetimeMs, ...wanted })
    } catch {
      return undefined // Taken.
    }
  }

  #present(key: string): Kept | undefined {
    const kept = this.#kept.get(key)
    return kept && this.#isThere(kept.mapping) ? kept : undefined
  }

  /** The NAT may have been started again, and its time may be over. */
  #isThere({ protocol, externalPort, internalAddress }: ExplicitPortMapping): boolean {
    return this.#nat.mappings.some(
      each =>
        each.isExplicit &&
        each.protocol === protocol &&
        each.externalPort === externalPort &&
        each.internalAddress === internalAddress,
    )
  }
}

function keyOf({
  protocol,
  internalAddress,
  internalPort,
}: Pick<Asked, 'protocol' | 'internalAddress' | 'internalPort'>): string {
  return `${protocol} ${internalAddress} ${internalPort}`
}
