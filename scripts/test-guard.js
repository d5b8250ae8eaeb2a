/**
 * No packet of a test may leave the machine. Loaded into every test process that is not in a network namespace of its
 * own, and into the programs such a process starts: sending and connecting beyond loopback throws, and so do joining a
 * multicast group on another interface and asking a name server.
 */

import dgram from 'node:dgram'
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|(::|0:0:0:0:0:0:0:)1%.*|::ffff:127\..*|localhost|::%(lo0?|1))$/i
const MULTICAST = /^(2(2[4-9]|3\d)\.|ff)/i
/** Sockets whose multicast goes out on loopback. */
const multicastOnLoopback = new WeakSet()

function refuse(what) {
  throw new Error(`a test tried to ${what}: only loopback is allowed outside a network namespace (run \`npm test\`)`)
}

function requireLoopback(host, what) {
  if (host !== undefined && !LOOPBACK.test(host)) refuse(`${what} ${host}`)
}

/** Calls `check(thisArgument, args)` before each call of `target[name]`. */
function guard(target, name, check) {
  const original = target[name]
  target[name] = function guarded(...args) {
    check(this, args)
    return original.apply(this, args)
  }
}

guard(net.Socket.prototype, 'connect', (_, args) => {
  // Node normalizes the arguments itself before it calls `connect` again: [[options, callback]].
  const [first, second] = Array.isArray(args[0]) ? args[0] : args
  if (typeof first === 'object' && first !== null) requireLoopback(first.path ? undefined : first.host, 'connect to')
  else if (typeof second === 'string') requireLoopback(second, 'connect to')
})

guard(dgram.Socket.prototype, 'connect', (_, [, address]) => {
  if (typeof address === 'string') requireLoopback(address, 'connect to')
})

guard(dgram.Socket.prototype, 'send', (socket, [, ...args]) => {
  // send(message[, offset, length][, port][, address][, callback])
  const address = args.find(argument => typeof argument === 'string')
  if (address !== undefined && MULTICAST.test(address) && multicastOnLoopback.has(socket)) return
  requireLoopback(address, 'send to')
})

guard(dgram.Socket.prototype, 'setMulticastInterface', (socket, [address]) => {
  requireLoopback(address, 'send multicast through')
  multicastOnLoopback.add(socket)
})

guard(dgram.Socket.prototype, 'addMembership', (_, [group, address]) => {
  if (address === undefined) refuse(`join ${group} on the default interface`)
  requireLoopback(address, `join ${group} on`)
})

guard(dgram.Socket.prototype, 'addSourceSpecificMembership', (_, [, group, address]) => {
  if (address === undefined) refuse(`join ${group} on the default interface`)
  requireLoopback(address, `join ${group} on`)
})

for (const resolver of [dns, dns.promises, dns.Resolver.prototype, dns.promises.Resolver.prototype]) {
  for (const name of Object.getOwnPropertyNames(resolver)) {
    if (!/^(lookup|resolve|reverse)/.test(name) || typeof resolver[name] !== 'function') continue
    guard(resolver, name, (_, [host]) => {
      if (typeof host === 'string' && host !== '' && net.isIP(host) === 0) requireLoopback(host, 'resolve')
    })
  }
}

syncBuiltinESMExports()
