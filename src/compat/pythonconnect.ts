/** `earshot/compat/pythonconnect`: a node among the devices of pythonConnect, as they are. `docs/compat.md` has examples. */

import { nodePlatform } from '../platform/node/node-platform.ts'
import { PythonConnectNode as Node } from './pythonconnect/node.ts'
import type { PythonConnectOptions } from './pythonconnect/options.ts'

export type PythonConnectNode = Node

export const PythonConnectNode: {
  /**
   * Joins the devices of pythonConnect on this network. Resolves when the node listens and has advertised itself, not when
   * somebody is there. Rejects with `address-in-use` where another node runs on this machine, with TypeError or RangeError
   * for wrong arguments.
   */
  join(options?: PythonConnectOptions): Promise<PythonConnectNode>
} = {
  join: async (options = {}) => Node.open(options?.network ?? nodePlatform(), options),
}

export type { Disposer, OnceOptions } from '../emitter.ts'
export { EarshotError, type ErrorCode } from '../errors.ts'
export type { InterfaceChoice } from '../platform/interface-choice.ts'
export type { PythonConnectEvents, PythonConnectMessage, PythonConnectPeer } from './pythonconnect/events.ts'
export type {
  PythonConnectAskOptions,
  PythonConnectConnectOptions,
  PythonConnectOptions,
  PythonConnectSendOptions,
} from './pythonconnect/options.ts'
export type { AnswerContext, AnswerFunction } from './pythonconnect/received-questions.ts'
