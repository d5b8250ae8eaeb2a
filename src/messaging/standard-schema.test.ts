import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { describeIssues, type StandardSchemaV1, validate } from './standard-schema.ts'

const score: StandardSchemaV1<unknown, { player: string; points: number }> = z.object({
  player: z.string().min(1),
  points: z.number().int(),
})

function schemaOf(fn: (value: unknown) => never): StandardSchemaV1 {
  return { '~standard': { version: 1, vendor: 'test', validate: fn } }
}

test('what fits comes back as the schema gives it', () => {
  const trimmed: StandardSchemaV1<unknown, string> = z.string().trim()
  expect(validate(score, { player: 'ada', points: 3, more: 1 })).toMatchObject({ value: { player: 'ada', points: 3 } })
  expect(validate(trimmed, '  x ')).toEqual({ value: 'x' })
})

test('what does not fit is described by what is wrong and where', () => {
  const result = validate(score, { player: '', points: 'many' })
  if (result instanceof Promise || !result.issues) throw new Error('it fits')
  expect(describeIssues(result.issues)).toMatch(/^player: .+; points: .+$/)
})

test('a schema that takes its time is waited for', async () => {
  const slow: StandardSchemaV1<unknown, string> = z.string().refine(async value => value === 'yes')
  expect(await validate(slow, 'yes')).toEqual({ value: 'yes' })
  expect(await validate(slow, 'no')).toMatchObject({ issues: [expect.anything()] })
})

describe('a schema that throws has found an issue', () => {
  test('at once', () => {
    const broken = schemaOf(() => {
      throw new Error('broken')
    })
    expect(validate(broken, 1)).toEqual({ issues: [{ message: 'the schema threw: broken' }] })
  })

  test('later', async () => {
    const broken = schemaOf((() => Promise.reject('broken')) as unknown as () => never)
    expect(await validate(broken, 1)).toEqual({ issues: [{ message: 'the schema threw: broken' }] })
  })
})

test('no more than five issues are told, with all kinds of keys in their paths', () => {
  const issues = Array.from({ length: 9 }, (_, i) => ({ message: `no ${i}`, path: ['a', i, { key: Symbol('s') }] }))
  expect(describeIssues(issues).split('; ')).toEqual([0, 1, 2, 3, 4].map(i => `a.${i}.Symbol(s): no ${i}`))
  expect(describeIssues([{ message: 'all wrong' }, { message: 'empty', path: [] }])).toBe('all wrong; empty')
})
