import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeFolder } from './make-folder.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'earshot-folder-'))
})
afterEach(() => rmSync(root, { recursive: true }))

test('those that a folder stands in are made too, and one that is there stays', async () => {
  const path = join(root, 'a', 'b', 'c')
  await makeFolder(path, 0o700)
  writeFileSync(join(path, 'file'), 'x')
  await makeFolder(path)
  await Promise.all([makeFolder(join(root, 'd', 'e')), makeFolder(join(root, 'd', 'f'))])
  expect(existsSync(join(path, 'file'))).toBe(true)
  expect(existsSync(join(root, 'd', 'e')) && existsSync(join(root, 'd', 'f'))).toBe(true)
  if (process.platform !== 'win32') expect(statSync(join(root, 'a')).mode & 0o777).toBe(0o700)
})

test('the root is there', async () => {
  await expect(makeFolder('/')).resolves.toBeUndefined()
})

test('a file of that name, or on the way, is ENOTDIR', async () => {
  writeFileSync(join(root, 'file'), 'x')
  await expect(makeFolder(join(root, 'file'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  await expect(makeFolder(join(root, 'file', 'under'))).rejects.toMatchObject({ code: 'ENOTDIR' })
})

test.runIf(process.platform === 'linux')('where nobody can make one it ends with an error', async () => {
  await expect(makeFolder('/proc/earshot/inbox')).rejects.toMatchObject({ code: 'ENOENT' })
})
