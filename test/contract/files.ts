/** What every files port does, real or simulated. */

import { describe, expect, test } from 'vitest'
import type { Files, Folder } from '../../src/platform/files.ts'

export interface FilesUnderTest {
  readonly files: Files
  /** The path of an empty folder. */
  readonly root: string
  /** Makes a symbolic link, as somebody else would. */
  link(path: string, target: string): Promise<void>
  /** Lets time pass until the promise is settled. */
  settle<Value>(promise: Promise<Value>): Promise<Value>
  close(): Promise<void>
}

const text = new TextEncoder()

export function filesContract(name: string, setUp: () => Promise<FilesUnderTest>): void {
  /** Runs a test in an empty folder. */
  const inFolder = (play: (folder: Folder, setup: FilesUnderTest) => Promise<void>) => async () => {
    const setup = await setUp()
    try {
      await setup.settle(
        (async () => play(await setup.files.openFolder(`${setup.root}/inbox`, { create: true }), setup))(),
      )
    } finally {
      await setup.close()
    }
  }

  describe(name, () => {
    test(
      'a file that is written in pieces is read as a whole',
      inFolder(async (folder, { files }) => {
        await write(folder, 'a', 'hello ', 'world')
        const file = await files.openFile(`${folder.path}/a`)
        const target = new Uint8Array(20)
        expect(await file.read(target, 6)).toBe(5)
        expect(target.subarray(0, 5)).toEqual(text.encode('world'))
        expect(await file.read(target, 11)).toBe(0)
        await file.close()
        await file.close()
        expect(await folder.stat('a')).toEqual({
          kind: 'file',
          sizeBytes: 11,
          modifiedMs: 1_600_000_000_000,
          isExecutable: false,
        })
      }),
    )

    test(
      'a file that exists keeps its content until it is written over',
      inFolder(async folder => {
        await write(folder, 'a', 'hello world')
        const file = await folder.createFile('a', { isExecutable: false })
        const target = new Uint8Array(5)
        expect(await file.read(target, 0)).toBe(5)
        await file.write(text.encode('HE'), 0)
        expect(await file.read(target, 0)).toBe(5)
        expect(new TextDecoder().decode(target)).toBe('HEllo')
        expect(await file.stat()).toMatchObject({ sizeBytes: 11 })
        await file.close()
      }),
    )

    test(
      'folders are made once, and list what is in them',
      inFolder(async folder => {
        await folder.makeFolder('photos')
        await folder.makeFolder('photos')
        await folder.makeFolder('photos/2024')
        await write(folder, 'photos/one', '1')
        const names = (await folder.list('photos', 2)).map(entry => [entry.name, entry.stat.kind])
        expect(names.sort()).toEqual([
          ['2024', 'folder'],
          ['one', 'file'],
        ])
        await expect(folder.list('photos', 1)).rejects.toMatchObject({ code: 'too-large' })
        await expect(folder.makeFolder('nowhere/at/all')).rejects.toMatchObject({ code: 'not-found' })
        await folder.setModified('photos/2024', 1_500_000_000_000)
        expect(await folder.stat('photos/2024')).toMatchObject({ kind: 'folder', modifiedMs: 1_500_000_000_000 })
      }),
    )

    test(
      'what is published has its name, which nobody else had',
      inFolder(async folder => {
        await write(folder, '.part', 'new')
        await write(folder, 'taken', 'old')
        expect(await folder.publish('.part', 'taken', { replace: false })).toBe(false)
        expect(await folder.stat('.part')).toMatchObject({ sizeBytes: 3 })
        expect(await folder.publish('.part', 'free', { replace: false })).toBe(true)
        expect(await folder.stat('.part')).toBeUndefined()
        expect(await read(folder, 'free')).toBe('new')
        expect(await read(folder, 'taken')).toBe('old')
      }),
    )

    test(
      'a file is replaced where that is asked for, a folder never',
      inFolder(async folder => {
        await write(folder, '.part', 'new')
        await write(folder, 'file', 'old')
        await folder.makeFolder('folder')
        expect(await folder.publish('.part', 'folder', { replace: true })).toBe(false)
        expect(await folder.publish('.part', 'file', { replace: true })).toBe(true)
        expect(await read(folder, 'file')).toBe('new')
      }),
    )

    test(
      'a folder is published with everything in it, onto no other folder',
      inFolder(async folder => {
        await folder.makeFolder('.part')
        await write(folder, '.part/one', '1')
        await folder.makeFolder('empty')
        expect(await folder.publish('.part', 'empty', { replace: true })).toBe(false)
        expect(await folder.publish('.part', 'album', { replace: false })).toBe(true)
        expect(await read(folder, 'album/one')).toBe('1')
        expect(await folder.stat('.part')).toBeUndefined()
      }),
    )

    test(
      'removing takes everything with it, and does not mind that nothing is there',
      inFolder(async folder => {
        await folder.makeFolder('album')
        await write(folder, 'album/one', '1')
        await folder.remove('album')
        await folder.remove('album')
        expect(await folder.stat('album')).toBeUndefined()
      }),
    )

    test(
      'no link is followed, wherever on the path it stands',
      inFolder(async (folder, { files, root, link }) => {
        const outside = await files.openFolder(`${root}/outside`, { create: true })
        await write(outside, 'diary', 'mine')
        await link(`${folder.path}/way-out`, outside.path)
        await link(`${folder.path}/diary`, `${outside.path}/diary`)
        expect(await folder.stat('diary')).toMatchObject({ kind: 'link' })
        const refused = { code: 'permission-denied' }
        await expect(folder.createFile('diary', { isExecutable: false })).rejects.toMatchObject(refused)
        await expect(folder.openFile('diary')).rejects.toMatchObject(refused)
        await expect(folder.createFile('way-out/new', { isExecutable: false })).rejects.toMatchObject(refused)
        await expect(folder.makeFolder('way-out')).rejects.toMatchObject(refused)
        await expect(folder.makeFolder('way-out/new')).rejects.toMatchObject(refused)
        await write(folder, '.part', 'new')
        expect(await folder.publish('.part', 'diary', { replace: true })).toBe(false)
        await expect(folder.publish('.part', 'way-out/x', { replace: true })).rejects.toMatchObject(refused)
        await folder.remove('way-out')
        expect(await read(outside, 'diary')).toBe('mine')
        expect(await outside.list('', 10)).toHaveLength(1)
      }),
    )

    test(
      'names that lead out of the folder are bugs, and go nowhere',
      inFolder(async folder => {
        for (const name of ['..', '../x', 'a/../../x', '/etc/passwd', '', 'a//b', './a', 'a\\b', 'a\0']) {
          await expect((async () => folder.stat(name))()).rejects.toThrow(RangeError)
          await expect((async () => folder.createFile(name, { isExecutable: false }))()).rejects.toThrow(RangeError)
        }
      }),
    )

    test(
      'what a user names is found through links, and what is not there is not found',
      inFolder(async (folder, { files, root, link }) => {
        await write(folder, 'film', 'a film')
        await link(`${root}/latest`, `${folder.path}/film`)
        expect(await files.locate(`${root}/latest`)).toMatchObject({
          name: 'latest',
          stat: { kind: 'file', sizeBytes: 6 },
        })
        expect(await files.locate(folder.path)).toMatchObject({ name: 'inbox', stat: { kind: 'folder' } })
        await expect(files.locate(`${root}/nothing`)).rejects.toMatchObject({ code: 'not-found' })
        await expect(files.openFile(`${root}/nothing`)).rejects.toMatchObject({ code: 'not-found' })
        await expect(files.openFolder(`${root}/nothing`, { create: false })).rejects.toMatchObject({
          code: 'not-found',
        })
      }),
    )

    test(
      'there is some free space',
      inFolder(async folder => {
        expect(await folder.freeBytes()).toBeGreaterThan(0)
      }),
    )
  })
}

async function write(folder: Folder, name: string, ...parts: readonly string[]): Promise<void> {
  const file = await folder.createFile(name, { isExecutable: false })
  let position = 0
  for (const part of parts) {
    const bytes = text.encode(part)
    await file.write(bytes, position)
    position += bytes.length
  }
  await file.finish(1_600_000_000_000)
  await file.close()
}

async function read(folder: Folder, name: string): Promise<string> {
  const file = await folder.openFile(name)
  const target = new Uint8Array(100)
  const length = await file.read(target, 0)
  await file.close()
  return new TextDecoder().decode(target.subarray(0, length))
}
