/**
 * Notices that the interfaces have changed. Node has no notification for it, so this compares snapshots: a fraction of a
 * millisecond of work every two seconds, and only while somebody watches.
 */

import type { NetworkInterface } from '../network.ts'

/** A change is to be noticed within 5 s. */
const POLL_INTERVAL_MS = 2_000

export class InterfaceWatcher {
  readonly #read: () => readonly NetworkInterface[]
  readonly #listeners = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  #snapshot = ''

  constructor(read: () => readonly NetworkInterface[]) {
    this.#read = read
  }

  /** Calls `onChange` after each change. Returns what stops it; the last one to stop ends the polling. */
  watch(onChange: () => void): () => void {
    // An own function for each: the same `onChange` may be given twice.
    const listener = () => onChange()
    if (this.#listeners.size === 0) this.#start()
    this.#listeners.add(listener)
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#stop()
    }
  }

  #start(): void {
    this.#snapshot = this.#take()
    this.#timer = setInterval(() => this.#poll(), POLL_INTERVAL_MS).unref()
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #poll(): void {
    const snapshot = this.#take()
    // Every system has loopback: an empty list was not read, for want of file descriptors perhaps.
    if (snapshot === this.#snapshot || snapshot === '[]') return
    this.#snapshot = snapshot
    // One may stop another, or watch anew, while being told.
    for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) listener()
  }

  #take(): string {
    return JSON.stringify(this.#read())
  }
}
