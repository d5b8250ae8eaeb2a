/**
 * See who is around, in every room, without joining any.
 *
 *   npm run build
 *   node examples/who.js             Ctrl-C ends
 */

import { discover } from 'earshot'

const leaving = new AbortController()
process.once('SIGINT', () => leaving.abort())

for await (const { kind, service, name, addresses } of discover(undefined, { signal: leaving.signal })) {
  console.log(`${kind}: ${name} in '${service}' at ${addresses[0]}`)
}
