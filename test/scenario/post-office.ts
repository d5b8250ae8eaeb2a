/** What scenarios with files have in common: Ada sends, Bob has an inbox. */

import { createHash } from 'node:crypto'
import type { Peer, Room } from '../../src/index.ts'
import { peerOf, type Stage } from './stage.ts'

export const INBOX = '/home/bob/inbox'
export const MIB = 1_048_576

/** Bytes that differ everywhere. */
export function content(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export async function pair(stage: Stage): Promise<{ ada: Room; bob: Room; toBob: Peer }> {
  const [ada, bob] = await stage.joinAll('ada', 'bob')
  await stage.met([ada!, bob!])
  return { ada: ada!, bob: bob!, toBob: peerOf(ada!, bob!) }
}

/** What stands in the inbox, by path within it. */
export function inInbox(stage: Stage): string[] {
  return stage
    .host('bob')
    .disk.paths.filter(path => path.startsWith(INBOX))
    .map(path => path.slice(INBOX.length + 1))
}
