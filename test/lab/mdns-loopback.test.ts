/** A machine that has nothing but loopback, and processes that end when their services are closed. */

import { expect, test } from 'vitest'
import { Program } from './lab.ts'

const ALONE = ['unshare', '-n', '-p', '-f', '--kill-child', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh']

test('programs on a machine with only loopback find each other, and end by themselves', async () => {
  const program = new Program(
    ALONE,
    `import { browse, publish } from 'DIST/mdns.js'
     const tell = value => console.log(JSON.stringify(value))
     const onWarning = error => tell({ warning: error.message })
     const service = await publish({ name: 'Here', type: '_x._tcp', port: 7, onWarning })
     const from = performance.now()
     for await (const { kind, name, addresses } of browse('_x._tcp', { onWarning })) {
       tell({ kind, name, addresses, afterMs: performance.now() - from })
       if (kind === 'found') void service.close()
       else break
     }
     tell('closed')
     process.on('exit', () => tell('ended'))`,
  )
  try {
    await program.until(line => line === 'ended')
    expect(program.lines).toEqual([
      { kind: 'found', name: 'Here', addresses: ['127.0.0.1', '::1'], afterMs: expect.any(Number) },
      { kind: 'lost', name: 'Here', addresses: ['127.0.0.1', '::1'], afterMs: expect.any(Number) },
      'closed',
      'ended',
    ])
    const [found] = program.lines as { afterMs: number }[]
    expect(found!.afterMs).toBeLessThan(500)
  } finally {
    program.stop()
  }
})
