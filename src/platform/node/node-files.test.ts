import { execFileSync } from 'node:child_process'
import { linkSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { filesContract } from '../../../test/contract/files.ts'
import type { Folder } from '../files.ts'
import { fileError } from './file-error.ts'
import { NodeFiles } from './node-files.ts'

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'earshot-files-'))
}

filesContract('files of this machine', async () => {
  const root = newFolder()
  return {
    files: new NodeFiles(),
    root,
    link: async (path, target) => symlinkSync(target, path),
    settle: promise => promise,
    close: async () => rmSync(root, { recursive: true }),
  }
})

let root: string
let folder: Folder
beforeEach(async () => {
  root = newFolder()
  folder = await new NodeFiles().openFolder(root, { create: false })
})
afterEach(() => {
  rmSync(root, { recursive: true })
})

test('the executable bit is kept, as far as the umask lets it', async () => {
  const before = process.umask(0o022)
  try {
    for (const [name, isExecutable] of [
      ['run', true],
      ['read', false],
    ] as const) {
      const file = await folder.createFile(name, { isExecutable })
      await file.close()
      expect(statSync(join(root, name)).mode & 0o777).toBe(isExecutable ? 0o755 : 0o644)
      expect(await folder.stat(name)).toMatchObject({ isExecutable })
    }
  } finally {
    process.umask(before)
  }
})

test('a file with a second name is read, and not written to', async () => {
  writeFileSync(join(root, 'diary'), 'mine')
  linkSync(join(root, 'diary'), join(root, 'film'))
  await expect(folder.createFile('film', { isExecutable: false })).rejects.toMatchObject({ code: 'permission-denied' })
  const file = await folder.openFile('film')
  await file.close()
})

test('a named pipe is not waited for', async () => {
  execFileSync('mkfifo', [join(root, 'pipe')])
  await expect(folder.createFile('pipe', { isExecutable: false })).rejects.toMatchObject({ code: 'permission-denied' })
  await expect(folder.openFile('pipe')).rejects.toMatchObject({ code: 'permission-denied' })
  expect(await folder.stat('pipe')).toMatchObject({ kind: 'other' })
})

test('the system says why, in words of files', () => {
  const fail = (code: string) => fileError(Object.assign(new Error(code), { code }), 'cannot write /x')
  const codes = ['ENOENT', 'ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'ELOOP', 'ENAMETOOLONG', 'EIO', 'EMFILE']
  expect(codes.map(code => [code, fail(code).code])).toEqual([
    ['ENOENT', 'not-found'],
    ['ENOSPC', 'no-space'],
    ['EDQUOT', 'no-space'],
    ['EACCES', 'permission-denied'],
    ['EROFS', 'permission-denied'],
    ['ELOOP', 'permission-denied'],
    ['ENAMETOOLONG', 'too-large'],
    ['EIO', 'invalid-data'],
    ['EMFILE', 'limit-reached'],
  ])
  expect(fail('ENOSPC')).toMatchObject({
    message: 'cannot write /x: ENOSPC',
    hint: expect.stringContaining('make room'),
  })
})
