/**
 * Every test process starts here. Outside a network namespace of its own, which `scripts/test.js` makes where it can, the
 * guard is put before the system's sockets, in this process and, by NODE_OPTIONS, in the programs it starts.
 */

import { readFileSync } from 'node:fs'

const guard = new URL('../scripts/test-guard.js', import.meta.url).href

if (!isInOwnNamespace()) {
  await import(guard)
  process.env['NODE_OPTIONS'] = [process.env['NODE_OPTIONS'], `--import=${guard}`].filter(Boolean).join(' ')
}

/** The runner says so, and it is believed if there is nothing but loopback. */
function isInOwnNamespace(): boolean {
  if (process.env['EARSHOT_NETNS'] !== '1') return false
  const names = [...readFileSync('/proc/self/net/dev', 'utf8').matchAll(/^\s*([^\s:]+):/gm)].map(([, name]) => name)
  return names.length === 1 && names[0] === 'lo'
}
