import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

/** Tries what no test may do, in ways that programs do it, and tells what happened. 192.0.2.0/24 is nobody's (RFC 5737). */
const ESCAPES: Readonly<Record<string, string>> = {
  'a TCP connection': `net.connect({ host: '192.0.2.1', port: 9 }).on('error', told).on('connect', escaped)`,
  'a TCP connection by port and host': `net.connect(9, '192.0.2.1').on('error', told).on('connect', escaped)`,
  'a datagram': `dgram.createSocket('udp4').send('x', 9, '192.0.2.1', told)`,
  'a datagram on a connected socket': `dgram.createSocket('udp4').on('error', told).connect(9, '192.0.2.1', told)`,
  'a multicast datagram': `dgram.createSocket('udp4').send('x', 9, '239.255.1.1', told)`,
  'a group membership': `dgram.createSocket('udp4').bind(0, function () { this.addMembership('239.255.1.1'); told() })`,
  'a question to a name server': `dns.lookup('example.com', told)`,
  'a question by promise': `dns.promises.lookup('example.com').then(told, told)`,
}

const PROLOGUE = `
const [net, dgram, dns] = [require('node:net'), require('node:dgram'), require('node:dns')]
const told = error => { console.log(error ? error.code ?? error.message : 'escaped'); process.exit() }
const escaped = () => told()
process.on('uncaughtException', told)
`

test.each(Object.entries(ESCAPES))('%s beyond loopback does not leave a program that a test starts', (_, attempt) => {
  const { stdout } = spawnSync(process.execPath, ['-e', PROLOGUE + attempt], { encoding: 'utf8', timeout: 5_000 })

  expect(stdout.trim()).toMatch(/only loopback is allowed|ENETUNREACH|EAI_AGAIN|ENODEV|ENOTFOUND/)
})

test('loopback is open to the programs that a test starts', () => {
  const program = `
    const server = net.createServer(socket => socket.end('heard')).listen(0, '127.0.0.1', () => {
      net.connect(server.address().port, 'localhost').on('data', bytes => told({ code: String(bytes) }))
    })`
  const { stdout } = spawnSync(process.execPath, ['-e', PROLOGUE + program], { encoding: 'utf8', timeout: 5_000 })

  expect(stdout.trim()).toBe('heard')
})

test('multicast on loopback is open to the programs that a test starts', () => {
  const program = `
    const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true }).on('message', bytes => told({ code: String(bytes) }))
    socket.bind(0, () => {
      socket.setMulticastInterface('127.0.0.1')
      socket.addMembership('239.255.1.1', '127.0.0.1')
      socket.send('heard', socket.address().port, '239.255.1.1')
    })`
  const { stdout } = spawnSync(process.execPath, ['-e', PROLOGUE + program], { encoding: 'utf8', timeout: 5_000 })

  expect(stdout.trim()).toBe('heard')
})
