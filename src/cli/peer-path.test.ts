import { expect, test } from 'vitest'
import { describePath } from './peer-path.ts'

const PATH = { local: '10.0.0.1:1', remote: '198.51.100.7:4112', interface: undefined, rttMs: 1 } as const

test.each([
  [
    { ...PATH, kind: 'lan', transport: 'tcp', relay: undefined, interface: 'eth0' },
    'lan tcp 198.51.100.7:4112 via eth0',
  ],
  [{ ...PATH, kind: 'direct', transport: 'udp', relay: undefined }, 'direct udp 198.51.100.7:4112'],
  [
    { ...PATH, kind: 'relay', transport: 'tcp', relay: '203.0.113.1:3478' },
    'relay tcp 198.51.100.7:4112 over 203.0.113.1:3478',
  ],
  [{ ...PATH, kind: 'relay', transport: 'tcp', relay: PATH.remote }, 'relay tcp over 198.51.100.7:4112'],
] as const)('a path says its kind, its transport and who relays it: %#', (path, shown) => {
  expect(describePath(path)).toBe(shown)
})
