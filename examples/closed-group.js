/**
 * A group for those who share a secret, with a say in who of them comes in.
 *
 *   npm run build
 *   node examples/closed-group.js Ada red 'correct horse'
 *   node examples/closed-group.js Bob red 'correct horse'        is let in
 *   node examples/closed-group.js Eve blue 'correct horse'       is denied, and told why
 *   node examples/closed-group.js Mallory red 'wrong guess'      does not get that far
 */

import { join } from 'earshot'

const [name = 'somebody', team = 'red', secret = 'correct horse'] = process.argv.slice(2)

const room = await join('example-group', {
  name,
  secret,
  info: { team },
  admit: caller => (caller.info?.team === team ? caller.accept() : caller.deny('other-team', { retryAfterMs: 60_000 })),
})
process.once('SIGINT', () => room.close())

console.log(`${name} waits for others of team ${team}`)
room.on('peer', peer => console.log(`${peer.name} is one of us`))
