/**
 * Runs the tests: `npm test`, `node scripts/test.js [options] [filters and options of vitest]`.
 *
 *   --unit              only the group that needs nothing but Node
 *   --node 22,24        on these versions of Node (brought by npm) instead of the present one
 *   --also-node 22,24   everything on the present Node, then the group `unit` on these
 *
 * On Linux they run in a network namespace of their own. Elsewhere, and where the system does not allow that, a guard in
 * each process refuses whatever is not loopback. The last line is `N passed, N failed, N skipped` over all runs, or
 * `interrupted`.
 */

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isolation } from './test-isolation.js'
import { countLabTests, labFiles, missingForLab } from './test-lab.js'
import { nodeBinary } from './test-nodes.js'
import { addCounts, countTests } from './test-report.js'

/** What random schedules try is the same on every version of Node: after the first one fewer will do. */
const FEWER_RANDOM_RUNS = { SCHEDULES: '30', HOURS: '1' }

const root = fileURLToPath(new URL('..', import.meta.url))
let interrupted = false

process.exitCode = await main(parseArguments(process.argv.slice(2)))

async function main({ nodes, alsoNodes, unitOnly, filters }) {
  const built = build()
  const namespace = isolation()
  if (!namespace) console.log('No network namespace here: a guard refuses everything but loopback.')
  const reasons = unitOnly ? [] : missingForLab(root, namespace !== undefined)
  const hasLab = !unitOnly && reasons.length === 0
  const runs = [
    ...nodes.map(version => ({ version, groups: hasLab ? ['unit', 'lab'] : ['unit'], randomRuns: {} })),
    ...alsoNodes.map(version => ({ version, groups: ['unit'], randomRuns: FEWER_RANDOM_RUNS })),
  ]

  let counts = { passed: 0, failed: built ? 0 : 1, skipped: reasons.length > 0 ? leaveOutLab(reasons, filters) : 0 }
  const vitestOptions = counts.skipped > 0 ? [...filters, '--passWithNoTests'] : filters
  for (const { version, groups, randomRuns } of runs) {
    if (interrupted) break
    counts = addCounts(
      counts,
      await runVitest({ version, namespace: namespace ?? [], groups, randomRuns }, vitestOptions),
    )
  }
  console.log(
    interrupted ? 'interrupted' : `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`,
  )
  return interrupted ? 130 : counts.failed > 0 ? 1 : 0
}

function parseArguments(args) {
  const options = { nodes: ['current'], alsoNodes: [], unitOnly: false, filters: [] }
  while (args.length > 0) {
    const argument = args.shift()
    if (argument === '--unit') options.unitOnly = true
    else if (argument === '--node') options.nodes = versions(argument, args.shift())
    else if (argument === '--also-node') options.alsoNodes = versions(argument, args.shift())
    else options.filters.push(argument)
  }
  return options
}

function versions(option, text) {
  if (!/^[\d.]+(,[\d.]+)*$/.test(text ?? '')) throw new RangeError(`${option} needs versions such as 22,24`)
  return text.split(',')
}

/** Tests of the command run what a user would: the built package. What does not compile is one failed test. */
function build() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
  return status === 0
}

/** Says what is not run, and returns how many tests that are. */
function leaveOutLab(reasons, filters) {
  const paths = filters.filter(filter => !filter.startsWith('-'))
  const files = labFiles(root).filter(file => paths.length === 0 || paths.some(path => file.includes(path)))
  if (files.length > 0) console.log(`left out, since this machine lacks what they need: ${reasons.join(', ')}`)
  for (const file of files) console.log(`  ${file}`)
  return files.reduce((sum, file) => sum + countLabTests(root, file), 0)
}

/** Runs the groups on one version of Node, and returns the counts. */
async function runVitest({ version, namespace, groups, randomRuns }, options) {
  const binary = version === 'current' ? process.execPath : nodeBinary(root, version)
  console.log(`\nNode ${version === 'current' ? process.versions.node : version}: ${groups.join(', ')}`)
  const folder = mkdtempSync(join(tmpdir(), 'earshot-test-'))
  const report = join(folder, 'report.json')
  const [command, ...args] = [
    ...namespace,
    binary,
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    ...groups.flatMap(group => ['--project', group]),
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...options,
  ]
  const env = { ...randomRuns, ...process.env, ...(namespace.length > 0 && { EARSHOT_NETNS: '1' }) }
  try {
    const exitCode = await untilExit(spawn(command, args, { cwd: root, stdio: 'inherit', env }))
    return countTests(report, exitCode)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Ctrl-C reaches vitest from the terminal; a signal that only this process gets is handed on. */
function untilExit(child) {
  const onInterrupt = () => {
    interrupted = true
  }
  const onTerminate = () => {
    interrupted = true
    child.kill('SIGTERM')
  }
  process.on('SIGINT', onInterrupt)
  process.on('SIGTERM', onTerminate)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      process.off('SIGINT', onInterrupt)
      process.off('SIGTERM', onTerminate)
      if (signal) interrupted = true
      resolve(code ?? 1)
    })
  })
}
