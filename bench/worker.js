/**
 * One of the two processes of a measurement. The parent says what to run; requests and replies cross the IPC channel
 * as `{ id, method, args }` and `{ id, value }` or `{ id, error }`, in both directions.
 */

import { loadAdapter } from './adapters/index.js'
import { WORKLOADS } from './workloads/index.js'

const waiting = new Map()
let lastId = 0
let methods = { run, exit: () => process.disconnect() }

process.on('message', async message => {
  if (message.method === undefined) return settle(message)
  try {
    process.send({ id: message.id, value: await methods[message.method](...message.args) })
  } catch (error) {
    process.send({ id: message.id, error: String(error?.stack ?? error) })
  }
})
process.on('disconnect', () => process.exit())

async function run({ system, workload: name, role, keys, quick, fileBytes }) {
  const adapter = await loadAdapter(system)
  const workload = WORKLOADS.find(candidate => candidate.name === name)
  const open = (handlers, options) => adapter.open(handlers, { role, keys, ...options })
  if (role === 'dialer') return await workload.dial({ open, remote, quick, fileBytes })
  methods = { ...methods, ...(await workload.accept({ open, quick })) }
}

/** Calls a method of the other worker, through the parent. */
function remote(method, ...args) {
  return new Promise((resolve, reject) => {
    const id = ++lastId
    waiting.set(id, { resolve, reject })
    process.send({ id, method, args })
  })
}

function settle({ id, value, error }) {
  const { resolve, reject } = waiting.get(id)
  waiting.delete(id)
  if (error === undefined) resolve(value)
  else reject(new Error(error))
}
