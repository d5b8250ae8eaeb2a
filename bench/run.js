/**
 * `npm run bench`: earshot against raw `node:net` (tcp) and raw `node:tls` (mutual TLS 1.3), all in one run. Each
 * measurement is two fresh processes on 127.0.0.1; the systems take turns within a round, so that a slow minute of
 * the machine hits all of them.
 *
 *     node bench/run.js [--quick] [--rounds 5] [--only rtt,msgs] [--systems tcp,tls,earshot] [--json] [--profile DIR]
 *                       [--file-bytes 10737418240]
 */

import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { SYSTEMS } from './adapters/index.js'
import { measure } from './process-pair.js'
import { summarize, table } from './report.js'
import { WORKLOADS } from './workloads/index.js'

const { values: args } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    systems: { type: 'string', default: SYSTEMS.join(',') },
    json: { type: 'boolean', default: false },
    profile: { type: 'string' },
    'file-bytes': { type: 'string' },
  },
})
const rounds = Number(args.rounds ?? (args.quick ? 2 : 5))
const systems = args.systems.split(',')
const fileBytes = args['file-bytes'] === undefined ? undefined : Number(args['file-bytes'])
const workloads = chosen(args.only)
const execArgv = args.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${args.profile}`]

const failures = []
const samples = new Map(workloads.map(workload => [workload, []]))
for (let round = 0; round < rounds; round++) {
  for (const workload of workloads) samples.get(workload).push(await measureAll(workload, round))
}
const results = workloads.flatMap(workload => summarize(workload, samples.get(workload)))
const conditions = describe()
if (args.json) console.log(JSON.stringify({ ...conditions, results, failures }, undefined, 2))
else print()
process.exitCode = failures.length === 0 ? 0 : 1

/** `memory` stands for both sides of it. */
function chosen(only) {
  if (only === undefined) return WORKLOADS
  const names = only.split(',')
  const matches = name => WORKLOADS.filter(workload => workload.name === name || workload.name.startsWith(`${name}-`))
  for (const name of names) {
    if (matches(name).length === 0)
      throw new RangeError(`--only knows ${WORKLOADS.map(w => w.name).join(', ')}, not ${name}`)
  }
  return WORKLOADS.filter(workload => names.some(name => matches(name).includes(workload)))
}

/** One round of one workload. Who goes first changes from round to round. */
async function measureAll(workload, round) {
  const taking = systems.filter(system => workload.systems?.includes(system) ?? true)
  const ordered = taking.map((_, index) => taking[(index + round) % taking.length])
  const bySystem = {}
  for (const system of ordered) {
    progress(`round ${round + 1} of ${rounds}: ${workload.name}, ${system}`)
    try {
      bySystem[system] = await measure(system, workload, { quick: args.quick, fileBytes, execArgv })
    } catch (error) {
      failures.push({ workload: workload.name, system, round: round + 1, message: error.message })
    }
  }
  progress('')
  return bySystem
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

function describe() {
  const processor = cpus()
  return {
    commit: commit(),
    machine: `${processor.length} × ${processor[0].model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`,
    node: process.version,
    command: ['node', 'bench/run.js', ...process.argv.slice(2)].join(' '),
    rounds,
  }
}

function commit() {
  const git = (...words) =>
    execFileSync('git', words, { cwd: fileURLToPath(new URL('..', import.meta.url)), encoding: 'utf8' }).trim()
  try {
    const changed = git('status', '--porcelain', '--', 'src', 'bench') !== ''
    return git('rev-parse', '--short', 'HEAD') + (changed ? ' with changes' : '')
  } catch {
    return 'not a git checkout'
  }
}

function print() {
  const { commit, machine, node, command } = conditions
  console.log(`commit ${commit} · Node ${node} · ${machine}`)
  console.log(`${command} · two processes each, medians over ${rounds} rounds, lowest–highest in brackets\n`)
  console.log(table(results, systems))
  for (const { workload, system, round, message } of failures) {
    console.log(`\nfailed: ${workload}, ${system}, round ${round}: ${message}`)
  }
}
