/**
 * The identity of the person at this machine, kept in their settings folder. Two processes under one key would be one
 * peer in two places, so only the first process uses it; one that starts beside it gets a key of its own.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { EarshotError, Identity } from '../index.ts'
import { type Release, takeProcessLock } from './process-lock.ts'

export interface UserIdentity {
  readonly identity: Identity
  /** Why the identity is not the one kept for this user, where the user can mend that. */
  readonly note: string | undefined
  /** Lets the next process use the kept identity. */
  readonly release: Release
}

/** Rejects with `invalid-data` where the file is damaged: to become another peer silently would be worse. */
export async function openUserIdentity(folder: string): Promise<UserIdentity> {
  let release: Release | undefined
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    release = takeProcessLock(join(folder, 'identity.lock'))
    if (release === undefined) return freshIdentity(undefined)
    return { identity: await Identity.load(join(folder, 'identity')), note: undefined, release }
  } catch (error) {
    release?.()
    if (!isUnusableFolder(error)) throw error
    return freshIdentity(`cannot keep an identity in ${folder} (${error.message}); using one for this run only`)
  }
}

function freshIdentity(note: string | undefined): UserIdentity {
  return { identity: Identity.generate(), note, release: () => {} }
}

/** The file system refused: a home that is read-only, full or not ours. */
function isUnusableFolder(error: unknown): error is Error {
  if (error instanceof EarshotError) return error.code !== 'invalid-data'
  return error instanceof Error && 'syscall' in error
}
