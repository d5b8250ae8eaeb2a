/**
 * What is measured, in the order of the report. A workload has a name, `metrics`, and the two halves that run in two
 * processes: `accept(context)` returns an object of methods, `dial(context)` the samples. The dialer calls a method
 * of the acceptor with `context.remote(method, ...args)`.
 *
 * A metric says which samples it reads (`of`) and what of them (`quantile`), in which direction it is good (`better`),
 * and what is owed: `owed` as a ratio to tls, or `owedAtMost` as a value of its own.
 */

import { asks } from './asks.js'
import { bulk } from './bulk.js'
import { connect } from './connect.js'
import { fanOut } from './fan-out.js'
import { file } from './file.js'
import { join } from './join.js'
import { memoryOf } from './memory.js'
import { messages } from './messages.js'
import { roundTrip } from './round-trip.js'
import { unreliable } from './unreliable.js'

export const WORKLOADS = [
  roundTrip,
  unreliable,
  messages({ name: 'msgs', label: '100-byte messages one way', burst: 256, owed: 0.4 }),
  messages({ name: 'msgs-awaited', label: 'the same, each send awaited', burst: 1 }),
  asks,
  bulk,
  file,
  fanOut,
  connect,
  memoryOf('acceptor'),
  memoryOf('dialer'),
  join,
]
