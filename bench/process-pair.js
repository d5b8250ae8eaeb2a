/** Runs one workload of one system once: an acceptor and a dialer, each a process of its own. */

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { loadAdapter } from './adapters/index.js'

const WORKER = fileURLToPath(new URL('worker.js', import.meta.url))
/** Long enough for a file of 1 GiB on a busy machine; larger ones have more. */
const TIMEOUT_MS = 90_000

/**
 * Returns the samples, an array for each name. `execArgv` goes to both workers, for example `--cpu-prof`.
 */
export async function measure(system, workload, { quick, fileBytes, execArgv }) {
  const adapter = await loadAdapter(system)
  const keys = await adapter.prepare()
  const start = role => new Worker(execArgv, { system, workload: workload.name, role, keys, quick, fileBytes })
  const acceptor = start('acceptor')
  const workers = [acceptor]
  try {
    await acceptor.run()
    const samples = {}
    const dialers = workload.freshDialers?.(quick) ?? 1
    for (let i = 0; i < dialers; i++) {
      const dialer = start('dialer')
      workers.push(dialer)
      dialer.onRequest = (method, args) => acceptor.call(method, ...args)
      for (const [name, values] of Object.entries(await dialer.run())) {
        samples[name] ??= []
        samples[name].push(...values)
      }
      await dialer.stop()
    }
    return samples
  } finally {
    for (const worker of workers) await worker.stop()
  }
}

class Worker {
  #child
  #task
  #waiting = new Map()
  #lastId = 0
  #ended
  #timer
  onRequest

  constructor(execArgv, task) {
    this.#task = task
    this.#child = fork(WORKER, { execArgv: ['--expose-gc', ...execArgv] })
    this.#child.on('message', message => this.#onMessage(message))
    this.#ended = new Promise(resolve => {
      this.#child.once('exit', (code, signal) => {
        this.#failAll(new Error(`the ${task.role} ended with ${signal ?? `code ${code}`}`))
        resolve()
      })
    })
    const timeoutMs = TIMEOUT_MS * Math.max(1, (task.fileBytes ?? 0) / 2 ** 30)
    this.#timer = setTimeout(() => {
      this.#failAll(new Error(`nothing after ${timeoutMs / 1000} s`))
      this.#child.kill('SIGKILL')
    }, timeoutMs)
  }

  run() {
    return this.call('run', this.#task)
  }

  call(method, ...args) {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, method, args }, error => error && reject(error))
    })
  }

  /** Disconnects: the worker ends by itself, and is killed where it does not. */
  async stop() {
    clearTimeout(this.#timer)
    if (this.#child.connected) this.#child.disconnect()
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), 5_000)
    await this.#ended
    clearTimeout(kill)
  }

  async #onMessage(message) {
    if (message.method === undefined) {
      const waiting = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      if (message.error === undefined) waiting?.resolve(message.value)
      else waiting?.reject(new Error(message.error))
      return
    }
    const reply = await this.onRequest(message.method, message.args).then(
      value => ({ id: message.id, value }),
      error => ({ id: message.id, error: String(error) }),
    )
    if (this.#child.connected) this.#child.send(reply)
  }

  #failAll(error) {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
