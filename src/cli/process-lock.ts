/**
 * A lock file that at most one living process of this machine holds. A lock whose process has ended is taken over, and
 * of several processes that want to take over, exactly one does: the right to remove a stale lock is itself a lock,
 * named after the one to be removed, so a process that comes late never removes a new lock for the old one.
 */

import { randomUUID } from 'node:crypto'
import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { uptime } from 'node:os'

interface Holder {
  readonly pid: number
  /** Tells apart two processes which had the same pid one after the other; empty where the system does not say. */
  readonly started: string
  /** Unique for each time the lock was taken. */
  readonly nonce: string
}

/** Gives the lock back. Idempotent and synchronous, so that it may run while the process exits. */
export type Release = () => void

/** A process that ends while it takes over leaves a stale lock on the lock, and so on; deeper is not worth it. */
const MAX_TAKE_OVER_DEPTH = 3

/** Takes the lock at `path`, or returns undefined where a living process holds it. Throws what the file system throws. */
export function takeProcessLock(path: string, depth = 0): Release | undefined {
  const holder: Holder = { pid: process.pid, started: processStart(process.pid), nonce: randomUUID() }
  if (createLock(path, holder)) return () => rmSync(path, { force: true })
  const present = readLock(path)
  // Given back between the two calls: whoever is next takes it.
  if (present === undefined) return depth < MAX_TAKE_OVER_DEPTH ? takeProcessLock(path, depth + 1) : undefined
  if (isHeld(path, present) || depth === MAX_TAKE_OVER_DEPTH) return undefined
  return takeOver(path, present, depth)
}

function takeOver(path: string, stale: Holder, depth: number): Release | undefined {
  const releaseRight = takeProcessLock(`${path}.${stale.nonce}`, depth + 1)
  if (releaseRight === undefined) return undefined
  try {
    // Somebody else may have had this right before, used it, and given it back.
    if (readLock(path)?.nonce !== stale.nonce) return undefined
    rmSync(path, { force: true })
    return takeProcessLock(path, MAX_TAKE_OVER_DEPTH)
  } finally {
    releaseRight()
  }
}

/** Creates the file with its content in one step: by a link nobody ever sees a lock without its holder. */
function createLock(path: string, holder: Holder): boolean {
  const draft = `${path}.${holder.nonce}.new`
  writeFileSync(draft, JSON.stringify(holder), { mode: 0o600, flag: 'wx' })
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

function readLock(path: string): Holder | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  return parseHolder(text)
}

/** What is no lock (a disk that was full, an editor) counts as one of a process that has ended. */
function parseHolder(text: string): Holder {
  try {
    const value: unknown = JSON.parse(text)
    if (isHolder(value)) return value
  } catch {
    // Not JSON: damaged like any other.
  }
  return { pid: 0, started: '', nonce: 'damaged' }
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null) return false
  const { pid, started, nonce } = value as Record<string, unknown>
  return Number.isSafeInteger(pid) && typeof started === 'string' && typeof nonce === 'string' && /^[\w-]+$/.test(nonce)
}

function isHeld(path: string, holder: Holder): boolean {
  if (holder.pid <= 0 || !isAlive(holder.pid)) return false
  if (holder.started !== '') return processStart(holder.pid) === holder.started
  // Without start times at least a lock from before the system started is known to be stale.
  const takenAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return takenAt > Date.now() - uptime() * 1_000
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, under another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** On Linux this boot and the clock ticks since it (proc_pid_stat(5), field 22); elsewhere unknown: ''. */
function processStart(pid: number): string {
  if (process.platform !== 'linux') return ''
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name of the program, field 2, stands in brackets and may contain anything, brackets too.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[22 - 3]}`
  } catch {
    return ''
  }
}
