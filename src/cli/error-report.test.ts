import { expect, test } from 'vitest'
import { EarshotError } from '../errors.ts'
import { reportError } from './error-report.ts'
import { exitCodeOf, InterruptedError, NobodyFoundError, UsageError } from './exit-code.ts'
import { styleFor } from './style.ts'

const PLAIN = styleFor({}, {})

test('a failed connect shows each path that was tried, aligned', () => {
  const error = new EarshotError('unreachable', 'cannot reach Ada', {
    hint: 'Is she on this network?',
    attempts: [
      { address: '192.168.0.2:4112', via: 'mdns', durationMs: 12, code: 'unreachable', message: 'refused' },
      { address: '[fe80::1%eth0]:4112', via: 'mdns', durationMs: 3_000, code: 'timeout', message: 'no answer' },
    ],
  })
  expect(reportError(error, PLAIN, 80)).toEqual([
    'earshot: cannot reach Ada',
    '  hint: Is she on this network?',
    '  tried:',
    '    ADDRESS              FOUND BY  TOOK   WHY NOT',
    '    192.168.0.2:4112     mdns      12 ms  unreachable: refused',
    '    [fe80::1%eth0]:4112  mdns      3.0 s  timeout: no answer',
  ])
})

test('of many attempts those that failed alike share a line', () => {
  const attempts = [2, 3, 4].flatMap(host => {
    const address = `203.0.113.${host}:4112`
    const check = {
      address,
      via: 'direct udp check',
      durationMs: host * 1_000,
      code: 'timeout',
      message: 'no answer',
    } as const
    const connect = { ...check, via: 'direct tcp connect', message: `no answer from ${address}` } as const
    return [check, connect, { ...connect, code: 'unreachable', message: 'refused' } as const]
  })
  expect(reportError(new EarshotError('unreachable', 'no path to Ada', { attempts }), PLAIN, 100)).toEqual([
    'earshot: no path to Ada',
    '  tried:',
    '    ADDRESS              FOUND BY            TOOK   WHY NOT',
    '    203.0.113.2:4112 +2  direct udp check    4.0 s  timeout: no answer',
    '    203.0.113.2:4112 +2  direct tcp connect  4.0 s  timeout: no answer from 203.0.113.2:4112',
    '    203.0.113.2:4112 +2  direct tcp connect  4.0 s  unreachable: refused',
  ])
})

test('what a peer said cannot command the terminal', () => {
  expect(reportError(new EarshotError('refused', 'denied: \u001b[2J'), PLAIN, 80)).toEqual(['earshot: denied: ␛[2J'])
})

test('a usage error points to the help', () => {
  expect(reportError(new UsageError("unknown command 'x'"), PLAIN, 80)[1]).toMatch(/--help/)
})

test('what is not an error is shown as text', () => {
  expect(reportError('oops', PLAIN, 80)).toEqual(['earshot: oops'])
})

test.each([
  [new UsageError('x'), 2],
  [new NobodyFoundError('x'), 3],
  [new EarshotError('unknown-peer', 'x'), 3],
  [new EarshotError('refused', 'x'), 4],
  [new EarshotError('wrong-secret', 'x'), 4],
  [new InterruptedError('x'), 130],
  [new EarshotError('timeout', 'x'), 1],
  [new Error('x'), 1],
  [undefined, 1],
])('%o ends the command with %d', (error, code) => {
  expect(exitCodeOf(error)).toBe(code)
})
