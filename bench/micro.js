/** Times one small function: nanoseconds a call, the median of some runs after a warm-up. */

import { median } from './statistics.js'

const RUNS = 9
const RUN_MS = 60

export function nsPerCall(fn) {
  let calls = 1
  while (timeMs(fn, calls) < RUN_MS) calls *= 2
  return median(Array.from({ length: RUNS }, () => (timeMs(fn, calls) / calls) * 1e6))
}

function timeMs(fn, calls) {
  const startedAt = performance.now()
  for (let i = 0; i < calls; i++) fn()
  return performance.now() - startedAt
}
