import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { FileStore } from './file-store.ts'

let parent = ''
let directory = ''

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'earshot-store-'))
  directory = join(parent, 'deep', 'store')
})
afterEach(() => rm(parent, { recursive: true }))

const bytes = (...values: number[]) => Uint8Array.from(values)

test('what was written is read, until it is removed', async () => {
  const store = new FileStore(directory)
  expect(await store.read('identity')).toBeUndefined()

  await store.write('identity', bytes(1, 2, 3))
  await store.write('identity', bytes(4))
  expect(await store.read('identity')).toEqual(Buffer.from([4]))

  await store.remove('identity')
  await store.remove('identity')
  expect(await store.read('identity')).toBeUndefined()
})

test('nothing but the blobs is left behind', async () => {
  const store = new FileStore(directory)
  await store.write('a', bytes(1))
  await store.writeIfAbsent('a', bytes(2))
  await store.writeIfAbsent('b', bytes(3))

  expect((await readdir(directory)).sort()).toEqual(['a', 'b'])
})

test.skipIf(process.platform === 'win32')('only the owner can read', async () => {
  const store = new FileStore(directory)
  await store.write('identity', bytes(1))
  await store.writeIfAbsent('other', bytes(1))

  expect((await stat(directory)).mode & 0o777).toBe(0o700)
  expect((await stat(join(directory, 'identity'))).mode & 0o777).toBe(0o600)
  expect((await stat(join(directory, 'other'))).mode & 0o777).toBe(0o600)
})

test('a blob that is there is returned instead of the new one', async () => {
  const store = new FileStore(directory)

  expect(await store.writeIfAbsent('identity', bytes(1))).toEqual(bytes(1))
  expect(await store.writeIfAbsent('identity', bytes(2))).toEqual(Buffer.from([1]))
})

test('of many who write at the same time, all get the same blob', async () => {
  const writers = Array.from({ length: 50 }, (_, at) => new FileStore(directory).writeIfAbsent('identity', bytes(at)))
  const blobs = await Promise.all(writers)

  expect(new Set(blobs.map(blob => blob.join())).size).toBe(1)
})

test.each(['', '.', '..', '../up', 'a/b', 'a\\b', '.hidden', 'nul\0', 'x'.repeat(101)])(
  'the name %j is refused',
  async name => {
    const store = new FileStore(directory)

    await expect(store.read(name)).rejects.toThrow(RangeError)
    await expect(store.write(name, bytes(1))).rejects.toThrow(RangeError)
    await expect(store.writeIfAbsent(name, bytes(1))).rejects.toThrow(RangeError)
    await expect(store.remove(name)).rejects.toThrow(RangeError)
  },
)

describe('where the directory cannot be used', () => {
  test('reading and writing reject with what was tried', async () => {
    const file = join(parent, 'file')
    await writeFile(file, '')
    const store = new FileStore(file)

    const errors = await Promise.all([
      store.read('identity').catch((error: unknown) => error),
      store.write('identity', bytes(1)).catch((error: unknown) => error),
      store.writeIfAbsent('identity', bytes(1)).catch((error: unknown) => error),
    ])

    for (const error of errors) {
      expect(error).toBeInstanceOf(EarshotError)
      expect((error as EarshotError).message).toContain(join(file, 'identity'))
    }
  })

  test('a directory in the place of a blob is an error, not an absence', async () => {
    const store = new FileStore(parent)
    await new FileStore(join(parent, 'identity')).write('inner', bytes(1))

    await expect(store.read('identity')).rejects.toMatchObject({ code: 'invalid-data' })
    await expect(store.write('identity', bytes(1))).rejects.toBeInstanceOf(EarshotError)
    expect((await readdir(parent)).sort()).toEqual(['identity'])
  })
})
