/**
 * A NAT as a table, for servers that pretend to be behind one: which external port a packet gets, and which packets come in.
 * The packets themselves travel untranslated.
 */

import type { SocketAddress } from '../../src/platform/network.ts'

export interface NatModel {
  readonly mapping: 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'
  readonly filtering: 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'
  readonly ports: 'preserving' | 'random' | { readonly delta: number }
  /** A mapping is gone after so much silence. @default Infinity */
  readonly lifetimeMs?: number
}

interface Mapping {
  readonly external: number
  readonly internal: SocketAddress
  readonly heard: Set<string>
  lastUsedAt: number
}

export class ModelNat {
  readonly externalAddress: string
  readonly #model: NatModel
  readonly #now: () => number
  readonly #mappings = new Map<string, Mapping>()
  #lastPort = 20_000

  constructor(externalAddress: string, model: NatModel, now: () => number) {
    this.externalAddress = externalAddress
    this.#model = model
    this.#now = now
  }

  /** A packet goes out; from where it seems to come. */
  out(internal: SocketAddress, to: SocketAddress): SocketAddress {
    const key = `${nameOf(internal)} ${endpointKey(this.#model.mapping, to)}`
    let mapping = this.#mappings.get(key)
    if (mapping === undefined || !this.#isAlive(mapping)) {
      mapping = { external: this.#newPort(internal), internal, heard: new Set(), lastUsedAt: 0 }
      this.#mappings.set(key, mapping)
    }
    mapping.lastUsedAt = this.#now()
    mapping.heard.add(endpointKey(this.#model.filtering, to))
    return { address: this.externalAddress, port: mapping.external }
  }

  /** A packet comes in at an external port; who gets it, if anybody does. */
  in(externalPort: number, from: SocketAddress): SocketAddress | undefined {
    const mapping = [...this.#mappings.values()].find(({ external }) => external === externalPort)
    if (mapping === undefined || !this.#isAlive(mapping)) return undefined
    return mapping.heard.has(endpointKey(this.#model.filtering, from)) ? mapping.internal : undefined
  }

  #isAlive({ lastUsedAt }: Mapping): boolean {
    return this.#now() - lastUsedAt < (this.#model.lifetimeMs ?? Infinity)
  }

  #newPort({ port }: SocketAddress): number {
    const { ports } = this.#model
    if (ports === 'preserving') return port
    if (ports === 'random') this.#lastPort = 1_024 + ((this.#lastPort * 48_271 + 11) % 60_013)
    else this.#lastPort += ports.delta
    return this.#lastPort
  }
}

function endpointKey(behaviour: NatModel['mapping'], endpoint: SocketAddress): string {
  if (behaviour === 'endpoint-independent') return 'any'
  return behaviour === 'address-dependent' ? endpoint.address : nameOf(endpoint)
}

function nameOf({ address, port }: SocketAddress): string {
  return `${address}:${port}`
}
