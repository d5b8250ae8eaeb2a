/** The user's identity for as long as a command needs it, and free for the next command afterwards. */

import type { Identity } from '../index.ts'
import { configFolder } from './config-folder.ts'
import type { Output } from './output.ts'
import { openUserIdentity } from './user-identity.ts'

export async function withUserIdentity(output: Output, use: (identity: Identity) => Promise<void>): Promise<void> {
  const { identity, note, release } = await openUserIdentity(configFolder())
  if (note !== undefined) output.note(note)
  // Leaving at once, with a second Ctrl-C, must not leave the lock behind.
  process.once('exit', release)
  try {
    await use(identity)
  } finally {
    release()
    process.removeListener('exit', release)
  }
}
