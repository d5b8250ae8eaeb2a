/** Asking for permissions and renewing them (RFC 8656 section 9), for allocations of every kind. */

import { EarshotError } from '../../errors.ts'
import { canonicalIp, parseIp } from '../../platform/ip-address.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { xorAddressAttribute } from '../stun/attribute.ts'
import { ATTRIBUTE } from '../stun/attribute-type.ts'
import { METHOD } from '../stun/message.ts'
import type { AllocationLife } from './allocation-life.ts'
import type { Channel, Permission, RelayPeers } from './relay-peers.ts'

export interface PermissionsParts {
  readonly life: AllocationLife
  readonly peers: RelayPeers
  readonly relayedAddress: SocketAddress
  readonly onGranted?: (permission: Permission) => void
  readonly onRefused?: (permission: Permission) => void
}

/** XOR-PEER-ADDRESS attributes in one CreatePermission request: it stays below 1,200 bytes. */
const PEERS_PER_REQUEST = 32

export class Permissions {
  readonly #parts: PermissionsParts

  constructor(parts: PermissionsParts) {
    this.#parts = parts
  }

  /** Resolves when the server has granted it; it is kept until it is taken back. */
  async permit(address: string): Promise<void> {
    const { life, peers } = this.#parts
    const checked = this.checkAddress(address)
    if (life.isClosed) throw new EarshotError('closed', 'the allocation has ended')
    const known = peers.permission(checked)
    const permission = known && known.state !== 'refused' ? known : this.ask(checked)
    if (permission === undefined) throw new EarshotError('limit-reached', 'the allocation has too many permissions')
    permission.isKept = true
    return permission.answer
  }

  /** Undefined: there are too many. */
  ask(address: string): Permission | undefined {
    const { peers } = this.#parts
    if (peers.isFull && peers.permission(address) === undefined) return undefined
    const permission = peers.addPermission(address)
    permission.answer = this.#create([permission]).then(
      () => this.#granted(permission),
      (error: unknown) => this.#refused(permission, error),
    )
    // `permit` passes it on; without it the warning says it.
    permission.answer.catch(() => {})
    return permission
  }

  /** Asks again for those that are used or kept, and returns the channels that are. */
  renew(): readonly Channel[] {
    const { life, peers } = this.#parts
    const { permissions, channels } = peers.takeUsed()
    for (let at = 0; at < permissions.length; at += PEERS_PER_REQUEST) {
      const batch = permissions.slice(at, at + PEERS_PER_REQUEST)
      this.#create(batch).catch(error => {
        for (const { address } of batch) peers.removePermission(address)
        life.requestFailed(error)
      })
    }
    return channels
  }

  /** Canonical; throws RangeError for what the relayed address cannot reach. */
  checkAddress(address: string): string {
    const { relayedAddress } = this.#parts
    const ip = parseIp(address)
    if (ip === undefined || ip.length !== parseIp(relayedAddress.address)!.length) {
      throw new RangeError(`'${address}' is no address that ${formatSocketAddress(relayedAddress)} can relay to`)
    }
    return canonicalIp(address)
  }

  #granted(permission: Permission): void {
    permission.state = 'granted'
    this.#parts.onGranted?.(permission)
  }

  #refused(permission: Permission, error: unknown): never {
    permission.state = 'refused'
    this.#parts.onRefused?.(permission)
    if (!permission.isKept) this.#parts.life.requestFailed(error)
    throw error
  }

  async #create(permissions: readonly Permission[]): Promise<void> {
    await this.#parts.life.request(METHOD.createPermission, id =>
      permissions.map(({ address }) => xorAddressAttribute(ATTRIBUTE.xorPeerAddress, { address, port: 0 }, id)),
    )
  }
}
