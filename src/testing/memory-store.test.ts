import { expect, test } from 'vitest'
import { memoryStore } from './memory-store.ts'

test('keeps blobs by name, as copies', async () => {
  const store = memoryStore()
  const bytes = Uint8Array.of(1, 2, 3)
  await store.write('identity', bytes)
  bytes[0] = 9

  expect(await store.read('identity')).toEqual(Uint8Array.of(1, 2, 3))
  await store.remove('identity')
  expect(await store.read('identity')).toBeUndefined()
})

test('writeIfAbsent returns what is there afterwards', async () => {
  const store = memoryStore()

  expect(await store.writeIfAbsent('identity', Uint8Array.of(1))).toEqual(Uint8Array.of(1))
  expect(await store.writeIfAbsent('identity', Uint8Array.of(2))).toEqual(Uint8Array.of(1))
})
