/**
 * `npm run demo`: three programs on this machine find each other by multicast DNS, chat, ask, answer and send a file, while
 * you watch.
 *
 * Each is a process of its own (demo-peer.js) that knows nothing of the others. They use the loopback interface only, so
 * nothing leaves this machine. Ends by itself; the exit code is 0 only if everything was seen to happen.
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** Normally all is done in four seconds, most of them pauses for the reader. */
const DEADLINE_MS = 12_000
const READING_MS = 350

const startedAt = performance.now()
const useColour = process.stdout.isTTY && !process.env.NO_COLOR

async function main() {
  console.log(
    'Three programs on this machine, which know nothing of each other. Only the loopback interface is used.\n',
  )
  const folder = mkdtempSync(join(tmpdir(), 'earshot-demo-'))
  const common = { room: `demo-${process.pid}`, loopback: loopbackInterface(), folder }
  const cast = [
    new Actor('Ada', 36, { ...common, born: 1815 }),
    new Actor('Grace', 35, { ...common, born: 1906 }),
    new Actor('Linus', 33, { ...common, born: 1969 }),
  ]
  try {
    await withDeadline(play(cast), cast)
    console.log(`\nEverything worked, in ${seconds()} seconds.`)
    return 0
  } catch (error) {
    console.error(`\nThe demo failed after ${seconds()} seconds: ${error.message}`)
    return 1
  } finally {
    await Promise.all(cast.map(actor => actor.end()))
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What is to happen. Each step waits until the programs themselves have reported it. */
async function play([ada, grace, linus]) {
  const cast = [ada, grace, linus]
  for (const actor of cast) actor.start()
  await Promise.all(
    cast.flatMap(actor => others(cast, actor).map(other => actor.reports('met', event => event.peer === other.name))),
  )

  await say(ada, 'Hello! Who is within earshot?', [grace, linus])
  await say(grace, 'I am. How nice that there is no server.', [ada, linus])
  await say(linus, 'Me too.', [ada, grace])

  await sleep(READING_MS)
  grace.does({ ask: 'Ada', question: 'add', content: [15, 27] })
  await ada.reports('answered', event => event.question === 'add' && event.asker === 'Grace')
  await grace.reports('got', event => event.peer === 'Ada' && event.value === 42)

  await sleep(READING_MS)
  linus.does({ ask: 'everybody', question: 'born', content: null })
  await linus.reports('got', event => event.peer === 'Ada' && event.value === 1815)
  await linus.reports('got', event => event.peer === 'Grace' && event.value === 1906)

  await sleep(READING_MS)
  linus.does({ send: 'kernel.img', to: 'Ada', megabytes: 20 })
  const [sent, received] = await Promise.all([linus.reports('sent'), ada.reports('received')])
  if (sent.sha256 !== received.sha256) throw new Error('the file did not arrive as it was sent')

  for (const [index, actor] of cast.entries()) {
    await sleep(READING_MS)
    actor.does({ leave: true })
    await actor.reports('left')
    await Promise.all(cast.slice(index + 1).map(other => other.reports('gone', event => event.peer === actor.name)))
  }
  await Promise.all(cast.map(actor => actor.hasEnded()))
}

async function say(speaker, text, listeners) {
  await sleep(READING_MS)
  speaker.does({ say: text })
  await Promise.all(
    listeners.map(listener => listener.reports('heard', event => event.peer === speaker.name && event.text === text)),
  )
}

function others(cast, actor) {
  return cast.filter(other => other !== actor)
}

/** One process, what it was seen to do, and who waits for it to do something. */
class Actor {
  #options
  #colour
  #process
  #exit
  #events = []
  #waiting = []

  constructor(name, colour, options) {
    this.name = name
    this.#colour = colour
    this.#options = options
  }

  start() {
    const script = fileURLToPath(new URL('demo-peer.js', import.meta.url))
    this.#process = fork(script, [JSON.stringify({ name: this.name, ...this.#options })])
    this.#exit = once(this.#process, 'exit')
    this.#process.on('message', event => this.#onEvent(event))
    this.#exit.then(([code, signal]) => this.#onExit(code ?? signal))
  }

  does(command) {
    this.#process.send(command)
  }

  /** Resolves with such an event when the process has reported it, or has done so already. */
  reports(type, matches = () => true) {
    const isIt = event => event.type === type && matches(event)
    const known = this.#events.find(isIt)
    if (known) return Promise.resolve(known)
    return new Promise((resolve, reject) => this.#waiting.push({ type, isIt, resolve, reject }))
  }

  async hasEnded() {
    const [code, signal] = await this.#exit
    if (code !== 0) throw new Error(`the process of ${this.name} ended with ${code ?? signal}`)
  }

  /** What it still has to do, in words. */
  get missing() {
    return this.#waiting.map(({ type }) => `'${type}' of ${this.name}`)
  }

  async end() {
    if (!this.#process) return
    this.#process.kill('SIGKILL')
    await this.#exit
  }

  #onEvent(event) {
    this.#events.push(event)
    this.#show(event.line)
    const done = this.#waiting.filter(({ isIt }) => isIt(event))
    this.#waiting = this.#waiting.filter(({ isIt }) => !isIt(event))
    for (const { resolve } of done) resolve(event)
  }

  #onExit(code) {
    for (const { type, reject } of this.#waiting)
      reject(new Error(`the process of ${this.name} ended (${code}) before '${type}'`))
  }

  #show(line) {
    const name = this.name.padEnd(6)
    console.log(`${seconds().padStart(6)} s  ${useColour ? `\u001b[${this.#colour}m${name}\u001b[0m` : name} ${line}`)
  }
}

/** What is not done in time has failed, with the names of the steps that are missing. */
async function withDeadline(playing, cast) {
  let timer
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const missing = cast.flatMap(actor => actor.missing).join(', ')
      reject(new Error(`after ${DEADLINE_MS / 1_000} s still missing: ${missing}`))
    }, DEADLINE_MS)
  })
  try {
    await Promise.race([playing, deadline])
  } finally {
    clearTimeout(timer)
    playing.catch(() => {})
  }
}

/** `lo` on Linux, `lo0` on macOS, a longer name on Windows. */
function loopbackInterface() {
  const found = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.some(({ internal }) => internal))
  if (!found) throw new Error('this machine has no loopback interface')
  return found[0]
}

function seconds() {
  return ((performance.now() - startedAt) / 1_000).toFixed(2)
}

// `npm run demo | head`: whoever has seen enough ends it.
process.stdout.on('error', () => process.exit(0))
process.exitCode = await main()
