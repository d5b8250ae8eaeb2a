import { expect, test } from 'vitest'
import { AnswerProgram } from './answer-program.ts'

/** A program in JavaScript, so that the tests need nothing but Node. */
function program(source: string): AnswerProgram {
  return new AnswerProgram(process.execPath, ['-e', source])
}

function input(text = '', signal: AbortSignal = new AbortController().signal) {
  return { text, env: {}, signal }
}

test('the answer is what the command writes, without the line break at the end', async () => {
  expect(await program('process.stdin.pipe(process.stdout)').run(input('{"a":1}\n'))).toBe('{"a":1}')
  expect(await program('console.log("a\\n\\nb\\n")').run(input())).toBe('a\n\nb\n')
})

test('a command that does not read its input answers all the same', async () => {
  expect(await program('console.log("hi")').run(input('x'.repeat(1_000_000)))).toBe('hi')
})

test('the environment says who asked', async () => {
  const env = { EARSHOT_FROM_NAME: 'Ada' }
  expect(await program('console.log(process.env.EARSHOT_FROM_NAME)').run({ ...input(), env })).toBe('Ada')
})

test('an exit code other than 0 is told with the last line of stderr', async () => {
  const source = 'console.error("first\\nno sensor\\n"); process.exitCode = 3'
  await expect(program(source).run(input())).rejects.toThrow(/^no sensor$/)
})

test('a silent failure is told with the exit code or the signal', async () => {
  await expect(program('process.exitCode = 3').run(input())).rejects.toThrow('exit code 3')
  await expect(program('process.kill(process.pid, "SIGKILL")').run(input())).rejects.toThrow('ended by SIGKILL')
})

test('a command that does not exist is told as such, without its path', async () => {
  await expect(new AnswerProgram('/nowhere/nothing', []).run(input())).rejects.toThrow(/^the command was not found$/)
})

test('a command that writes without end is stopped', async () => {
  const source = 'const more = () => process.stdout.write("x".repeat(65536), more); more()'
  await expect(program(source).run(input())).rejects.toThrow(/ended by SIGTERM/)
})

test('aborting ends the command', async () => {
  const controller = new AbortController()
  const running = program('setInterval(() => {}, 1000)').run(input('', controller.signal))
  controller.abort(new Error('the asker has left'))
  await expect(running).rejects.toThrow('the asker has left')
})

test('so many commands run at a time, so many questions wait, and the next one is refused', async () => {
  const controller = new AbortController()
  const busy = program('setInterval(() => {}, 1000)')
  const accepted = Array.from({ length: 8 + 64 }, () => busy.run(input('', controller.signal)))
  const settled = Promise.allSettled(accepted)
  await expect(busy.run(input())).rejects.toThrow('too many questions at a time')
  controller.abort(new Error('enough'))
  expect(new Set((await settled).map(({ status }) => status))).toEqual(new Set(['rejected']))
})
