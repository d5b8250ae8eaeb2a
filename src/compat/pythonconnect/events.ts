/** What happens to a node, each event with its one payload. */

import type { EarshotError } from '../../errors.ts'

/** Another node, connected. */
export interface PythonConnectPeer {
  /** What it calls itself, which is all that tells it from others. Nothing is proven. */
  readonly name: string
  /** Its IP address. */
  readonly address: string
}

export interface PythonConnectMessage {
  readonly data: string
  readonly from: PythonConnectPeer
}

export interface PythonConnectEvents {
  /** A node is connected. */
  peer: PythonConnectPeer
  /** A node left (`closed`), was lost, or said what the protocol does not allow. */
  'peer-gone': { readonly peer: PythonConnectPeer; readonly code: 'closed' | 'lost' | 'protocol-violation' }
  message: PythonConnectMessage
  /** Something does not work, or was dropped, while the rest goes on. */
  warning: EarshotError
}

const EVENT_TYPES: readonly (keyof PythonConnectEvents)[] = ['peer', 'peer-gone', 'message', 'warning']

export function checkEventType(type: string): void {
  if (!EVENT_TYPES.some(known => known === type)) {
    throw new RangeError(`a node has the events ${EVENT_TYPES.join(', ')}, not '${String(type)}'`)
  }
}
