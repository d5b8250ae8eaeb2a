import { Command } from 'commander'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { addInternetFlags, internetOptions, readInternetFlags } from './internet-flags.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

/** The options for `join` that a command line stands for. */
function read(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  for (const name of ['RENDEZVOUS', 'STUN', 'TURN', 'TURN_USER', 'TURN_PASSWORD'])
    vi.stubEnv(`EARSHOT_${name}`, undefined)
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  const program = new Command().exitOverride().configureOutput({ writeErr() {} })
  addInternetFlags(program)
  program.parse(args, { from: 'user' })
  return internetOptions(readInternetFlags(program.opts()))
}

describe('the flags', () => {
  test('stay on the local networks where no server is named', () => {
    expect(read([])).toBeUndefined()
    expect(read(['--direct', 'only', '--relay-budget', '1GB'])).toBeUndefined()
  })

  test('name servers, each as often as needed', () => {
    const args = ['--rendezvous', 'mqtts://a.example', '--rendezvous', 'ws://b.example/path', '--stun', 'a.example']
    const more = ['--stun', 'stuns:b.example', '--direct', 'only', '--relay-budget', '1GB']
    expect(read([...args, ...more])).toEqual({
      rendezvous: ['mqtts://a.example', 'ws://b.example/path'],
      stun: ['stun:a.example', 'stuns:b.example'],
      turn: [],
      direct: 'only',
      relayBudgetBytes: 1_000_000_000,
    })
  })

  test('come from the environment, several with blanks between, and a command line counts more', () => {
    const env = { EARSHOT_RENDEZVOUS: 'mqtt://a.example  mqtt://b.example', EARSHOT_STUN: 'a.example:1 b.example' }
    expect(read([], env)).toMatchObject({
      rendezvous: ['mqtt://a.example', 'mqtt://b.example'],
      stun: ['stun:a.example:1', 'stun:b.example'],
    })
    expect(read(['--stun', 'c.example'], env)).toMatchObject({ stun: ['stun:c.example'] })
  })

  test('take user and password of a TURN server from its URL, or from the environment', () => {
    const ada = { urls: 'turn:a.example:3478?transport=tcp', username: 'ada', credential: 't:e@a' }
    expect(read(['--turn', 'turn:ada:t:e%40a@a.example:3478?transport=tcp'])).toMatchObject({ turn: [ada] })
    const env = { EARSHOT_TURN_USER: 'ada', EARSHOT_TURN_PASSWORD: 't:e@a' }
    expect(read([], { EARSHOT_TURN: 'turn:a.example:3478?transport=tcp', ...env })).toMatchObject({ turn: [ada] })
    expect(read(['--turn', 'turn:bob@[2001:db8::1]'], env)).toMatchObject({
      turn: [{ urls: 'turn:[2001:db8::1]', username: 'bob', credential: 't:e@a' }],
    })
  })

  test.each([
    [['--rendezvous', 'http://ada:tea@a.example'], /'http:\/\/a.example' is no URL of a broker/],
    [['--rendezvous', 'broker'], /'broker' is no URL of a broker; write it like mqtts:/],
    [['--stun', 'http://a.example'], /no URI of a STUN or TURN server/],
    [['--stun', 'turn:a.example'], /TURN server; .* begins with 'stun:'/],
    [['--turn', 'stun:ada:tea@a.example'], /STUN server; .* begins with 'turn:'/],
    [['--turn', 'a.example'], /'a.example' is no TURN server; write it like turn:USER/],
    [['--turn', 'turn:ada:tea@a.example:0'], /from 1 to 65535/],
    [['--turn', 'turn:a.example'], /the user of the TURN server 'turn:a.example' is missing: EARSHOT_TURN_USER/],
    [['--turn', 'turn:ada@a.example'], /the password of the TURN server/],
    [['--turn', 'turn:ada:%@a.example'], /a percent sign is %25/],
    [['--direct', 'always'], /Allowed choices are prefer, only, never/],
    [['--relay-budget', 'much'], /'much' is not a size/],
  ])('say what is wrong with %j', (args, message) => {
    expect(() => read(args)).toThrow(message)
  })
})
