import { expect, test } from 'vitest'
import { InterruptedError } from './exit-code.ts'
import { Interrupt } from './interrupt.ts'

test('the first Ctrl-C asks to leave, the second ends at once', () => {
  const codes: number[] = []
  const interrupt = new Interrupt(code => codes.push(code))
  interrupt.trigger()
  expect(interrupt.signal.reason).toBeInstanceOf(InterruptedError)
  expect(codes).toEqual([])
  interrupt.trigger()
  expect(codes).toEqual([130])
})

test('signals are heard between start and stop', () => {
  const before = process.listenerCount('SIGTERM')
  const interrupt = new Interrupt(() => {})
  interrupt.start()
  process.emit('SIGTERM')
  expect(interrupt.signal.aborted).toBe(true)
  interrupt.stop()
  expect(process.listenerCount('SIGTERM')).toBe(before)
})
