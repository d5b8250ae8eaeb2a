/**
 * Multicast DNS by itself: the printers of the network, as any program announces them.
 *
 *   npm run build
 *   node examples/printers.js             Ctrl-C ends
 */

import { browse } from 'earshot/mdns'

const leaving = new AbortController()
process.once('SIGINT', () => leaving.abort())

for await (const { kind, name, host, port, txt } of browse('_ipp._tcp', { signal: leaving.signal })) {
  console.log(`${kind}: ${name} on ${host}:${port} ${txt.ty ?? ''}`)
}
