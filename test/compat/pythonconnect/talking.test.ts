/** Messages and questions, among ours and with a model of the real program, which loses what comes too fast. */

import { describe, expect, test } from 'vitest'
import { failureOf, logOf, onStage } from './stage.ts'

describe('messages', () => {
  test('reach one, several or all, in order', () =>
    onStage(async stage => {
      const nodes = [
        await stage.node('alpha'),
        await stage.node('beta'),
        await stage.node('gamma'),
        await stage.node('delta'),
      ]
      await stage.met(nodes)
      const [alpha, ...others] = nodes
      const logs = others.map(node => {
        const log: string[] = []
        node.on('message', ({ data, from }) => log.push(`${from.name}: ${data}`))
        return log
      })
      await alpha!.send('to one', { to: 'beta' })
      await alpha!.send('to two', { to: ['beta', 'gamma', 'beta'] })
      await alpha!.send('to all')
      await stage.advance(100)
      expect(logs).toEqual([
        ['alpha: to one', 'alpha: to two', 'alpha: to all'],
        ['alpha: to two', 'alpha: to all'],
        ['alpha: to all'],
      ])
    }))

  test('reach the real program one by one, however fast they are sent', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real')
      await stage.met([alpha, real])
      await Promise.all(Array.from({ length: 30 }, (_, i) => alpha.send(`number ${i}`)))
      await stage.advance(100)
      expect(real.log).toEqual(Array.from({ length: 30 }, (_, i) => `alpha: number ${i}`))
    }))

  test('without the pace the real program loses most of them', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha', { paceMs: 0 })
      const real = await stage.real('real')
      await stage.met([alpha, real])
      await Promise.all(Array.from({ length: 30 }, (_, i) => alpha.send(`number ${i}`)))
      await stage.advance(100)
      expect(real.log.length).toBeLessThan(15)
    }))

  test('the first one, sent as soon as there is a connection, is read', () =>
    onStage(async stage => {
      for (const [own, other] of [
        ['alpha', 'real'],
        ['zeta', 'zebra'],
      ] as const) {
        const node = await stage.node(own)
        node.on('peer', ({ name }) => void node.send('first', { to: name }).catch(() => {}))
        const real = await stage.real(other)
        await stage.met([node, real])
        await stage.advance(200)
        expect(real.log).toContain(`${own}: first`)
      }
    }))

  test('wait for the first listener', () =>
    onStage(async stage => {
      const [alpha, beta] = [await stage.node('alpha'), await stage.node('beta')]
      await stage.met([alpha, beta])
      await alpha.send('one')
      await alpha.send('two')
      await stage.advance(100)
      expect(await beta.once('message')).toMatchObject({ data: 'one', from: { name: 'alpha' } })
    }))

  test('a thousand wait at most, and what is dropped is told', () =>
    onStage(async stage => {
      const [alpha, beta] = [await stage.node('alpha', { paceMs: 0 }), await stage.node('beta')]
      await stage.met([alpha, beta])
      const warnings: string[] = []
      beta.on('warning', ({ code }) => warnings.push(code))
      for (let i = 0; i < 1_003; i++) await alpha.send(String(i))
      await stage.advance(100)
      const got: string[] = []
      beta.on('message', ({ data }) => got.push(data))
      expect([got.length, got[0], warnings]).toEqual([1_000, '3', ['limit-reached', 'limit-reached', 'limit-reached']])
    }))

  test('what cannot be sent is refused, and nothing is sent to anybody', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real')
      await stage.met([alpha, real])
      const failures = await Promise.all([
        failureOf(alpha.send('x', { to: ['real', 'nobody'] })),
        failureOf(alpha.send('a:,:b')),
        failureOf(alpha.send('x'.repeat(499))),
        failureOf(alpha.send(1 as unknown as string)),
        failureOf(alpha.send('x', { to: 1 as unknown as string })),
        failureOf(alpha.send('x', { signal: AbortSignal.abort(new Error('no')) })),
      ])
      expect(failures.map(({ code, name }) => code ?? name)).toEqual([
        'unknown-peer',
        'invalid-data',
        'too-large',
        'TypeError',
        'TypeError',
        'Error',
      ])
      await stage.advance(1_000)
      expect(real.log).toEqual([])
    }))

  test('an aborted one is taken back while it waits', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real')
      await stage.met([alpha, real])
      const controller = new AbortController()
      const sent = [alpha.send('one'), alpha.send('two', { signal: controller.signal }), alpha.send('three')]
      controller.abort(new Error('never mind'))
      expect((await failureOf(sent[1]!)).message).toBe('never mind')
      await Promise.all([sent[0], sent[2]])
      await stage.advance(100)
      expect(real.log).toEqual(['alpha: one', 'alpha: three'])
    }))

  test('those that wait when the device goes are told to their sender, unless they are for everybody', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real')
      await stage.met([alpha, real])
      const sent = Array.from({ length: 5 }, (_, i) => alpha.send(String(i), { to: 'real' }))
      const forAll = alpha.send('bye')
      const failure = failureOf(sent[4]!)
      for (const each of sent) each.catch(() => {})
      await real.close()
      expect((await failure)['code']).toMatch(/closed|lost/)
      await forAll
    }))

  test('what waits when this node leaves is sent at its pace, and what there is no time for is told', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real')
      await stage.met([alpha, real])
      const sent = Array.from({ length: 100 }, (_, i) => alpha.send(String(i), { to: 'real' }))
      const outcomes = Promise.all(
        sent.map(each =>
          each.then(
            () => 'sent',
            ({ code }) => code,
          ),
        ),
      )
      const startedAt = stage.net.now
      await alpha.close()
      expect(stage.net.now - startedAt).toBeLessThan(1_010)
      await stage.advance(100)
      const told = await outcomes
      const count = told.filter(outcome => outcome === 'sent').length
      expect(count).toBeGreaterThan(30)
      expect(real.log).toEqual(Array.from({ length: count }, (_, i) => `alpha: ${i}`))
      expect(told.slice(count)).toEqual(Array.from({ length: 100 - count }, () => 'closed'))
      expect(real.remotes).toEqual([])
    }))

  test('so many wait for one device, and no more', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real')
      await stage.met([alpha, real])
      const sent = Array.from({ length: 600 }, (_, i) => alpha.send(String(i)).catch(({ code }) => code))
      const outcomes = await Promise.all(sent)
      expect(outcomes.filter(code => code === 'limit-reached')).toHaveLength(600 - 512)
      await stage.advance(100)
      expect(real.log).toHaveLength(512)
    }))
})

describe('questions', () => {
  test('to one and to several, with answers by name and null for those that are missing', () =>
    onStage(async stage => {
      const nodes = [
        await stage.node('alpha'),
        await stage.node('beta'),
        await stage.node('gamma'),
        await stage.node('delta'),
      ]
      await stage.met(nodes)
      const [alpha, beta, gamma] = nodes
      beta!.answer((question, { from }) => `${from.name} asked ${question}`)
      gamma!.answer(async () => '')
      expect(await alpha!.ask('beta', 'what?')).toEqual(new Map([['beta', 'alpha asked what?']]))
      const startedAt = stage.net.now
      expect(await alpha!.ask(['beta', 'gamma', 'delta', 'nobody'], 'x', { timeoutMs: 500 })).toEqual(
        new Map([
          ['beta', 'alpha asked x'],
          ['gamma', ''],
          ['delta', null],
          ['nobody', null],
        ]),
      )
      expect(stage.net.now - startedAt).toBeCloseTo(500, -1)
      expect(await alpha!.ask('nobody', 'x')).toEqual(new Map([['nobody', null]]))
      expect(await alpha!.ask([], 'x')).toEqual(new Map())
    }))

  test('both ways with the real program, three at once', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const [real, zeta] = [await stage.real('real'), await stage.node('zeta')]
      alpha.answer(question => `a:${question}`)
      zeta.answer(question => `z:${question}`)
      await stage.met([alpha, real, zeta])
      await stage.advance(100)
      expect(await alpha.ask(['real', 'zeta'], 'one')).toEqual(
        new Map([
          ['real', 're:one'],
          ['zeta', 'z:one'],
        ]),
      )
      expect(await real.askDevice('two', ['alpha', 'zeta'])).toEqual({ alpha: 'a:two', zeta: 'z:two' })
      expect(await real.askDevice('three', ['alpha', 'nobody'], 300)).toEqual({ alpha: 'a:three', nobody: '' })
      real.sendMessage('hi')
      const log = logOf(alpha)
      await stage.advance(100)
      expect(log).toContain('real: hi')
    }))

  test('asked of the real program all at once, each has its answer', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real', { handlerMs: 40 })
      await stage.met([alpha, real])
      const questions = Array.from({ length: 12 }, (_, i) => `q${i}`)
      const answers = await Promise.all(questions.map(question => alpha.ask('real', question)))
      expect(answers.map(answer => answer.get('real'))).toEqual(questions.map(question => `re:${question}`))
      expect(real.log).toHaveLength(12)
    }))

  test('messages among questions that take long are read, too', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real', { handlerMs: 15 })
      await stage.met([alpha, real])
      const asked = [alpha.ask('real', 'a'), alpha.send('b'), alpha.send('c'), alpha.ask('real', 'd'), alpha.send('e')]
      await Promise.all(asked)
      await stage.advance(200)
      expect(real.log).toEqual(['alpha? a', 'alpha: b', 'alpha: c', 'alpha? d', 'alpha: e'])
    }))

  test('nothing is lost on a real program that asks from several threads while its handler is slow', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real', { handlerMs: 300 })
      alpha.answer(() => 'yes')
      await stage.met([alpha, real])
      const names = ['a', 'b', 'c', 'd']
      const asked = names.map(name => [
        alpha.ask('real', name, { timeoutMs: 5_000 }),
        alpha.send(`behind ${name}`, { to: 'real' }),
      ])
      const theirs = names.map(name => real.askDevice(name, ['alpha'], 5_000))
      expect(await Promise.all(theirs)).toEqual(names.map(() => ({ alpha: 'yes' })))
      await Promise.all(asked.flat())
      await stage.advance(1_000)
      expect(real.log).toEqual(names.flatMap(name => [`alpha? ${name}`, `alpha: behind ${name}`]))
    }))

  test('many at once from the real program are all answered', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real')
      alpha.answer(question => `a:${question}`)
      await stage.met([alpha, real])
      await stage.advance(100)
      const answers = await Promise.all(['x', 'y', 'z'].map(question => real.askDevice(question, ['alpha'])))
      expect(answers).toEqual([{ alpha: 'a:x' }, { alpha: 'a:y' }, { alpha: 'a:z' }])
    }))

  test('in return, while a question is being answered, do not wait for its end', () =>
    onStage(async stage => {
      const [alpha, beta] = [await stage.node('alpha'), await stage.node('beta')]
      await stage.met([alpha, beta])
      alpha.answer(question => `alpha says ${question}`)
      beta.answer(async question => {
        const first = (await beta.ask('alpha', `1 ${question}`)).get('alpha')
        return `${first}, ${(await beta.ask('alpha', '2')).get('alpha')}`
      })
      const startedAt = stage.net.now
      expect(await alpha.ask('beta', 'x')).toEqual(new Map([['beta', 'alpha says 1 x, alpha says 2']]))
      expect(stage.net.now - startedAt).toBeLessThan(100)
    }))

  test('one that is not answered holds nobody up for longer than its asker waits', () =>
    onStage(async stage => {
      const alpha = await stage.node('alpha')
      const real = await stage.real('real', { handlerMs: 700 })
      await stage.met([alpha, real])
      const asked = alpha.ask('real', 'slow', { timeoutMs: 200 })
      const asks = [asked, alpha.send('one'), alpha.send('two')]
      await Promise.all(asks)
      await stage.advance(3_000)
      expect(await asked).toEqual(new Map([['real', null]]))
      expect(real.log.slice(0, 2)).toEqual(['alpha? slow', 'alpha: one'])
    }))

  test('answers that fail, or cannot be sent, are told here, and the asker hears nothing', () =>
    onStage(async stage => {
      const [alpha, beta] = [await stage.node('alpha'), await stage.node('beta')]
      await stage.met([alpha, beta])
      const log = logOf(beta)
      const outcomes: (() => string)[] = [
        () => {
          throw new Error('out of order')
        },
        () => 'x'.repeat(600),
        () => 'a:,:b',
        () => 5 as unknown as string,
      ]
      for (const outcome of outcomes) {
        using _ = beta.answer(outcome)
        expect(await alpha.ask('beta', 'x', { timeoutMs: 100 })).toEqual(new Map([['beta', null]]))
      }
      expect(log.slice(1)).toEqual([
        'warning answer-failed',
        'warning too-large',
        'warning invalid-data',
        'warning answer-failed',
      ])
      beta.answer(() => 'again')
      expect(() => beta.answer(() => 'twice')).toThrow(RangeError)
    }))

  test('end when the device goes, when they are aborted, and when this node leaves', () =>
    onStage(async stage => {
      const [alpha, beta, gamma] = [await stage.node('alpha'), await stage.node('beta'), await stage.node('gamma')]
      await stage.met([alpha, beta, gamma])
      const signals: AbortSignal[] = []
      const never = (_: string, { signal }: { signal: AbortSignal }) => {
        signals.push(signal)
        return new Promise<string>(() => {})
      }
      for (const node of [beta, gamma]) node.answer(never)
      const asked = alpha.ask('beta', 'x', { timeoutMs: 60_000 })
      await stage.advance(100)
      await beta.close()
      expect(await asked).toEqual(new Map([['beta', null]]))
      const controller = new AbortController()
      const aborted = failureOf(alpha.ask('gamma', 'y', { timeoutMs: 60_000, signal: controller.signal }))
      const left = failureOf(alpha.ask('gamma', 'z', { timeoutMs: Number.POSITIVE_INFINITY }))
      await stage.advance(100)
      controller.abort(new Error('enough'))
      expect((await aborted).message).toBe('enough')
      await alpha.close()
      expect(await left).toMatchObject({ code: 'closed' })
      await stage.advance(100)
      expect(signals.map(({ aborted: isAborted }) => isAborted)).toEqual(signals.map(() => true))
    }))
})
