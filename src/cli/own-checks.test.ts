import { expect, test } from 'vitest'
import { checkNode } from './own-checks.ts'

test.each([
  ['v18.20.4', 'problem'],
  ['v20.18.3', 'problem'],
  ['v20.19.0', 'ok'],
  ['v21.7.3', 'note'],
  ['v22.12.0', 'ok'],
  ['v25.0.0-pre', 'note'],
])('Node %s: %s', (version, verdict) => {
  const found = checkNode(version)
  expect(found.verdict).toBe(verdict)
  expect(found.hint === undefined).toBe(verdict === 'ok')
})
