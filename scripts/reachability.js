/**
 * Which kinds of NAT reach each other, and how fast: `npm run test:lab -- [options]`, as root on Linux with natlab beside the
 * checkout, nftables, coturn and mosquitto. Two rooms behind every pair of kinds in the laboratory, 15 ms from each network to
 * the core.
 *
 *   --tries 1          tries of each pair
 *   --lucky-tries 10   tries of each pair that is a matter of luck (predicted or searched for)
 *   --only a,b         one pair of kinds
 *   --write            writes docs/reachability.md
 *
 * Exits with 1 where a pair does not do what its physics allows (docs/reachability.md says what that is), or the medians are too
 * long.
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
const TRY_TIMEOUT_MS = 30_000
/** Of all pairs, from when both have joined to the first word that both have heard. */
const MAX_MEDIAN_MS = { any: 1_000, direct: 3_000 }

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
    natlab('service', 'mosquitto')
    await settled(lab)
    const results = await walk(lab)
    const table = tableOf(results)
    console.log(`\n${table}`)
    if (options.write) writeTable(table)
    const misses = missesOf(results)
    for (const miss of misses) console.log(`not as it should be: ${miss}`)
    return misses.length > 0 ? 1 : 0
  } finally {
    natlab('down')
  }
}

/** Links have come up, and addresses are not tentative any more (RFC 4862): to a room both are changes of the network. */
async function settled(lab) {
  const isSettled = ns => !/tentative|NO-CARRIER|state DOWN/.test(inside(ns, 'ip', 'address', 'show', 'dev', 'eth0'))
  for (const { ns } of KINDS.flatMap((_, i) => [lab.nodes[`a${i}1`], lab.nodes[`b${i}1`]])) {
    while (!isSettled(ns)) await new Promise(resolve => setTimeout(resolve, 100))
  }
}

function inside(ns, ...command) {
  return execFileSync('ip', ['netns', 'exec', ns, ...command], { encoding: 'utf8' })
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
      for (let n = 0; n < count; n++) tries.push(await attempt(pair, lab.nodes[`a${i}1`].ns, lab.nodes[`b${j}1`].ns))
      const result = judge(pair, tries)
      results.push(result)
      console.log(
        `${result.isGood ? 'ok ' : 'BAD'} ${pair}: ${result.directs} of ${count} direct by ${result.how}; any path ${result.anyMs ?? '-'} ms, direct ${result.directMs ?? '-'} ms`,
      )
    }
  }
  return results
}

/** Two rooms that nobody has been in before; resolves to the times at which both have heard the other. */
async function attempt(pair, nsA, nsB) {
  const sides = [peer(nsA, 'ada'), peer(nsB, 'bob')]
  const isOver = RELAYED.includes(pair) ? () => true : heard => heard.kind !== 'relay'
  const both = Promise.all(sides.map(side => side.until(({ heard }) => heard && isOver(heard))))
  try {
    if (!(await within(TRY_TIMEOUT_MS, both))) {
      for (const side of sides) side.ask()
      await within(1_000, Promise.all(sides.map(side => side.until(({ report }) => report))))
    }
    return outcomeOf(sides.map(({ lines }) => lines))
  } finally {
    for (const side of sides) side.stop()
  }
}

/** Whether it has resolved by then. */
function within(ms, promise) {
  const late = new Promise(resolve => setTimeout(() => resolve(false), ms).unref())
  return Promise.race([promise.then(() => true), late])
}

function outcomeOf(sides) {
  const joinedAt = Math.max(...sides.map(lines => lines.find(({ joined }) => joined)?.at))
  /** When the later of the two has first heard the other like this. */
  const first = fits => {
    const firsts = sides.map(lines => lines.find(({ heard }) => heard && fits(heard)))
    if (firsts.includes(undefined)) return undefined
    const at = Math.max(...firsts.map(first => first.at))
    const { heard, how } = firsts.find(({ how }) => how) ?? firsts[0]
    return { ...heard, how, ms: Math.round(Math.max(0, at - joinedAt)) }
  }
  return { any: first(() => true), direct: first(({ kind }) => kind !== 'relay'), sides }
}

function peer(ns, name) {
  const internet = {
    rendezvous: [`mqtt://${SERVER}`],
    stun: [`stun:${SERVER}`],
    turn: [{ urls: `turn:${SERVER}?transport=tcp`, username: 'lab', credential: 'lab' }],
  }
  const command = ['netns', 'exec', ns, process.execPath, PEER, name, JSON.stringify(internet)]
  const child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => {}) // It has ended: there is no report then.
  const lines = []
  let check = () => {}
  createInterface({ input: child.stdout }).on('line', line => {
    lines.push(JSON.parse(line))
    check()
  })
  return {
    lines,
    ask: () => child.stdin.write('\n'),
    stop: () => child.kill('SIGKILL'),
    until: fits =>
      new Promise(resolve => {
        check = () => lines.some(fits) && resolve()
        check()
      }),
  }
}

function judge(pair, tries) {
  const directs = tries.filter(({ direct }) => direct).length
  const isTalking = tries.every(({ any }) => any)
  const needed = RELAYED.includes(pair) ? 0 : LUCKY.includes(pair) ? LUCKY_SHARE : 1
  const isGood = isTalking && directs >= needed * tries.length
  const how = [...new Set(tries.map(({ direct, any }) => shown(direct ?? any)))].join(', ')
  if (!isGood) for (const { any, direct, sides } of tries) if (!any || !direct) console.log(JSON.stringify(sides))
  return {
    pair,
    isGood,
    directs,
    tries: tries.length,
    how,
    anyMs: median(tries.map(({ any }) => any?.ms)),
    directMs: median(tries.map(({ direct }) => direct?.ms)),
  }
}

function missesOf(results) {
  const pairs = results.filter(({ isGood }) => !isGood).map(({ pair }) => pair)
  const times = Object.entries(MAX_MEDIAN_MS)
    .map(([path, maxMs]) => ({ path, maxMs, ms: median(results.map(result => result[`${path}Ms`])) }))
    .filter(({ ms, maxMs }) => ms > maxMs)
  return [...pairs, ...times.map(({ path, ms, maxMs }) => `a median of ${ms} ms to ${path} path, not ${maxMs}`)]
}

function shown(path) {
  return path ? `${path.kind === 'relay' ? 'relay' : path.transport}${path.how ? ` ${path.how}` : ''}` : 'nothing'
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
    `| **median of all pairs** | | | | ${all('anyMs') ?? '-'} | ${all('directMs') ?? '-'} |`,
  ].join('\n')
}

function writeTable(table) {
  const [before, rest] = readFileSync(DOCUMENT, 'utf8').split(MARKS[0])
  const [, after] = rest.split(MARKS[1])
  writeFileSync(DOCUMENT, `${before}${MARKS[0]}\n\n${table}\n\n${MARKS[1]}${after}`)
}
