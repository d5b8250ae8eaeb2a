import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const DEMO = fileURLToPath(new URL('../../scripts/demo.js', import.meta.url))

test('the demo ends by itself, with everything seen to happen', async () => {
  const demo = spawn(process.execPath, [DEMO], { stdio: ['ignore', 'pipe', 'inherit'] })
  let shown = ''
  demo.stdout.setEncoding('utf8').on('data', text => {
    shown += text
  })
  const [code] = await once(demo, 'close')
  expect(shown).toMatch(/Grace +gets from Ada: 42/)
  expect(shown).toMatch(/Linus +has sent kernel\.img to Ada: 20 MB/)
  expect(shown).toMatch(/Ada +has kernel\.img from Linus, complete/)
  expect(shown).toMatch(/Everything worked/)
  expect(shown).not.toContain('\u001b')
  expect(code).toBe(0)
})
