import { describe, expect, test } from 'vitest'
import { EarshotError, type ErrorCode } from '../../errors.ts'
import { MAX_TOLD_REFUSALS } from '../../limits.ts'
import { ToldRefusals } from './told-refusals.ts'

const ADDRESS = '192.168.1.2:4112'

function failure(code: ErrorCode, { reason, address = ADDRESS }: { reason?: string; address?: string } = {}) {
  const attempts = [{ address, via: 'mdns', durationMs: 1, code, message: 'so it is' }]
  return new EarshotError(code, 'so it is', { hint: 'Do it.', attempts, ...(reason !== undefined && { reason }) })
}

function refusals() {
  const warnings: EarshotError[] = []
  return { warnings, told: new ToldRefusals(warning => warnings.push(warning)) }
}

describe('a dial in the background that fails', () => {
  test('because the peer does not let us in is a warning with the peer, the address, the cause and the hint', () => {
    const { told, warnings } = refusals()
    const cause = failure('refused', { reason: 'no-guests' })
    told.onFailed('id', 'ada', cause)
    expect(warnings).toEqual([expect.any(EarshotError)])
    expect(warnings[0]).toMatchObject({ code: 'refused', reason: 'no-guests', hint: 'Do it.', cause })
    expect(warnings[0]!.message).toBe(`no connection to 'ada' at ${ADDRESS}: so it is`)
    expect(warnings[0]!.attempts).toEqual(cause.attempts)
  })

  test.each<[ErrorCode, string?]>([
    ['unreachable'],
    ['timeout'],
    ['closed'],
    ['lost'],
    ['untrusted-peer'],
    ['refused', 'duplicate'],
    ['refused', 'self'],
    ['refused', 'busy'],
  ])('with %s %s is none', (code, reason) => {
    const { told, warnings } = refusals()
    told.onFailed('id', 'ada', failure(code, reason === undefined ? {} : { reason }))
    told.onFailed('id', 'ada', new Error('a bug'))
    expect(warnings).toEqual([])
  })
})

describe('a warning is given once', () => {
  test('for each cause', () => {
    const { told, warnings } = refusals()
    for (let i = 0; i < 3; i++) {
      told.onFailed('id', 'ada', failure('wrong-secret'))
      told.onFailed('id', 'ada', failure('refused', { reason: 'full' }))
      told.onFailed('id', 'ada', failure('refused', { reason: 'locked' }))
    }
    expect(warnings.map(({ code, reason }) => reason ?? code)).toEqual(['wrong-secret', 'full', 'locked'])
  })

  test('for each peer, by whatever it was dialled', () => {
    const { told, warnings } = refusals()
    told.onFailed('id', 'ada', failure('wrong-secret'))
    told.onFailed(ADDRESS, ADDRESS, failure('wrong-secret'))
    told.onFailed('id', 'ada', failure('wrong-secret', { address: '[fe80::1%eth0]:4112' }))
    told.onFailed('another id', 'bob', failure('wrong-secret', { address: '192.168.1.3:4112' }))
    expect(warnings.map(({ message }) => message)).toEqual([
      `no connection to 'ada' at ${ADDRESS}: so it is`,
      `no connection to 'bob' at 192.168.1.3:4112: so it is`,
    ])
  })

  test('until it is connected: after that it is news', () => {
    const { told, warnings } = refusals()
    told.onFailed('id', 'ada', failure('wrong-secret'))
    told.onConnected('id', '192.168.1.2:55555')
    told.onFailed('id', 'ada', failure('wrong-secret'))
    expect(warnings).toHaveLength(2)
  })
})

test('many that do not let us in are a bounded number of warnings, and the last one says so', () => {
  const { told, warnings } = refusals()
  for (let i = 0; i < 2 * MAX_TOLD_REFUSALS; i++) {
    told.onFailed(`id ${i}`, 'mallory', failure('wrong-secret', { address: `192.168.1.2:${i + 1}` }))
  }
  expect(warnings).toHaveLength(MAX_TOLD_REFUSALS + 1)
  expect(warnings.at(-1)).toMatchObject({ code: 'limit-reached' })
})
