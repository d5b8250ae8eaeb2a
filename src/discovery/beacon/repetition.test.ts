import { expect, test } from 'vitest'
import { simulate } from '../../testing/index.ts'
import { Repetition } from './repetition.ts'

function stage() {
  const net = simulate()
  const { clock } = net.host('ada').network
  const doneAt: number[] = []
  const repetition = new Repetition(
    clock,
    times => times * 1_000,
    () => doneAt.push(Math.round(net.now)),
  )
  return { net, doneAt, repetition }
}

test('is done at once and after each pause, until it is stopped', async () => {
  const { net, doneAt, repetition } = stage()
  repetition.restart()
  await net.advance(6_500)
  repetition.stop()
  repetition.stop()
  await net.advance(60_000)
  expect(doneAt).toEqual([0, 1_000, 3_000, 6_000])
  expect(net.open()).toEqual([])
})

test('begins anew with its first pause', async () => {
  const { net, doneAt, repetition } = stage()
  repetition.restart()
  await net.advance(4_000)
  repetition.restart()
  await net.advance(3_000)
  repetition.stop()
  expect(doneAt).toEqual([0, 1_000, 3_000, 4_000, 5_000, 7_000])
})

test('restarted all the time, it is done four times a second, the last time after the last restart', async () => {
  const { net, doneAt, repetition } = stage()
  for (let i = 0; i < 100; i++) {
    repetition.restart()
    await net.advance(10)
  }
  const restartedAt = net.now
  await net.advance(260)
  repetition.stop()
  expect(doneAt).toEqual([0, 250, 500, 750, 1_000])
  expect(doneAt.at(-1)).toBeGreaterThanOrEqual(restartedAt - 10)
})
