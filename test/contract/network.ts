/**
 * What every network must do, real or simulated: `networkContract('simulated', makePair)` defines the tests. They know no
 * clock: what they wait for goes through the pair's `until` and `settle`, which let real or virtual time pass.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import { EarshotError } from '../../src/errors.ts'
import type {
  Network,
  SocketAddress,
  TcpConnectOptions,
  TcpListener,
  UdpOptions,
  UdpSocket,
} from '../../src/platform/network.ts'
import { type Recorder, TcpRecorder, UdpRecorder } from './recorder.ts'

export interface NetworkPair {
  /** Two hosts of one LAN, or one host twice. */
  readonly a: Network
  readonly b: Network
  /** For each family to be tested: the addresses at which they reach each other. */
  readonly families: readonly FamilyAddresses[]
  /** The interface of each in the common LAN. */
  readonly interfaceOfA: string
  readonly interfaceOfB: string
  /** Where a datagram reaches every host of the common LAN; undefined where the system has no such address. */
  readonly broadcast: string | undefined
  /** Where a connect of `a` gets no answer at all. */
  readonly silent: SocketAddress
  /** Lets time pass until `promise` settles. */
  until<T>(promise: Promise<T>): Promise<T>
  /** Lets time pass until everything that is under way between the two has arrived. */
  settle(): Promise<void>
  /** Frees what the pair itself holds. */
  close(): Promise<void>
}

export interface FamilyAddresses {
  readonly wildcard: '0.0.0.0' | '::'
  readonly a: string
  readonly b: string
  /** A group nobody else uses; undefined where the interface cannot send multicast of that family. */
  readonly group: string | undefined
}

export function networkContract(name: string, makePair: () => Promise<NetworkPair>): void {
  describe(`the network port: ${name}`, () => {
    const scope = new Scope()

    beforeEach(async () => {
      scope.pair = await makePair()
    })
    afterEach(() => scope.close())

    describe('interfaces', () => interfaceContract(scope))
    describe('UDP', () => udpContract(scope))
    describe('TCP', () => tcpContract(scope))
  })
}

function interfaceContract(scope: Scope): void {
  test('all are listed, the preferred ones first', () => {
    const { pair } = scope
    const interfaces = pair.a.interfaces()

    expect(interfaces.map(({ name }) => name)).toContain(pair.interfaceOfA)
    expect(interfaces.some(({ kind }) => kind === 'loopback')).toBe(true)
    expect(interfaces.map(({ rank }) => rank)).toEqual(interfaces.map(({ rank }) => rank).sort((x, y) => x - y))
  })

  test('the addresses of an interface are those at which the host is reached', () => {
    const { pair } = scope
    const own = pair.a.interfaces().find(({ name }) => name === pair.interfaceOfA)!

    expect(own.isUp).toBe(true)
    for (const family of pair.families) {
      const [withoutZone] = family.a.split('%')
      const found = own.addresses.find(({ address }) => address === withoutZone)
      expect(found?.family).toBe(family.wildcard === '::' ? 'ipv6' : 'ipv4')
      expect(found?.prefixLength).toBeGreaterThan(0)
    }
  })

  test('gateways are addresses, each behind an interface that is there', () => {
    const { pair } = scope
    const names = pair.a.interfaces().map(({ name }) => name)

    for (const { address, family, interface: name } of pair.a.gateways()) {
      expect(names).toContain(name)
      expect(address.includes(':') ? 'ipv6' : 'ipv4').toBe(family)
    }
  })

  test('watching can be stopped, more than once', () => {
    const stop = scope.pair.a.watchInterfaces(() => {})

    stop()
    stop()
  })

  test('an address resolves to itself', async () => {
    const { pair } = scope

    expect(await pair.until(pair.a.lookup(pair.families[0]!.b))).toEqual([pair.families[0]!.b])
  })

  test('a name that nobody has rejects with unreachable', async () => {
    const { pair } = scope

    await expectCode(pair.until(pair.a.lookup('nobody.invalid')), 'unreachable')
  })
}

function udpContract(scope: Scope): void {
  test('a datagram arrives whole, with the address and port of its sender', async () => {
    for (const { a, b, wildcard } of scope.pair.families) {
      const sender = await scope.udp('a', { address: wildcard, port: 0, sharePort: false })
      const receiver = await scope.udp('b', { address: wildcard, port: 0, sharePort: false })

      sender.socket.send(text('hello'), { address: b, port: receiver.socket.local.port })
      await scope.until(receiver, ({ datagrams }) => datagrams.length === 1)

      expect(receiver.texts).toEqual(['hello'])
      expect(receiver.datagrams[0]!.remote).toEqual({ address: a, port: sender.socket.local.port })
    }
  })

  test('the address of the sender is where an answer goes', async () => {
    for (const { b, wildcard } of scope.pair.families) {
      const asker = await scope.udp('a', { address: wildcard, port: 0, sharePort: false })
      const answerer = await scope.udp('b', { address: wildcard, port: 0, sharePort: false })

      asker.socket.send(text('question'), { address: b, port: answerer.socket.local.port })
      await scope.until(answerer, ({ datagrams }) => datagrams.length === 1)
      answerer.socket.send(text('answer'), answerer.datagrams[0]!.remote)
      await scope.until(asker, ({ datagrams }) => datagrams.length === 1)

      expect(asker.texts).toEqual(['answer'])
    }
  })

  test('empty and large datagrams keep their length', async () => {
    const { b } = scope.pair.families[0]!
    const sender = await scope.udp('a', { address: '0.0.0.0', port: 0, sharePort: false })
    const receiver = await scope.udp('b', { address: '0.0.0.0', port: 0, sharePort: false })
    const sizes = [0, 1, 1_200, 65_507]

    for (const size of sizes) {
      sender.socket.send(pattern(size), { address: b, port: receiver.socket.local.port })
      await scope.until(receiver, ({ datagrams }) => datagrams.length > sizes.indexOf(size))
    }

    expect(receiver.datagrams.map(({ bytes }) => bytes.length)).toEqual(sizes)
    expect(sameBytes(receiver.datagrams[3]!.bytes, pattern(65_507))).toBe(true)
  })

  test('who sends more than the system takes is told, and when it takes more', async () => {
    const { b } = scope.pair.families[0]!
    const sender = await scope.udp('a', { address: '0.0.0.0', port: 0, sharePort: false })
    const receiver = await scope.udp('b', { address: '0.0.0.0', port: 0, sharePort: false })
    const remote = { address: b, port: receiver.socket.local.port }

    for (let round = 0; round < 3; round++) {
      const before = sender.drains
      let takesMore = true
      for (let i = 0; i < 200 && takesMore; i++) takesMore = sender.socket.send(pattern(8), remote)
      if (!takesMore) await scope.until(sender, ({ drains }) => drains === before + 1)
      expect(sender.drains).toBe(before + (takesMore ? 0 : 1))
    }
    await scope.until(receiver, ({ datagrams }) => datagrams.length > 0)
    expect(sender.errors).toEqual([])
  })

  test('a datagram that is too large is reported, and the socket goes on', async () => {
    const { b } = scope.pair.families[0]!
    const sender = await scope.udp('a', { address: '0.0.0.0', port: 0, sharePort: false })
    const receiver = await scope.udp('b', { address: '0.0.0.0', port: 0, sharePort: false })
    const remote = { address: b, port: receiver.socket.local.port }

    sender.socket.send(pattern(65_508), remote)
    await scope.until(sender, ({ errors }) => errors.length === 1)
    sender.socket.send(text('small'), remote)
    await scope.until(receiver, ({ datagrams }) => datagrams.length === 1)

    expect(sender.errors.map(({ code }) => code)).toEqual(['too-large'])
    expect(receiver.texts).toEqual(['small'])
  })

  test('what nobody listens for is lost in silence', async () => {
    const { b } = scope.pair.families[0]!
    const sender = await scope.udp('a', { address: '0.0.0.0', port: 0, sharePort: false })
    const gone = await scope.udp('b', { address: '0.0.0.0', port: 0, sharePort: false })
    gone.socket.close()
    await scope.until(gone, ({ closes }) => closes === 1)

    sender.socket.send(text('anybody?'), { address: b, port: gone.socket.local.port })
    await scope.pair.settle()

    expect(sender.errors).toEqual([])
    expect(gone.datagrams).toEqual([])
  })

  test('close is told once, is idempotent, and nothing follows', async () => {
    const { b } = scope.pair.families[0]!
    const sender = await scope.udp('a', { address: '0.0.0.0', port: 0, sharePort: false })
    const receiver = await scope.udp('b', { address: '0.0.0.0', port: 0, sharePort: false })

    sender.socket.send(text('late'), { address: b, port: receiver.socket.local.port })
    receiver.socket.close()
    receiver.socket.close()
    receiver.socket.send(text('never'), { address: b, port: 9 })
    await scope.until(receiver, ({ closes }) => closes === 1)
    await scope.pair.settle()

    expect(receiver.closes).toBe(1)
    expect(receiver.datagrams).toEqual([])
    expect(receiver.errors).toEqual([])
  })

  test('a port that is in use rejects with address-in-use', async () => {
    const first = await scope.udp('a', { address: '0.0.0.0', port: 0, sharePort: false })

    await expectCode(
      scope.udp('a', { address: '0.0.0.0', port: first.socket.local.port, sharePort: false }),
      'address-in-use',
    )
  })

  test('a multicast datagram reaches every member of the group, also those on one port of one host', async () => {
    for (const { wildcard, group } of scope.multicastFamilies) {
      const first = await scope.member('b', wildcard, group)
      const second = await scope.member('b', wildcard, group, first.socket.local.port)
      const sender = await scope.member('a', wildcard, group, first.socket.local.port)

      sender.socket.send(text('everybody'), { address: group, port: first.socket.local.port })
      await scope.until(first, ({ datagrams }) => datagrams.length === 1)
      await scope.until(second, ({ datagrams }) => datagrams.length === 1)
      // The sender is a member like any other.
      await scope.until(sender, ({ datagrams }) => datagrams.length === 1)
      await scope.pair.settle()

      expect([first.texts, second.texts, sender.texts]).toEqual([['everybody'], ['everybody'], ['everybody']])
    }
  })

  test('the sender of a multicast datagram is an address of its interface', async () => {
    for (const { wildcard, group, a } of scope.multicastFamilies) {
      const receiver = await scope.member('b', wildcard, group)
      const sender = await scope.member('a', wildcard, group, receiver.socket.local.port)

      sender.socket.send(text('who?'), { address: group, port: receiver.socket.local.port })
      await scope.until(receiver, ({ datagrams }) => datagrams.length === 1)

      expect(receiver.datagrams[0]!.remote.port).toBe(sender.socket.local.port)
      expect(familyOf(receiver.datagrams[0]!.remote.address)).toBe(familyOf(a))
      if (wildcard === '0.0.0.0') expect(receiver.datagrams[0]!.remote.address).toBe(a)
    }
  })

  test('a group that nobody has joined is not heard', async () => {
    for (const { wildcard, group } of scope.multicastFamilies) {
      const receiver = await scope.udp('b', {
        address: wildcard,
        port: 0,
        sharePort: true,
        multicastInterface: scope.pair.interfaceOfB,
      })
      const sender = await scope.udp('a', {
        address: wildcard,
        port: 0,
        sharePort: true,
        multicastInterface: scope.pair.interfaceOfA,
      })

      sender.socket.send(text('nobody'), { address: group, port: receiver.socket.local.port })
      await scope.pair.settle()

      expect(receiver.datagrams).toEqual([])
    }
  })

  test('joining a group twice is like joining once', async () => {
    for (const { wildcard, group } of scope.multicastFamilies) {
      const member = await scope.member('a', wildcard, group)
      member.socket.joinGroup(group)

      member.socket.send(text('once'), { address: group, port: member.socket.local.port })
      await scope.until(member, ({ datagrams }) => datagrams.length === 1)
      await scope.pair.settle()

      expect(member.texts).toEqual(['once'])
    }
  })

  test('a broadcast datagram reaches every socket on its port, with the address of its sender', async () => {
    const { a, broadcast } = scope.broadcastPair
    if (broadcast === undefined) return
    const first = await scope.udp('b', { address: '0.0.0.0', port: 0, sharePort: true })
    const { port } = first.socket.local
    const second = await scope.udp('b', { address: '0.0.0.0', port, sharePort: true })
    const sender = await scope.udp('a', { address: a, port: 0, sharePort: false, broadcast: true })

    sender.socket.send(text('everybody'), { address: broadcast, port })
    await scope.until(first, ({ datagrams }) => datagrams.length === 1)
    await scope.until(second, ({ datagrams }) => datagrams.length === 1)

    expect([first.texts, second.texts]).toEqual([['everybody'], ['everybody']])
    expect(first.datagrams[0]!.remote).toEqual({ address: a, port: sender.socket.local.port })
  })

  test('a broadcast from a socket that may not send any is reported', async () => {
    const { a, broadcast } = scope.broadcastPair
    if (broadcast === undefined) return
    const sender = await scope.udp('a', { address: a, port: 0, sharePort: false })

    sender.socket.send(text('everybody'), { address: broadcast, port: 9 })
    await scope.until(sender, ({ errors }) => errors.length === 1)

    expect(sender.errors.map(({ code }) => code)).toEqual(['permission-denied'])
  })

  test('multicast on an interface that is not there rejects with no-network', async () => {
    await expectCode(
      scope.udp('a', { address: '0.0.0.0', port: 0, sharePort: true, multicastInterface: 'gone0' }),
      'no-network',
    )
  })
}

function tcpContract(scope: Scope): void {
  test('both sides see the addresses of the connection', async () => {
    for (const family of scope.pair.families) {
      const { near, far } = await scope.connect(family)

      expect(near.connection.remote).toEqual(far.connection.local)
      expect(far.connection.remote).toEqual(near.connection.local)
      expect(near.connection.remote.address).toBe(family.b)
      expect(far.connection.remote.address).toBe(family.a)
    }
  })

  test('a listener on :: is reached by IPv4 too, and sees IPv4 addresses', async () => {
    const { a, b } = scope.pair.families[0]!
    const { near, far } = await scope.connect({ wildcard: '::', a, b })

    expect(near.connection.remote.address).toBe(b)
    expect(far.connection.remote.address).toBe(a)
  })

  test('bytes arrive in order, in both directions', async () => {
    const { near, far } = await scope.connect()

    for (const word of ['one ', 'two ', 'three']) near.connection.write(text(word))
    far.connection.write(text('back'))
    await scope.until(far, ({ receivedBytes }) => receivedBytes === 13)
    await scope.until(near, ({ receivedBytes }) => receivedBytes === 4)

    expect(far.text).toBe('one two three')
    expect(near.text).toBe('back')
  })

  test('what is sent in the turn of the connect arrives', async () => {
    const { pair } = scope
    const { listener, accepted } = await scope.listen('b', { host: '0.0.0.0', port: 0 })
    const dialled = pair.a.connectTcp(scope.at(listener), { timeoutMs: 5_000 }).then(connection => {
      new TcpRecorder(connection)
      connection.write(text('first'))
      connection.end()
    })
    await pair.until(dialled)

    const far = await pair.until(accepted())
    await scope.until(far, ({ ends }) => ends === 1)

    expect(far.text).toBe('first')
  })

  test('where nobody listens, connect rejects with unreachable and says so', async () => {
    const { pair } = scope
    const { listener } = await scope.listen('b', { host: '0.0.0.0', port: 0 })
    await pair.until(listener.close())

    const error = await expectCode(
      pair.until(pair.a.connectTcp(scope.at(listener), { timeoutMs: 5_000 })),
      'unreachable',
    )

    expect(error.message).toContain(`${scope.pair.families[0]!.b}:${listener.local.port}`)
    expect(error.hint).toBeTruthy()
  })

  test('where nobody answers, connect rejects with timeout', async () => {
    const { pair } = scope

    await expectCode(pair.until(pair.a.connectTcp(pair.silent, { timeoutMs: 50 })), 'timeout')
  })

  test('an aborted connect rejects with the reason, before it began or while it waits', async () => {
    const { pair } = scope
    const reason = new Error('changed my mind')
    const controller = new AbortController()

    await expect(
      pair.until(pair.a.connectTcp(pair.silent, { timeoutMs: 60_000, signal: AbortSignal.abort(reason) })),
    ).rejects.toBe(reason)
    const waiting = pair.a.connectTcp(pair.silent, { timeoutMs: 60_000, signal: controller.signal })
    controller.abort(reason)
    await expect(pair.until(waiting)).rejects.toBe(reason)
  })

  test('aborting after the connect changes nothing', async () => {
    const controller = new AbortController()
    const { near, far } = await scope.connect(scope.pair.families[0]!, controller.signal)

    controller.abort()
    near.connection.write(text('still here'))
    await scope.until(far, ({ receivedBytes }) => receivedBytes === 10)

    expect(near.closes).toEqual([])
  })

  test('a chosen port serves several connections to different remotes, and then a listener', async () => {
    const { pair } = scope
    const localPort = 20_000 + (process.pid % 10_000)
    for (let i = 0; i < 2; i++) {
      const { listener, accepted } = await scope.listen('b', { host: '0.0.0.0', port: 0 })
      const near = await scope.dial(scope.at(listener), { localPort })
      expect(near.connection.local.port).toBe(localPort)
      expect((await pair.until(accepted())).connection.remote.port).toBe(localPort)
    }
    const { listener } = await scope.listen('b', { host: '0.0.0.0', port: 0 })

    await scope.listen('a', { host: '0.0.0.0', port: localPort })

    await expectCode(
      pair.until(pair.a.connectTcp(scope.at(listener), { timeoutMs: 5_000, localPort })),
      'address-in-use',
    )
  })

  test('a connection leaves from the address that was chosen, if the machine has it', async () => {
    const { pair } = scope
    const { a } = pair.families[0]!
    const { listener } = await scope.listen('b', { host: '0.0.0.0', port: 0 })

    const near = await scope.dial(scope.at(listener), { localAddress: a })
    expect(near.connection.local.address).toBe(a)
    await expectCode(
      pair.until(pair.a.connectTcp(scope.at(listener), { timeoutMs: 5_000, localAddress: '192.0.2.1' })),
      'no-network',
    )
  })

  test('after end the other direction goes on, until it ends too', async () => {
    const { near, far } = await scope.connect()

    near.connection.write(text('question'))
    near.connection.end()
    await scope.until(far, ({ ends }) => ends === 1)
    far.connection.write(text('answer'))
    far.connection.end()
    await scope.until(near, ({ closes }) => closes.length === 1)
    await scope.until(far, ({ closes }) => closes.length === 1)

    expect([far.text, near.text]).toEqual(['question', 'answer'])
    expect([far.ends, near.ends]).toEqual([1, 1])
    expect([far.closes, near.closes]).toEqual([[undefined], [undefined]])
  })

  test('destroy is told to the other side, and to the own one without an error', async () => {
    const { near, far } = await scope.connect()

    near.connection.destroy()
    near.connection.destroy()
    await scope.until(near, ({ closes }) => closes.length === 1)
    await scope.until(far, ({ ends, closes }) => ends + closes.length > 0)
    // Whether by FIN or by RST: whoever goes on writing learns that nobody reads.
    far.connection.write(text('hello?'))
    await scope.pair.settle()
    far.connection.write(text('hello?'))
    await scope.until(far, ({ closes }) => closes.length === 1)
    await scope.pair.settle()

    expect(near.closes).toEqual([undefined])
    expect(far.closes.map(error => error?.code)).toEqual(['lost'])
  })

  test('reset is told to the other side as a loss, and to the own one without an error', async () => {
    const { near, far } = await scope.connect()

    near.connection.reset()
    near.connection.reset()
    near.connection.destroy()
    near.connection.write(text('too late'))
    await scope.until(near, ({ closes }) => closes.length === 1)
    // Without a word from this side: FIN would be told as an end, and nothing more.
    await scope.until(far, ({ closes }) => closes.length === 1)

    expect(near.closes).toEqual([undefined])
    expect([far.ends, far.receivedBytes]).toEqual([0, 0])
    expect(far.closes.map(error => error?.code)).toEqual(['lost'])
  })

  test('what has arrived before a reset was received', async () => {
    const { near, far } = await scope.connect()
    near.connection.write(text('last words'))
    await scope.until(far, ({ receivedBytes }) => receivedBytes === 10)

    near.connection.reset()
    await scope.until(far, ({ closes }) => closes.length === 1)

    expect(far.text).toBe('last words')
  })

  test('nothing comes after destroy, not even what has already arrived', async () => {
    const { near, far } = await scope.connect()
    near.connection.pause()
    far.connection.write(text('unread'))
    await scope.pair.settle()

    near.connection.destroy()
    near.connection.resume()
    await scope.until(near, ({ closes }) => closes.length === 1)

    expect(near.receivedBytes).toBe(0)
    expect(near.ends).toBe(0)
  })

  test('writing after end and after destroy is harmless', async () => {
    const { near, far } = await scope.connect()

    near.connection.write(text('last'))
    near.connection.end()
    near.connection.write(text('too late'))
    await scope.until(far, ({ ends }) => ends === 1)
    far.connection.destroy()
    far.connection.write(text('too late'))
    far.connection.end()
    far.connection.pause()
    far.connection.resume()
    await scope.until(far, ({ closes }) => closes.length === 1)

    expect(far.text).toBe('last')
    expect(far.closes).toEqual([undefined])
  })

  test('a receiver that pauses stops the sender, and loses nothing', async () => {
    const { near, far } = await scope.connect()
    const chunk = pattern(65_536)
    far.connection.pause()

    let written = 0
    // The system's buffers fill too: a full send buffer may empty some times before it all stands still.
    for (let isMoving = true; isMoving && written < 1_000; ) {
      const { drains } = near
      do written++
      while (near.connection.write(chunk) && written < 1_000)
      await scope.pair.settle()
      isMoving = near.drains > drains
    }
    expect(written).toBeLessThan(1_000)
    const { drains } = near

    far.connection.resume()
    await scope.until(far, ({ receivedBytes }) => receivedBytes === written * chunk.length)
    await scope.until(near, recorder => recorder.drains === drains + 1)

    expect(near.closes).toEqual([])
  })

  test('four megabytes arrive whole, at the pace of the receiver', async () => {
    const { near, far } = await scope.connect()
    const sent = pattern(4 * 1024 * 1024)
    let offset = 0
    while (offset < sent.length) {
      const drains = near.drains
      const chunk = sent.subarray(offset, offset + 60_000)
      offset += chunk.length
      if (!near.connection.write(chunk)) await scope.until(near, recorder => recorder.drains > drains)
    }
    near.connection.end()
    await scope.until(far, ({ ends }) => ends === 1)

    expect(sameBytes(far.received, sent)).toBe(true)
  })

  test('a closed listener refuses new connections and leaves the old ones alone', async () => {
    const { pair } = scope
    const { listener, accepted } = await scope.listen('b', { host: '0.0.0.0', port: 0 })
    const near = await scope.dial(scope.at(listener))
    const far = await pair.until(accepted())

    await pair.until(listener.close())
    await pair.until(listener.close())
    await expectCode(pair.until(pair.a.connectTcp(scope.at(listener), { timeoutMs: 5_000 })), 'unreachable')
    near.connection.write(text('alive'))
    await scope.until(far, ({ receivedBytes }) => receivedBytes === 5)
    const again = await scope.listen('b', { host: '0.0.0.0', port: listener.local.port })

    expect(again.listener.local.port).toBe(listener.local.port)
  })

  test('a port that is in use rejects with address-in-use', async () => {
    const { listener } = await scope.listen('b', { host: '0.0.0.0', port: 0 })

    await expectCode(scope.listen('b', { host: '0.0.0.0', port: listener.local.port }), 'address-in-use')
  })
}

type Side = 'a' | 'b'

/** The pair of one test, and everything the test has opened on it. */
class Scope {
  #pair: NetworkPair | undefined
  readonly #disposers: (() => unknown)[] = []

  get pair(): NetworkPair {
    return this.#pair!
  }

  set pair(pair: NetworkPair) {
    this.#pair = pair
  }

  get multicastFamilies(): readonly (FamilyAddresses & { readonly group: string })[] {
    return this.pair.families.flatMap(family =>
      family.group === undefined ? [] : [{ ...family, group: family.group }],
    )
  }

  get broadcastPair(): { readonly a: string; readonly broadcast: string | undefined } {
    return { a: this.pair.families[0]!.a, broadcast: this.pair.broadcast }
  }

  defer(dispose: () => unknown): void {
    this.#disposers.push(dispose)
  }

  async close(): Promise<void> {
    for (const dispose of this.#disposers.splice(0).reverse()) dispose()
    await this.pair.settle()
    await this.pair.close()
  }

  async until<T extends Recorder>(recorder: T, condition: (recorder: T) => boolean): Promise<void> {
    await this.pair.until(recorder.until(() => condition(recorder)))
  }

  async udp(side: Side, options: UdpOptions): Promise<UdpRecorder & { readonly socket: UdpSocket }> {
    const recorder = new UdpRecorder()
    const socket = await this.pair.until(this.pair[side].openUdp(options, recorder))
    this.defer(() => socket.close())
    return Object.assign(recorder, { socket })
  }

  async member(
    side: Side,
    address: string,
    group: string,
    port = 0,
  ): Promise<UdpRecorder & { readonly socket: UdpSocket }> {
    const multicastInterface = side === 'a' ? this.pair.interfaceOfA : this.pair.interfaceOfB
    const member = await this.udp(side, { address, port, sharePort: true, multicastInterface, multicastTtl: 255 })
    member.socket.joinGroup(group)
    return member
  }

  async listen(
    side: Side,
    options: { host: string; port: number },
  ): Promise<{ listener: TcpListener; accepted: () => Promise<TcpRecorder> }> {
    const recorders: TcpRecorder[] = []
    let notify = () => {}
    const listener = await this.pair.until(
      this.pair[side].listenTcp(options, connection => {
        this.defer(() => connection.destroy())
        recorders.push(new TcpRecorder(connection))
        notify()
      }),
    )
    this.defer(() => listener.close())
    const accepted = () =>
      new Promise<TcpRecorder>(resolve => {
        notify = () => recorders[0] && resolve(recorders[0])
        notify()
      })
    return { listener, accepted }
  }

  /** Where `a` reaches a listener of `b`. */
  at(listener: TcpListener): SocketAddress {
    return { address: this.pair.families[0]!.b, port: listener.local.port }
  }

  async dial(remote: SocketAddress, options: Partial<TcpConnectOptions> = {}): Promise<TcpRecorder> {
    const connected = this.pair.a
      .connectTcp(remote, { timeoutMs: 5_000, ...options })
      .then(connection => new TcpRecorder(connection))
    const recorder = await this.pair.until(connected)
    this.defer(() => recorder.connection.destroy())
    return recorder
  }

  /** A connection from `a` to `b`. */
  async connect(
    { wildcard, b }: Omit<FamilyAddresses, 'group'> = this.pair.families[0]!,
    signal?: AbortSignal,
  ): Promise<{ near: TcpRecorder; far: TcpRecorder }> {
    const { listener, accepted } = await this.listen('b', { host: wildcard, port: 0 })
    const near = await this.dial({ address: b, port: listener.local.port }, signal ? { signal } : {})
    return { near, far: await this.pair.until(accepted()) }
  }
}

async function expectCode(promise: Promise<unknown>, code: ErrorCode): Promise<EarshotError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(EarshotError)
  expect((error as EarshotError).code).toBe(code)
  return error as EarshotError
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

/** Bytes that differ from place to place, so that a lost or swapped chunk shows. */
function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >>> 8) * 17 + (at >>> 16)) & 0xff)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
