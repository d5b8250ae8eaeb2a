import { expect, test } from 'vitest'
import { filesContract } from '../../test/contract/files.ts'
import { simulate } from './simulated-network.ts'

filesContract('files of a simulated host', async () => {
  const net = simulate()
  const host = net.host('ada')
  host.disk.makeFolder('/root')
  return {
    files: host.network.files,
    root: '/root',
    link: async (path, target) => host.disk.link(path, target),
    settle: promise => net.run(() => promise),
    close: async () => {},
  }
})

test('a disk that is full says so, and takes what fits', async () => {
  const net = simulate()
  const { disk, network } = net.host('ada')
  disk.capacityBytes = 10
  await net.run(async () => {
    const folder = await network.files.openFolder('/inbox', { create: true })
    const file = await folder.createFile('a', { isExecutable: false })
    await file.write(new Uint8Array(10), 0)
    expect(await folder.freeBytes()).toBe(0)
    await expect(file.write(new Uint8Array(1), 10)).rejects.toMatchObject({ code: 'no-space' })
    await file.write(new Uint8Array(1), 9)
  })
})

test('a slow disk takes its time', async () => {
  const net = simulate()
  const { disk, network } = net.host('ada')
  disk.bytesPerMs = 100
  await net.run(async () => {
    const folder = await network.files.openFolder('/inbox', { create: true })
    const file = await folder.createFile('a', { isExecutable: false })
    const startedAt = net.now
    await file.write(new Uint8Array(10_000), 0)
    expect(net.now - startedAt).toBe(100)
    await file.read(new Uint8Array(5_000), 0)
    expect(net.now - startedAt).toBe(150)
  })
})

test('a power cut loses what was not brought to the disk; a program that is killed loses nothing', async () => {
  const net = simulate()
  const host = net.host('ada')
  await net.run(async () => {
    const folder = await host.network.files.openFolder('/inbox', { create: true })
    const file = await folder.createFile('a', { isExecutable: false })
    await file.write(Uint8Array.of(1, 2), 0)
    await file.finish(0)
    await file.write(Uint8Array.of(3, 4), 2)
  })
  host.kill()
  expect(host.disk.read('/inbox/a')).toEqual(Uint8Array.of(1, 2, 3, 4))
  host.start()
  host.stop()
  expect(host.disk.read('/inbox/a')).toEqual(Uint8Array.of(1, 2, 0, 0))
})

test('what a program was doing when it was killed is never done', async () => {
  const net = simulate()
  const host = net.host('ada')
  host.disk.bytesPerMs = 1
  let isDone = false
  await net.run(async () => {
    const folder = await host.network.files.openFolder('/inbox', { create: true })
    const file = await folder.createFile('a', { isExecutable: false })
    void file.write(new Uint8Array(100), 0).then(() => {
      isDone = true
    })
    await net.advance(50)
    host.kill()
    await net.advance(1_000)
  })
  expect(isDone).toBe(false)
  expect(host.disk.read('/inbox/a')).toEqual(new Uint8Array(0))
})
