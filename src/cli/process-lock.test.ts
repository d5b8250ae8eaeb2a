import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { takeProcessLock } from './process-lock.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'earshot-lock-'))
  path = join(folder, 'lock')
})

afterEach(() => rmSync(folder, { recursive: true }))

test('a lock is held until it is given back', () => {
  const release = takeProcessLock(path)
  expect(release).toBeTypeOf('function')
  expect(takeProcessLock(path)).toBeUndefined()
  release?.()
  expect(readdirSync(folder)).toEqual([])
  expect(takeProcessLock(path)).toBeTypeOf('function')
})

test('giving back twice does no harm', () => {
  const release = takeProcessLock(path)
  release?.()
  expect(release).not.toThrow()
})

test('the lock of a process that has ended is taken over, and nothing is left beside it', async () => {
  const ended = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
  await once(ended, 'exit')
  writeFileSync(path, JSON.stringify({ pid: ended.pid, started: 'long ago', nonce: 'a' }))
  const release = takeProcessLock(path)
  expect(release).toBeTypeOf('function')
  expect(readdirSync(folder)).toEqual(['lock'])
  expect(takeProcessLock(path)).toBeUndefined()
})

test.runIf(process.platform === 'linux')('a pid that now belongs to another process does not hold the lock', () => {
  writeFileSync(path, JSON.stringify({ pid: process.pid, started: 'another boot 123', nonce: 'a' }))
  expect(takeProcessLock(path)).toBeTypeOf('function')
})

test('a lock without a start time counts while the pid lives and the system has not started since', () => {
  writeFileSync(path, JSON.stringify({ pid: process.pid, started: '', nonce: 'a' }))
  expect(takeProcessLock(path)).toBeUndefined()
})

test.each(['', '{', '[]', '{"pid":"1","started":"","nonce":"a"}', '{"pid":1,"started":"","nonce":"../x"}'])(
  'a damaged lock (%j) is taken over',
  content => {
    writeFileSync(path, content)
    expect(takeProcessLock(path)).toBeTypeOf('function')
  },
)

test('a taker that ended half-way does not block those who come later', () => {
  writeFileSync(path, JSON.stringify({ pid: 0, started: '', nonce: 'a' }))
  writeFileSync(`${path}.a`, JSON.stringify({ pid: 0, started: '', nonce: 'b' }))
  expect(takeProcessLock(path)).toBeTypeOf('function')
  expect(existsSync(`${path}.a`)).toBe(false)
})

test('while another process takes over, the lock counts as held', () => {
  writeFileSync(path, JSON.stringify({ pid: 0, started: '', nonce: 'a' }))
  const release = takeProcessLock(`${path}.a`)
  expect(takeProcessLock(path)).toBeUndefined()
  release?.()
})

test('a folder which does not exist is an error of the file system', () => {
  expect(() => takeProcessLock(join(folder, 'missing', 'lock'))).toThrow(/ENOENT/)
})
