/** What a bridge takes; the options of the room are checked where a room is joined. */

import type { JoinOptions } from '../../endpoint/options.ts'
import { checkLabel } from '../../endpoint/options-check.ts'
import type { NetworkKind } from './foreign-network.ts'

export interface BridgeOptions
  extends Pick<JoinOptions, 'identity' | 'secret' | 'discovery' | 'peers' | 'interfaces' | 'network' | 'signal'> {
  /** Of the bridge, in the room and among the devices. @default the host name */
  readonly name?: string
  /**
   * The name of the question in the room that carries the questions of pythonConnect, which are texts without a name: peers
   * ask a device so, and answer devices so.
   * @default 'question'
   */
  readonly question?: string
}

const KINDS: readonly NetworkKind[] = ['peerpy', 'pythonconnect']

export function checkKind(kind: NetworkKind): NetworkKind {
  if (!KINDS.includes(kind))
    throw new RangeError(`a bridge leads to 'peerpy' or 'pythonconnect', not '${String(kind)}'`)
  return kind
}

export function checkQuestion(name: string | undefined): string {
  return checkLabel('question', name ?? 'question')
}
