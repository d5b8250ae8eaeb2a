/**
 * A model of how the real program reads and behaves, with the weaknesses that docs/compat.md lists: it reads 128 bytes at
 * a time and four times at most, throws away what follows a frame, reads nothing while its handler runs, dials once, and
 * never looks whether anybody is alive. Whoever talks to it too fast finds messages missing from `log`.
 */

import type { SocketAddress, TcpConnection, TcpListener, UdpSocket } from '../../../src/platform/network.ts'
import type { Platform } from '../../../src/platform/platform.ts'

const READ_BYTES = 128
const READS = 4
const GROUP = { address: '239.255.4.3', port: 3_235 }

export interface RealProgramOptions {
  /** How long its handler of questions takes. @default 1 */
  readonly handlerMs?: number
  /** How long it hears adverts before its TCP side listens: the join race. @default 0 */
  readonly listensAfterMs?: number
  answer?(question: string): string
}

interface Remote {
  address: string | undefined
  reader: Reader | undefined
}

export class RealProgram {
  readonly name: string
  /** What its handlers were told: `from: text`, `from? question`. */
  readonly log: string[] = []
  readonly #platform: Platform
  readonly #options: RealProgramOptions
  readonly #remotes = new Map<string, Remote>()
  readonly #readers = new Set<Reader>()
  readonly #answers = new Map<number, (name: string, text: string) => void>()
  #udp: UdpSocket | undefined
  #listener: TcpListener | undefined
  #stopAdverts: (() => void) | undefined
  #isAlive = true
  #lastId = 0

  private constructor(name: string, platform: Platform, options: RealProgramOptions) {
    this.name = name
    this.#platform = platform
    this.#options = options
  }

  static async start(name: string, platform: Platform, options: RealProgramOptions): Promise<RealProgram> {
    const program = new RealProgram(name, platform, options)
    const { clock } = platform
    const listen = async (): Promise<void> => {
      const accept = (tcp: TcpConnection): void => void program.#handle(tcp)
      program.#listener = await platform.network.listenTcp({ host: '0.0.0.0', port: 4_112 }, accept)
    }
    if (options.listensAfterMs) clock.setTimer(options.listensAfterMs, () => void listen())
    else await listen()
    await program.#advertise()
    return program
  }

  isLinked(name: string): boolean {
    return this.#remotes.get(name)?.reader !== undefined
  }

  get remotes(): string[] {
    return [...this.#remotes.keys()].sort()
  }

  /** Unknown names are ignored, and so is a missing link. */
  sendMessage(text: string, ...to: readonly string[]): void {
    for (const name of to.length > 0 ? to : this.#remotes.keys()) this.#send(name, `MeSsAgE:,:${text}`)
  }

  async askDevice(question: string, to: readonly string[], timeoutMs = 2_000): Promise<Record<string, string>> {
    const id = ++this.#lastId
    const answers: Record<string, string> = Object.fromEntries(to.map(name => [name, '']))
    this.#answers.set(id, (name, text) => {
      answers[name] = text
    })
    for (const name of to) this.#send(name, `QuEsTiOn:,:${id}:,:${question}`)
    for (let waitedMs = 0; waitedMs < timeoutMs && Object.values(answers).includes(''); waitedMs += 5)
      await this.#sleep(5)
    this.#answers.delete(id)
    return answers
  }

  /** Stops the adverts and says nothing. */
  leavingNetwork(): void {
    this.#isAlive = false
    this.#stopAdverts?.()
    this.#udp?.close()
  }

  /** The process ends. */
  async close(): Promise<void> {
    this.leavingNetwork()
    await this.#listener?.close()
    for (const reader of this.#readers) reader.tcp.destroy()
  }

  async #advertise(): Promise<void> {
    const { clock, network } = this.#platform
    const eth0 = network.interfaces().find(({ kind }) => kind === 'wired')!
    const options = {
      address: '0.0.0.0',
      port: GROUP.port,
      sharePort: true,
      multicastInterface: eth0.name,
      multicastTtl: 3,
    }
    const socket = await network.openUdp(options, {
      onDatagram: (bytes, { address }) => this.#onAdvert(text(bytes), address),
      onError() {},
    })
    socket.joinGroup(GROUP.address)
    this.#udp = socket
    this.#say('hello')
    let timer = clock.setTimer(20, () => this.#say('alive'))
    const repeat = (): void => {
      timer = clock.setTimer(30_000, () => {
        this.#say('alive')
        repeat()
      })
    }
    const second = timer
    repeat()
    this.#stopAdverts = () => {
      second.cancel()
      timer.cancel()
    }
  }

  #say(kind: string): void {
    this.#udp?.send(bytes(`${kind}:,:${this.name}`), GROUP)
  }

  /** Two parts or a dead thread: here, an error that fails the test. */
  #onAdvert(advert: string, address: string): void {
    const parts = advert.split(':,:')
    if (parts.length !== 2) throw new Error(`the UDP thread of ${this.name} dies of '${advert}'`)
    const name = parts[1]!
    if (name === this.name || !this.#isAlive) return
    const known = this.#remotes.get(name)
    if (known) {
      known.address = address
      return
    }
    this.#say('alive')
    this.#remotes.set(name, { address, reader: undefined })
    if (name > this.name) void this.#dial({ address, port: 4_112 })
  }

  /** Once; a refusal is nobody's business. */
  async #dial(remote: SocketAddress): Promise<void> {
    try {
      await this.#handle(await this.#platform.network.connectTcp(remote, { timeoutMs: 120_000 }))
    } catch {}
  }

  async #handle(tcp: TcpConnection): Promise<void> {
    const reader = new Reader(tcp)
    this.#readers.add(reader)
    this.#write(reader, this.name)
    const name = await reader.frame()
    if (name === undefined) return tcp.destroy()
    const remote = this.#remotes.get(name) ?? { address: undefined, reader: undefined }
    this.#remotes.set(name, remote)
    remote.reader = reader
    while (this.#isAlive) {
      const frame = await reader.frame()
      if (frame === undefined || frame === 'quitQUITquit') break
      await this.#obey(name, frame.split(':,:'))
    }
    this.#remove(name)
  }

  async #obey(from: string, [kind, first = '', second = '']: readonly string[]): Promise<void> {
    if (kind === 'QuEsTiOn') {
      this.log.push(`${from}? ${second}`)
      await this.#sleep(this.#options.handlerMs ?? 1)
      this.#send(from, `AnSwEr:,:${first}:,:${this.#options.answer?.(second) ?? `re:${second}`}`)
    } else if (kind === 'AnSwEr') {
      this.#answers.get(Number(first))?.(from, second)
    } else if (kind === 'MeSsAgE') {
      this.log.push(`${from}: ${first}`)
      await this.#sleep(1)
    }
  }

  /** By name, whichever connection has it now. */
  #remove(name: string): void {
    const remote = this.#remotes.get(name)
    if (!remote) return
    this.#remotes.delete(name)
    if (!remote.reader) return
    this.#write(remote.reader, 'quitQUITquit')
    remote.reader.tcp.destroy()
  }

  #send(name: string, frame: string): void {
    const reader = this.#remotes.get(name)?.reader
    if (reader) this.#write(reader, frame)
  }

  #write({ tcp }: Reader, frame: string): void {
    tcp.write(bytes(`${frame}/EOL`))
  }

  #sleep(ms: number): Promise<void> {
    return new Promise(resolve => void this.#platform.clock.setTimer(ms, resolve))
  }
}

/** A stream that is read in pieces: what arrives while nobody reads lies in one heap. */
class Reader {
  readonly tcp: TcpConnection
  #buffer = new Uint8Array()
  #hasEnded = false
  #wake: (() => void) | undefined

  constructor(tcp: TcpConnection) {
    this.tcp = tcp
    const end = (): void => {
      this.#hasEnded = true
      this.#wake?.()
    }
    const onData = (more: Uint8Array): void => {
      this.#buffer = Uint8Array.from([...this.#buffer, ...more])
      this.#wake?.()
    }
    tcp.start({ onData, onDrain() {}, onEnd: end, onClose: end })
  }

  /** Undefined where it takes the other side for disconnected. A character on a border is an error that fails the test. */
  async frame(): Promise<string | undefined> {
    let data = new Uint8Array()
    for (let reads = 0; reads < READS; reads++) {
      data = Uint8Array.from([...data, ...(await this.#read())])
      const clear = text(data)
      if (clear.includes('/EOL')) return clear.split('/EOL')[0]
    }
    return undefined
  }

  async #read(): Promise<Uint8Array> {
    if (this.#buffer.length === 0 && !this.#hasEnded) await new Promise<void>(resolve => (this.#wake = resolve))
    const piece = this.#buffer.subarray(0, READ_BYTES)
    this.#buffer = this.#buffer.slice(piece.length)
    return piece
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

function bytes(value: string): Uint8Array {
  return encoder.encode(value)
}

function text(value: Uint8Array): string {
  return decoder.decode(value)
}
