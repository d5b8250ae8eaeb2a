import { expect, test } from 'vitest'
import { EarshotError, type ErrorCode } from '../../errors.ts'
import { NOBODY_LISTENS } from '../../platform/network.ts'
import { DIALLED } from '../../session/route.ts'
import type { Peer } from '../peer.ts'
import { hasEnded } from './ended-peer.ts'

const AN_HOUR_MS = 3_600_000
const connection = { route: DIALLED, remote: { address: '192.168.1.3', port: 4_112 } }
const session = { path: { connection, isInitiator: true, wasClosedByPeer: true }, awayMs: () => AN_HOUR_MS }
const away = { state: 'away', port: 4_112, messenger: { session } } as unknown as Peer

test.each<[string, { code: ErrorCode; reason?: string }, boolean]>([
  ['its machine says that nobody listens', { code: 'unreachable', reason: NOBODY_LISTENS }, true],
  ['another peer has proven who it is', { code: 'untrusted-peer' }, true],
  ['an alert tells of another service', { code: 'wrong-service' }, false],
  ['an alert tells of another secret', { code: 'wrong-secret' }, false],
  ['nobody answers', { code: 'timeout' }, false],
])('where %s at its listener', (_, attempt, expected) => {
  const attempts = [{ address: '192.168.1.3:4112', via: 'last', durationMs: 1, message: '', ...attempt }]
  expect(hasEnded(away, new EarshotError('unreachable', '', { attempts }), 0)).toBe(expected)
})
