import { describe, expect, test } from 'vitest'
import { Emitter } from './emitter.ts'
import { EarshotError } from './errors.ts'
import { simulate } from './testing/index.ts'

interface Events {
  news: string
  other: number
}

function setUp(present: readonly string[] = []) {
  const net = simulate()
  const host = net.host('ada')
  const replay = <K extends keyof Events>(type: K) => (type === 'news' ? present : []) as Iterable<Events[K]>
  return { net, host, emitter: new Emitter<Events>(host.network.clock, replay) }
}

describe('on', () => {
  test('hears every event of its type, in the order of listening', () => {
    const { emitter } = setUp()
    const heard: string[] = []
    emitter.on('news', text => heard.push(`first ${text}`))
    emitter.on('news', text => heard.push(`second ${text}`))
    expect(emitter.emit('news', 'a')).toBe(true)
    expect(emitter.emit('other', 1)).toBe(false)
    expect(heard).toEqual(['first a', 'second a'])
  })

  test('ends by calling or disposing what it returned, once for each listener', () => {
    const { emitter } = setUp()
    const heard: string[] = []
    const listener = (text: string) => heard.push(text)
    const off = emitter.on('news', listener)
    {
      using _ = emitter.on('news', listener)
      emitter.emit('news', 'both')
    }
    emitter.emit('news', 'one')
    off()
    off()
    expect(emitter.has('news')).toBe(false)
    expect(emitter.emit('news', 'none')).toBe(false)
    expect(heard).toEqual(['both', 'both', 'one'])
  })

  test('begins with what is present already, and may end in the middle of it', () => {
    const { emitter } = setUp(['a', 'b'])
    const heard: string[] = []
    emitter.on('news', text => heard.push(text))
    emitter.emit('news', 'c')
    expect(heard).toEqual(['a', 'b', 'c'])
  })

  test('that is ended by another listener in the same event hears no more', () => {
    const { emitter } = setUp()
    const heard: string[] = []
    emitter.on('news', () => off())
    const off = emitter.on('news', text => heard.push(text))
    emitter.emit('news', 'a')
    expect(heard).toEqual([])
  })

  test('that throws keeps nothing from the others, and its error is not lost', async () => {
    const { emitter, net } = setUp()
    const heard: string[] = []
    emitter.on('news', () => {
      throw new Error('a bug')
    })
    emitter.on('news', text => heard.push(text))
    const failed = expect(net.advance(1)).rejects.toThrow('a bug')
    emitter.emit('news', 'a')
    await failed
    expect(heard).toEqual(['a'])
  })
})

describe('once', () => {
  test('resolves with the next event that is accepted, and listens no longer', async () => {
    const { emitter } = setUp()
    const second = emitter.once('news', {}, text => text.startsWith('b'))
    emitter.emit('news', 'a')
    emitter.emit('news', 'b')
    expect(await second).toBe('b')
    expect(emitter.has('news')).toBe(false)
  })

  test('resolves with what is present', async () => {
    const { emitter } = setUp(['a', 'b'])
    expect(await emitter.once('news', {})).toBe('a')
    expect(await emitter.once('news', {}, text => text === 'b')).toBe('b')
    expect(emitter.has('news')).toBe(false)
  })

  test('rejects with timeout, and leaves no timer and no listener', async () => {
    const { emitter, net, host } = setUp()
    const waiting = emitter.once('news', { timeoutMs: 100 })
    await expect(net.until(waiting)).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringMatching(/news.*100/),
    })
    expect([host.open(), emitter.has('news')]).toEqual([[], false])
  })

  test('rejects with the reason of its signal, aborted before or while waiting', async () => {
    const { emitter, host } = setUp()
    const reason = new Error('enough')
    await expect(emitter.once('news', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const stop = new AbortController()
    const waiting = emitter.once('news', { signal: stop.signal, timeoutMs: 100 })
    stop.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    expect([host.open(), emitter.has('news')]).toEqual([[], false])
  })

  test('rejects when nothing will happen any more, now and later', async () => {
    const { emitter, host } = setUp()
    const waiting = [emitter.once('news', { timeoutMs: 100 }), emitter.once('other', {})]
    const reason = new EarshotError('closed', 'over')
    emitter.close(reason)
    for (const each of waiting) await expect(each).rejects.toBe(reason)
    await expect(emitter.once('news', {})).rejects.toBe(reason)
    expect([host.open(), emitter.has('news')]).toEqual([[], false])
  })
})

test('a listener added while an event is told hears it once, by its replay', () => {
  const present: string[] = []
  const { emitter } = setUp(present)
  const heard: string[] = []
  emitter.on('news', text => {
    heard.push(`outer ${text}`)
    if (text === 'a') emitter.on('news', other => heard.push(`inner ${other}`))
  })
  for (const text of ['a', 'b']) {
    present.push(text)
    emitter.emit('news', text)
  }
  expect(heard).toEqual(['outer a', 'inner a', 'outer b', 'inner b'])
})
