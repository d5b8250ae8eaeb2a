import { afterEach, expect, test, vi } from 'vitest'
import { onGarbage } from './collector-pressure.ts'

afterEach(() => vi.unstubAllGlobals())

test('where no address space is left, what was to make the collector come is left out', () => {
  let asked = 0
  vi.stubGlobal(
    'ArrayBuffer',
    class {
      constructor() {
        asked++
        throw new RangeError('Array buffer allocation failed')
      }
    },
  )

  for (let moved = 0; moved < 64; moved++) onGarbage(1_048_576)

  expect(asked).toBe(Number.parseInt(process.versions.node, 10) >= 24 ? 8 : 0)
})
