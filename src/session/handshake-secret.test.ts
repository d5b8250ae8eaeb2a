import { describe, expect, test } from 'vitest'
import { deriveSecretKey } from './handshake-secret.ts'

const hex = async (secret: string, service = 'chat') =>
  Buffer.from(await deriveSecretKey(secret, service)).toString('hex')

describe('the key of a secret', () => {
  test('is the same for ever, or peers of two releases would not meet', async () => {
    expect(await hex('correct horse')).toBe('93af05255951951c230712b0d65863ba8b01abe41b8b4d440e7c17b35558b911')
  })

  test('differs by secret and by service', async () => {
    const keys = await Promise.all([hex('a'), hex('b'), hex('a', 'game')])
    expect(new Set(keys).size).toBe(3)
  })

  test('is the same for texts that look alike', async () => {
    expect(await hex('caf\u00e9')).toBe(await hex('cafe\u0301'))
  })

  test.each(['', 'x'.repeat(1_025), 'é'.repeat(513)])('of an unusable length is a RangeError', async secret => {
    await expect(deriveSecretKey(secret, 'chat')).rejects.toThrow(RangeError)
  })
})
