/**
 * A node among the devices of pythonConnect: they find each other by multicast, connect by themselves, send each other
 * texts and ask each other questions. Nothing is encrypted there, and a name is whatever somebody says.
 *
 *     adverts ─► heard nodes ─ dials ─┐
 *     listener ─ connections ─────────┴─► links ─► peers, messages, questions
 */

import { type Disposer, Emitter, type OnceOptions } from '../../emitter.ts'
import { EarshotError } from '../../errors.ts'
import { defaultInterfaces } from '../../platform/interface-choice.ts'
import type { TcpListener } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { AdvertSchedule } from './advert-schedule.ts'
import { Adverts } from './adverts.ts'
import { AskedQuestions } from './asked-questions.ts'
import { checkEventType, type PythonConnectEvents, type PythonConnectPeer } from './events.ts'
import type { Frame } from './frame.ts'
import { HeardNodes } from './heard-nodes.ts'
import type { Link } from './link.ts'
import { Links } from './links.ts'
import { MessageBacklog } from './message-backlog.ts'
import { parseNodeAddress } from './node-address.ts'
import {
  checkMilliseconds,
  checkNodeOptions,
  checkSignal,
  type NodeOptions,
  type PythonConnectAskOptions,
  type PythonConnectConnectOptions,
  type PythonConnectOptions,
  type PythonConnectSendOptions,
} from './options.ts'
import { encodeQuestion, encodeText } from './outgoing-text.ts'
import { type AnswerFunction, ReceivedQuestions } from './received-questions.ts'
import { writeFrame } from './write-frame.ts'

const DEFAULT_ASK_TIMEOUT_MS = 2_000
const DEFAULT_CONNECT_TIMEOUT_MS = 5_000
/** Two adverts and a bit: a device that was silent for longer is asked for a sign of life. */
const SILENT_MS = 65_000
/** Five, and what was sent to it meanwhile may be lost. */
const LOST_MS = 155_000

export class PythonConnectNode implements AsyncDisposable {
  /** What the others know this node by. */
  readonly name: string
  /** Resolves when the node has left, with the reason; never rejects. */
  readonly closed: Promise<unknown>
  readonly #platform: Platform
  readonly #options: NodeOptions
  readonly #emitter: Emitter<PythonConnectEvents>
  readonly #links: Links
  readonly #heard: HeardNodes
  readonly #adverts: Adverts
  readonly #schedule: AdvertSchedule
  readonly #asked: AskedQuestions
  readonly #received: ReceivedQuestions
  readonly #peers = new Map<string, PythonConnectPeer>()
  readonly #messages: MessageBacklog
  readonly #clashes = new Set<string>()
  /** Names and addresses that were heard while this node was still introducing itself. */
  readonly #early = new Map<string, string>()
  readonly #ending = new AbortController()
  readonly #onAbort = (): void => void this.#leave(this.#options.signal?.reason, 'at once')
  #listener: TcpListener | undefined
  #leaving: Promise<void> | undefined
  #resolveClosed!: (reason: unknown) => void

  /** @internal Resolves when the node is listening and has advertised itself. */
  static async open(platform: Platform, options: PythonConnectOptions): Promise<PythonConnectNode> {
    const checked = checkNodeOptions(options, platform)
    checked.signal?.throwIfAborted()
    const node = new PythonConnectNode(platform, checked)
    try {
      await node.#start()
    } catch (error) {
      await node.#leave(error, 'at once')
      throw error
    }
    return node
  }

  private constructor(platform: Platform, options: NodeOptions) {
    const { clock, network, random } = platform
    const { name: ownName, multicast: group, paceMs, interfaces } = options
    this.name = ownName
    this.#platform = platform
    this.#options = options
    this.closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    const onWarning = (error: EarshotError) => this.#warn(error)
    this.#emitter = new Emitter<PythonConnectEvents>(clock, type => this.#replay(type))
    this.#messages = new MessageBacklog({ emit: message => this.#emitter.emit('message', message), onWarning })
    this.#asked = new AskedQuestions(clock, random)
    this.#received = new ReceivedQuestions({ onWarning })
    this.#links = new Links({
      clock,
      network,
      ownName,
      paceMs,
      onOpen: link => this.#onOpen(link),
      onFrame: (link, frame) => this.#onFrame(link, frame),
      onEnd: (link, error) => this.#onEnd(link, error),
      onWarning,
    })
    this.#heard = new HeardNodes({
      clock,
      ownName,
      isLinked: name => this.#links.get(name) !== undefined,
      dial: address => this.#dialInBackground(address),
    })
    this.#schedule = new AdvertSchedule({
      clock,
      send: kind => this.#adverts.send(kind),
      onStarted: () => this.#hearEarlyAdverts(),
      onTick: () => this.#lookForSilence(),
    })
    this.#adverts = new Adverts({
      clock,
      network,
      group,
      ownName,
      chooseInterfaces: all => defaultInterfaces(all, interfaces),
      onAdvert: (name, address) => this.#onAdvert(name, address),
      onOpened: () => this.#schedule.start(),
      onWarning,
    })
  }

  // Who is here -------------------------------------------------------------------------------------------------------

  /** The connected nodes, now. */
  get peers(): PythonConnectPeer[] {
    return [...this.#peers.values()]
  }

  peer(name: string): PythonConnectPeer | undefined {
    return this.#peers.get(name)
  }

  // What happens ------------------------------------------------------------------------------------------------------

  /**
   * Calls `listener` for every event of this type, until what is returned is called or disposed. Late listeners miss
   * nothing: `peer` begins with those present, `message` with the messages that waited.
   */
  on<K extends keyof PythonConnectEvents>(type: K, listener: (event: PythonConnectEvents[K]) => void): Disposer {
    checkEventType(type)
    if (typeof listener !== 'function') throw new TypeError(`on takes a function, not ${String(listener)}`)
    const disposer = this.#emitter.on(type, listener)
    if (type === 'message') this.#messages.onListening()
    return disposer
  }

  /** The next event of this type; for `peer` a node that is present. Rejects with `timeout`, `signal.reason` or `closed`. */
  async once<K extends keyof PythonConnectEvents>(type: K, options: OnceOptions = {}): Promise<PythonConnectEvents[K]> {
    checkEventType(type)
    if (options.timeoutMs !== undefined) checkMilliseconds('timeoutMs', options.timeoutMs)
    checkSignal(options.signal)
    const event = this.#emitter.once(type, options)
    if (type === 'message') this.#messages.onListening()
    return event
  }

  // Talking -----------------------------------------------------------------------------------------------------------

  /**
   * Sends a text. Resolves when it has left for all of them; whether anybody reads it is not told here. Rejects with
   * `unknown-peer` (and sends nothing), `too-large`, `invalid-data`, `limit-reached`, `closed`, or `signal.reason`.
   */
  async send(text: string, { to, signal }: PythonConnectSendOptions = {}): Promise<void> {
    checkSignal(signal)?.throwIfAborted()
    const links = to === undefined ? this.#everybody() : this.#named(to)
    const bytes = encodeText({ kind: 'message', text })
    const sent = links.map(link => writeFrame(link, bytes, signal))
    // Who leaves while everybody is being sent to does not spoil it for the others: `peer-gone` tells of it.
    const all = to === undefined ? sent.map((each, i) => each.catch(error => ignoreGone(error, links[i]!))) : sent
    await Promise.all(all)
  }

  /**
   * Asks one node or several, and resolves with their answers by name: `null` for those that did not answer in time or are
   * not here. Rejects with `too-large`, `invalid-data`, `limit-reached`, `closed`, or `signal.reason`.
   */
  async ask(
    to: string | readonly string[],
    question: string,
    { timeoutMs = DEFAULT_ASK_TIMEOUT_MS, signal }: PythonConnectAskOptions = {},
  ): Promise<Map<string, string | null>> {
    checkMilliseconds('timeoutMs', timeoutMs)
    checkSignal(signal)?.throwIfAborted()
    this.#checkOpen()
    const names = namesOf(to)
    const { id, bytes } = encodeQuestion(question, this.#asked.freeIds())
    const answers = new Map<string, string | null>(names.map(name => [name, null]))
    const links = names.flatMap(name => this.#links.get(name) ?? [])
    if (links.length === 0) return answers
    const present = links.map(({ name }) => name)
    const waiting = this.#asked.wait(id, present, { timeoutMs, signal }, missing => {
      for (const link of links) if (missing.has(link.name)) link.onGivenUp(id)
    })
    try {
      for (const link of links) link.send({ bytes, questionId: id })
    } catch (error) {
      this.#asked.fail(id, error)
    }
    for (const [name, answer] of await waiting) answers.set(name, answer)
    return answers
  }

  /**
   * Answers the questions of all nodes: `fn` returns a text or a promise of it, `undefined` for no answer. Where it throws,
   * or returns what cannot be sent, the asker gets no answer and a `warning` tells. The returned function takes it back.
   */
  answer(fn: AnswerFunction): Disposer {
    return this.#received.setAnswer(fn)
  }

  // Coming and going --------------------------------------------------------------------------------------------------

  /**
   * Connects to a node at a known address, `'ip'` or `'ip:port'`, where adverts do not reach. Resolves with the node that
   * is there. Rejects with `unreachable`, `timeout`, `closed`, `refused` (somebody else has its name) or `signal.reason`.
   */
  async connect(
    address: string,
    { timeoutMs = DEFAULT_CONNECT_TIMEOUT_MS, signal }: PythonConnectConnectOptions = {},
  ): Promise<PythonConnectPeer> {
    this.#checkOpen()
    checkMilliseconds('timeoutMs', timeoutMs)
    checkSignal(signal)
    const remote = parseNodeAddress(address, this.#options.port)
    const ends = signal ? AbortSignal.any([signal, this.#ending.signal]) : this.#ending.signal
    const link = await this.#links.dial(remote, { timeoutMs, signal: ends })
    return this.#peers.get(link.name)!
  }

  /** Leaves: what waits is sent, goodbyes are said, every resource is freed. Idempotent. */
  close(): Promise<void> {
    return this.#leave(undefined, 'politely')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #start(): Promise<void> {
    const { listen, discovery, signal } = this.#options
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    // First: who hears the adverts dials at once, and the real program does so only once.
    if (listen) this.#listener = await this.#platform.network.listenTcp(listen, tcp => this.#links.accept(tcp))
    if (discovery && !this.#leaving) await this.#adverts.start()
    signal?.throwIfAborted()
  }

  #leave(reason: unknown, how: 'politely' | 'at once'): Promise<void> {
    this.#leaving ??= this.#close(reason ?? leftError(), how)
    if (how === 'at once') this.#links.destroy()
    return this.#leaving
  }

  async #close(reason: unknown, how: 'politely' | 'at once'): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#schedule.close()
    this.#heard.close()
    this.#ending.abort(reason)
    this.#asked.close(reason)
    this.#received.close()
    if (how === 'politely') await this.#links.close()
    await this.#listener?.close()
    await this.#adverts.close()
    this.#schedule.close()
    this.#emitter.close(reason)
    this.#resolveClosed(reason)
  }

  #checkOpen(): void {
    if (this.#leaving) throw leftError()
  }

  // Adverts and links -------------------------------------------------------------------------------------------------

  #onAdvert(name: string, address: string): void {
    if (this.#leaving) return
    if (name === this.name) this.#onClash(address)
    else if (this.#schedule.isStarting) this.#early.set(name, address)
    else if (this.#heard.add(name, address) && !this.#links.get(name)) this.#schedule.answer()
  }

  #hearEarlyAdverts(): void {
    for (const [name, address] of this.#early) this.#onAdvert(name, address)
    this.#early.clear()
  }

  #onClash(address: string): void {
    if (this.#clashes.has(address) || this.#clashes.size > 16) return
    this.#clashes.add(address)
    this.#warn(
      new EarshotError('name-taken', `${address} calls itself '${this.name}', as this node does`, {
        hint: 'The two cannot see each other, and others see only one of them: give each a name of its own.',
      }),
    )
  }

  /** Nobody is told why it failed: there may be another try, and the next advert. */
  async #dialInBackground(address: string): Promise<void> {
    const limits = { timeoutMs: DEFAULT_CONNECT_TIMEOUT_MS, signal: this.#ending.signal }
    try {
      await this.#links.dial({ address, port: this.#options.port }, limits)
    } catch (error) {
      if (!(error instanceof EarshotError) && !this.#ending.signal.aborted) throw error
    }
  }

  #onOpen(link: Link): void {
    const peer: PythonConnectPeer = Object.freeze({ name: link.name, address: link.remote.address })
    this.#peers.set(link.name, peer)
    this.#emit('peer', peer)
  }

  #onEnd({ name }: Link, error: EarshotError | undefined): void {
    const peer = this.#peers.get(name)
    this.#peers.delete(name)
    // Its next advert leads to a new connection, as with the real program.
    this.#heard.forget(name)
    this.#asked.onGone(name)
    if (!peer) return
    this.#received.onGone(peer)
    const code = error === undefined ? 'closed' : error.code === 'lost' ? 'lost' : 'protocol-violation'
    this.#emit('peer-gone', { peer, code })
  }

  /** The real program may leave without a word, and then hangs up at the next frame. */
  #lookForSilence(): void {
    const now = this.#platform.clock.now()
    for (const link of [...this.#links.open]) {
      const advertAt = this.#heard.heardAt(link.name)
      const heardAt = Math.max(link.heardAt, advertAt ?? Number.NEGATIVE_INFINITY)
      const isLost = advertAt !== undefined && now - heardAt > LOST_MS && link.usedAt > heardAt
      if (isLost) link.destroy(new EarshotError('lost', `'${link.name}' has been silent for ${LOST_MS} ms`))
      else if (now - heardAt > SILENT_MS) link.probe()
    }
  }

  // Frames ------------------------------------------------------------------------------------------------------------

  #onFrame(link: Link, frame: Frame): void {
    const from = this.#peers.get(link.name)
    if (!from || this.#leaving) return
    switch (frame.kind) {
      case 'message':
        this.#messages.onMessage({ data: frame.text, from })
        return
      case 'question':
        void this.#onQuestion(link, from, frame)
        return
      case 'answer':
        this.#asked.onAnswer(from.name, frame.id, frame.text)
        return
      case 'ping':
        this.#schedule.answer()
        return
    }
  }

  async #onQuestion(link: Link, from: PythonConnectPeer, { id, text }: { id: number; text: string }): Promise<void> {
    const answer = await this.#received.answer(from, text)
    link.onSettled(id)
    if (answer === undefined || !link.isOpen) return
    try {
      link.send({ bytes: encodeText({ kind: 'answer', id, text: answer }), isAnswer: true })
    } catch (error) {
      this.#received.onFailed(from, error)
    }
  }

  #everybody(): Link[] {
    this.#checkOpen()
    return [...this.#links.open]
  }

  #named(to: string | readonly string[]): Link[] {
    this.#checkOpen()
    return namesOf(to).map(name => {
      const link = this.#links.get(name)
      if (link) return link
      throw new EarshotError('unknown-peer', `no device '${name}' is connected`, {
        hint: 'node.peers lists those who are.',
      })
    })
  }

  // Events ------------------------------------------------------------------------------------------------------------

  #replay<K extends keyof PythonConnectEvents>(type: K): Iterable<PythonConnectEvents[K]> {
    return (type === 'peer' ? this.peers : []) as PythonConnectEvents[K][]
  }

  #warn(error: EarshotError): void {
    this.#emit('warning', error)
  }

  /** Whoever leaves has stopped listening. */
  #emit<K extends keyof PythonConnectEvents>(type: K, event: PythonConnectEvents[K]): void {
    if (!this.#leaving) this.#emitter.emit(type, event)
  }
}

/** Each once. */
function namesOf(to: string | readonly string[]): string[] {
  const names = typeof to === 'string' ? [to] : to
  if (!Array.isArray(names) || !names.every(name => typeof name === 'string')) {
    throw new TypeError('devices are meant by a name, or an array of names')
  }
  return [...new Set<string>(names)]
}

function ignoreGone(error: unknown, link: Link): void {
  if (link.isOpen || !(error instanceof EarshotError && (error.code === 'closed' || error.code === 'lost'))) throw error
}

function leftError(): EarshotError {
  return new EarshotError('closed', 'the node has left')
}
