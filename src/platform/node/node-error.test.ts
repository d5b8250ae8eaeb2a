import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { nodeError, systemCodeOf } from './node-error.ts'

function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`connect ${code}`), { code })
}

describe('the code says what the caller can do', () => {
  test.each([
    ['ECONNREFUSED', 'unreachable'],
    ['EHOSTUNREACH', 'unreachable'],
    ['ENETUNREACH', 'unreachable'],
    ['ENOTFOUND', 'unreachable'],
    ['ETIMEDOUT', 'timeout'],
    ['EADDRINUSE', 'address-in-use'],
    ['EACCES', 'permission-denied'],
    ['EPERM', 'permission-denied'],
    ['EADDRNOTAVAIL', 'no-network'],
    ['ENODEV', 'no-network'],
    ['ENETDOWN', 'no-network'],
    ['EMFILE', 'limit-reached'],
    ['ENOBUFS', 'limit-reached'],
    ['ECONNRESET', 'lost'],
    ['EPIPE', 'lost'],
    ['EMSGSIZE', 'too-large'],
  ])('%s is %s', (systemCode, code) => {
    const cause = systemError(systemCode)
    const error = nodeError(cause, 'cannot connect to 192.168.0.2:4112', 'closed')

    expect(error.code).toBe(code)
    expect(error.message).toBe(`cannot connect to 192.168.0.2:4112: ${systemCode}`)
    expect(error.hint).toMatch(/^[A-Z].*[.?)]$/)
    expect(error.cause).toBe(cause)
  })
})

test('what is not in the table has the code of the operation, and no hint', () => {
  const error = nodeError(systemError('EWEIRD'), 'cannot listen', 'no-network')

  expect(error).toMatchObject({ code: 'no-network', message: 'cannot listen: EWEIRD', hint: undefined })
})

test('an error without a system code keeps its message', () => {
  expect(nodeError(new Error('odd'), 'cannot listen', 'no-network').message).toBe('cannot listen: odd')
  expect(nodeError('thrown', 'cannot listen', 'no-network').message).toBe('cannot listen: thrown')
})

test('an EarshotError is not translated again', () => {
  const error = new EarshotError('no-network', 'interface gone0 is gone')

  expect(nodeError(error, 'cannot send', 'lost')).toBe(error)
})

test('the code of a real error of Node is found', async () => {
  const error = await new Promise(resolve => createServer().on('error', resolve).listen(1, '203.0.113.1'))

  expect(systemCodeOf(error)).toMatch(/^E/)
})
