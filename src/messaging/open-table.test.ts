import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OpenTable } from './open-table.ts'

test('whatever comes and goes, it holds just what is open, under numbers that never come back', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(400)), { maxLength: 600 }), steps => {
      const table = new OpenTable<{ readonly id: number }>()
      const model = new Map<number, { readonly id: number }>()
      let last = 0
      for (const remove of steps) {
        const id = table.nextId()
        expect(id).toBeGreaterThan(last)
        last = id
        const entry = { id }
        table.add(entry)
        model.set(id, entry)
        const victim = remove === null ? undefined : [...model.keys()][remove]
        if (victim !== undefined) {
          expect(table.delete(victim)).toBe(model.get(victim))
          model.delete(victim)
          expect(table.get(victim)).toBeUndefined()
        }
        expect(table.size).toBe(model.size)
      }
      for (const [id, entry] of model) expect(table.get(id)).toBe(entry)
      expect(table.drain()).toEqual([...model.values()])
      expect(table.size).toBe(0)
    }),
  )
})

test('numbers that a peer makes up are not there', () => {
  const table = new OpenTable<{ readonly id: number }>()
  expect(table.get(0)).toBeUndefined()
  expect(table.delete(Number.MAX_SAFE_INTEGER)).toBeUndefined()
  table.add({ id: table.nextId() })
  expect(table.get(65)).toBeUndefined()
  expect(table.get(2 ** 32 + 1)).toBeUndefined()
})

test('one entry that stays does not make the table grow while others come and go', () => {
  const table = new OpenTable<{ readonly id: number }>()
  const old = { id: table.nextId() }
  table.add(old)
  for (let i = 0; i < 10_000; i++) {
    const id = table.nextId()
    table.add({ id })
    table.delete(id)
  }
  expect(table.get(old.id)).toBe(old)
  expect(table.nextId()).toBeLessThan(10_400)
})
