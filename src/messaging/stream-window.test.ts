import { describe, expect, test } from 'vitest'
import { MAX_STREAM_WINDOW_BYTES, MAX_STREAM_WINDOW_GROWTH_BYTES, STREAM_WINDOW_BYTES } from '../limits.ts'
import { StreamWindow, WindowBudget } from './stream-window.ts'

/** Reads a whole window, as it arrives, and returns what was given back. */
function readWindow(window: StreamWindow, at: number, rttMs?: number): number {
  const { size } = window
  window.received(size)
  window.read(size, at, rttMs)
  return window.grant()
}

describe('a window', () => {
  test('takes as much as it says, and not one byte more', () => {
    const window = new StreamWindow(new WindowBudget(), 0)
    window.received(STREAM_WINDOW_BYTES)
    expect(() => window.received(1)).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
  })

  test('is given back as it is read, in parts that are worth a frame', () => {
    const window = new StreamWindow(new WindowBudget(), 0)
    window.received(STREAM_WINDOW_BYTES)
    window.read(STREAM_WINDOW_BYTES / 4 - 1, 1, 1)
    expect(window.grant()).toBe(0)
    window.read(1, 2, 1)
    expect(window.grant()).toBe(STREAM_WINDOW_BYTES / 4)
    expect(window.grant()).toBe(0)
  })

  test('doubles while a whole one is read within a few round trips, up to its bound', () => {
    const window = new StreamWindow(new WindowBudget(), 0)
    const given = Array.from({ length: 10 }, (_, i) => readWindow(window, i * 100, 50))
    expect(given[0]).toBe(2 * STREAM_WINDOW_BYTES)
    expect(given[1]).toBe(4 * STREAM_WINDOW_BYTES)
    expect(window.size).toBe(MAX_STREAM_WINDOW_BYTES)
    expect(given.at(-1)).toBe(MAX_STREAM_WINDOW_BYTES)
  })

  test('stays as it is where the reader is slow', () => {
    const window = new StreamWindow(new WindowBudget(), 0)
    for (let at = 1_000; at < 20_000; at += 1_000) {
      expect(readWindow(window, at, 50)).toBe(STREAM_WINDOW_BYTES)
    }
  })

  test('grows before a round trip was measured, too', () => {
    const window = new StreamWindow(new WindowBudget(), 0)
    readWindow(window, 100, undefined)
    expect(window.size).toBe(2 * STREAM_WINDOW_BYTES)
  })
})

test('all windows together grow within their budget, which closed ones give back', () => {
  const budget = new WindowBudget()
  const windows = Array.from({ length: 24 }, () => new StreamWindow(budget, 0))
  for (const window of windows) for (let i = 0; i < 10; i++) readWindow(window, 0, 1)
  const growth = (all: readonly StreamWindow[]) => all.reduce((sum, { size }) => sum + size - STREAM_WINDOW_BYTES, 0)
  expect(growth(windows)).toBeLessThanOrEqual(MAX_STREAM_WINDOW_GROWTH_BYTES)
  expect(growth(windows)).toBeGreaterThan(MAX_STREAM_WINDOW_GROWTH_BYTES - MAX_STREAM_WINDOW_BYTES)

  for (const window of windows) window.close()
  const late = new StreamWindow(budget, 0)
  for (let i = 0; i < 10; i++) readWindow(late, 0, 1)
  expect(late.size).toBe(MAX_STREAM_WINDOW_BYTES)
})

test('takes nothing more of the budget once nothing more will be sent, however fast the rest is read', () => {
  const budget = new WindowBudget()
  const window = new StreamWindow(budget, 0)
  for (let at = 0; at < 3; at++) readWindow(window, at)
  window.received(window.size)
  const waiting = window.size
  window.close()
  for (let read = 0; read < waiting; read += STREAM_WINDOW_BYTES) window.read(STREAM_WINDOW_BYTES, 3, 1)
  expect(budget.take(MAX_STREAM_WINDOW_GROWTH_BYTES)).toBe(true)
})
