/**
 * Which kinds of NAT reach each other, and how fast: `npm run test:lab -- [options]`, as root on Linux with natlab beside the
 * checkout, nftables and coturn. Every pair of kinds in the laboratory, 15 ms from each network to the core.
 *
 *   --tries 1          tries of each pair
 *   --lucky-tries 10   tries of each pair that is a matter of luck (predicted or searched for)
 *   --only a,b         one pair of kinds
 *   --write            writes docs/reachability.md
 *
 * Exits with 1 where a pair does not do what its physics allows: docs/reachability.md says what that is.
 */

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const NATLAB = fileURLToPath(new URL('../../shared/natlab/natlab', import.meta.url))
const PEER = fileURLToPath(new URL('reachability-peer.js', import.meta.url))
const DOCUMENT = `${ROOT}docs/reachability.md`
const MARKS = ['<!-- table: npm run test:lab -- --write -->', '<!-- end of table -->']
const LAB = `reach${process.pid}`
const SERVER = '203.0.113.10'
const TRY_TIMEOUT_MS = 25_000
const GIVE_UP_MS = 10_000

const KINDS = [
  'none',
  'full-cone',
  'restricted',
  'port-restricted',
  'symmetric',
  'symmetric-seq',
  'firewall-udp-blocked',
]
/** Predicted, searched for, or out of reach; all others are direct always. */
const LUCKY = [
  'port-restricted symmetric',
  'port-restricted symmetric-seq',
  'symmetric-seq symmetric-seq',
  'symmetric firewall-udp-blocked',
  'symmetric-seq firewall-udp-blocked',
]
const RELAYED = ['symmetric symmetric', 'symmetric symmetric-seq']
const LUCKY_SHARE = 0.9

const { values: options } = parseArgs({
  options: {
    tries: { type: 'string', default: '1' },
    'lucky-tries': { type: 'string', default: '10' },
    only: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})

process.exitCode = await main()

async function main() {
  if (process.platform !== 'linux' || process.getuid() !== 0 || !existsSync(NATLAB)) {
    console.error('needs Linux, root, and natlab in ../shared')
    return 2
  }
  const sites = KINDS.flatMap((kind, i) => [`site a${i} ${kind} latency=15`, `site b${i} ${kind} latency=15`])
  const lab = JSON.parse(natlab('up', sites.join('; '), '--json', '--owner', String(process.pid)))
  try {
    natlab('service', 'coturn')
    const results = await walk(lab)
    const table = tableOf(results)
    console.log(`\n${table}`)
    if (options.write) writeTable(table)
    const failures = results.filter(({ isGood }) => !isGood)
    for (const { pair } of failures) console.log(`not as it should be: ${pair}`)
    return failures.length > 0 ? 1 : 0
  } finally {
    natlab('down')
  }
}

function natlab(...args) {
  return execFileSync(NATLAB, args, { encoding: 'utf8', env: { ...process.env, NATLAB: LAB } })
}

async function walk(lab) {
  const results = []
  for (const [i, a] of KINDS.entries()) {
    for (const [j, b] of KINDS.entries()) {
      if (j < i || (options.only && options.only !== `${a},${b}`)) continue
      const pair = `${a} ${b}`
      const tries = []
      const count = Number(LUCKY.includes(pair) ? options['lucky-tries'] : options.tries)
      for (let n = 0; n < count; n++) tries.push(await attempt(lab.nodes[`a${i}1`].ns, lab.nodes[`b${j}1`].ns))
      const result = judge(pair, tries)
      results.push(result)
      console.log(
        `${result.isGood ? 'ok ' : 'BAD'} ${pair}: ${result.directs} of ${count} direct by ${result.how}; any path ${result.anyMs} ms, direct ${result.directMs ?? '-'} ms`,
      )
    }
  }
  return results
}

/** Two fresh programs; resolves to the paths over which the first one has heard the other. */
async function attempt(nsA, nsB) {
  const settings = JSON.stringify({
    stun: [`stun:${SERVER}`],
    turn: [{ server: `turn:${SERVER}`, username: 'lab', credential: 'lab' }],
    giveUpMs: GIVE_UP_MS,
  })
  const a = peer(nsA, 'a', 'b', settings)
  const b = peer(nsB, 'b', 'a', settings)
  a.onMessage = message => b.say({ message })
  b.onMessage = message => a.say({ message })
  try {
    await Promise.all([a.until('ready'), b.until('ready')])
    a.say({ go: true })
    b.say({ go: true })
    const timeout = new Promise(resolve => setTimeout(resolve, TRY_TIMEOUT_MS).unref())
    await Promise.race([Promise.all([a.until('report'), b.until('report')]), timeout])
    await Promise.race([heardBoth(a, b), new Promise(resolve => setTimeout(resolve, 2_000).unref())])
    return { a: a.lines, b: b.lines }
  } finally {
    a.stop()
    b.stop()
  }
}

/** The best path of the report has carried a word each way. */
async function heardBoth(a, b) {
  const outcome = a.lines.find(line => line.report)?.report.outcome
  if (outcome) await Promise.all([a, b].map(side => side.until('talks', line => line.talks.kind === outcome)))
}

function peer(ns, id, other, settings) {
  const child = spawn('ip', ['netns', 'exec', ns, process.execPath, PEER, id, other, settings], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = []
  const waiting = new Set()
  const self = {
    lines,
    onMessage: () => {},
    say: value => child.stdin.write(`${JSON.stringify(value)}\n`),
    stop: () => child.kill('SIGKILL'),
    until: (key, fits = () => true) =>
      new Promise(resolve => {
        const check = () => {
          if (!lines.some(line => key in line && fits(line))) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
  }
  child.stdin.on('error', () => {}) // It is stopped while the other side still sends.
  createInterface({ input: child.stdout }).on('line', line => {
    const value = JSON.parse(line)
    if (value.message) return self.onMessage(value.message)
    lines.push(value)
    for (const check of [...waiting]) check()
  })
  return self
}

function judge(pair, tries) {
  const talks = tries.map(({ a, b }) => {
    const paths = a.filter(line => line.talks).map(line => line.talks)
    const both = paths.filter(({ kind }) => b.some(line => line.talks?.kind === kind))
    return { any: both[0], direct: both.find(({ kind }) => kind !== 'relay') }
  })
  const directs = talks.filter(({ direct }) => direct).length
  const isTalking = talks.every(({ any }) => any)
  const needed = RELAYED.includes(pair) ? 0 : LUCKY.includes(pair) ? LUCKY_SHARE : 1
  const isGood = isTalking && directs >= needed * tries.length
  const how = [...new Set(talks.map(({ direct, any }) => shown(direct ?? any)))].join(', ')
  if (!isGood) for (const { a, b } of tries) console.log(JSON.stringify({ a, b }))
  return {
    pair,
    isGood,
    directs,
    tries: tries.length,
    how,
    anyMs: median(talks.map(({ any }) => any?.heardAfterMs)),
    directMs: median(talks.map(({ direct }) => direct?.heardAfterMs)),
  }
}

function shown(path) {
  return path ? `${path.kind === 'relay' ? 'relay' : path.transport} ${path.method}` : 'nothing'
}

function median(values) {
  const sorted = values.filter(value => value !== undefined).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

function tableOf(results) {
  const rows = results.map(({ pair, directs, tries, how, anyMs, directMs }) => {
    const [a, b] = pair.split(' ')
    return `| ${a} | ${b} | ${directs} of ${tries} | ${how} | ${anyMs ?? '-'} | ${directMs ?? '-'} |`
  })
  const all = key => median(results.map(result => result[key]))
  return [
    '| one side | the other | direct | by | ms to the first word, any path | ms to the first word, direct |',
    '| --- | --- | --- | --- | --: | --: |',
    ...rows,
    `| **median of all pairs** | | | | ${all('anyMs')} | ${all('directMs')} |`,
  ].join('\n')
}

function writeTable(table) {
  const [before, rest] = readFileSync(DOCUMENT, 'utf8').split(MARKS[0])
  const [, after] = rest.split(MARKS[1])
  writeFileSync(DOCUMENT, `${before}${MARKS[0]}\n\n${table}\n\n${MARKS[1]}${after}`)
}
