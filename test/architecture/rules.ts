/**
 * The rules of the house about src/, each a function from files to what is wrong with them: file, line, what stands
 * there, and the rule it breaks. ARCHITECTURE.md has the picture.
 */

import type { Import, SourceFile } from './source-file.ts'

export type Rule = (files: readonly SourceFile[]) => string[]

/** In the order of imports. A file belongs to the longest of these that its path begins with. */
export const LAYERS: readonly string[] = [
  'src/errors.ts',
  'src/limits.ts',
  'src/platform/',
  'src/platform/node/',
  'src/emitter.ts',
  'src/wire/',
  'src/compat/peerpy/', // what it speaks is not ours: it stands on the ports and on bytes alone
  'src/compat/pythonconnect/', // likewise
  'src/crypto/',
  'src/identity/',
  'src/discovery/discovery.ts',
  'src/discovery/advert-rules.ts',
  'src/discovery/farewells.ts',
  'src/discovery/interface-follower.ts',
  'src/discovery/mdns/',
  'src/discovery/dns-sd/',
  'src/discovery/sightings-by-id.ts',
  'src/discovery/beacon/',
  'src/discovery/',
  'src/nat/stun/',
  'src/nat/behaviour/',
  'src/nat/turn/',
  'src/nat/port-mapping/',
  'src/nat/ice/',
  'src/rendezvous/',
  'src/rendezvous/mqtt/',
  'src/broker/',
  'src/doctor/',
  'src/session/noise/',
  'src/session/',
  'src/messaging/',
  'src/endpoint/',
  'src/compat/bridge/', // rooms and the networks of other programs
  'src/testing/',
  'src/', // what programs import: index.ts, net.ts, mdns.ts, broker.ts, compat/peerpy.ts
  'src/cli/',
]

const PUBLIC_ENTRIES = [
  'src/index.ts',
  'src/net.ts',
  'src/mdns.ts',
  'src/nat.ts',
  'src/broker.ts',
  'src/doctor.ts',
  'src/compat/peerpy.ts',
  'src/compat/pythonconnect.ts',
  'src/compat/bridge.ts',
]

/** Who may know platform/node: the entries, which wire it to the rest. */
const NODE_IMPORTERS: Readonly<Record<string, readonly string[]>> = {
  'src/platform/node/': ['src/platform/node/', ...PUBLIC_ENTRIES],
  // Pure; a simulated system's errors get the codes and hints that real ones get, and so do those of `mqtt`, which opens
  // its sockets itself.
  'src/platform/node/node-error.ts': ['src/testing/system-error.ts', 'src/rendezvous/mqtt/'],
  'src/platform/node/file-error.ts': ['src/testing/file-failure.ts'],
}

const SYSTEM = ['src/platform/node/']
const SYSTEM_AND_CLI = [...SYSTEM, 'src/cli/']

/** Modules of Node, and who may import each. What is not here is imported nowhere. */
const BUILTINS: Readonly<Record<string, readonly string[]>> = {
  'node:net': SYSTEM,
  'node:tls': SYSTEM,
  'node:dgram': SYSTEM,
  'node:dns/promises': SYSTEM,
  'node:os': SYSTEM_AND_CLI,
  'node:fs': SYSTEM_AND_CLI,
  'node:fs/promises': SYSTEM_AND_CLI,
  'node:path': [...SYSTEM_AND_CLI, 'src/index.ts'], // index.ts splits a file name into folder and name, touching neither
  'node:crypto': [
    'src/crypto/',
    'src/platform/node/node-random.ts',
    'src/platform/node/file-store.ts', // names of temporary files
    'src/cli/process-lock.ts', // a name that no other process takes
  ],
  'node:child_process': ['src/cli/'],
  'node:events': ['src/cli/'],
  'node:readline': ['src/cli/'],
  'node:http': ['src/broker/'], // websockets begin as HTTP; it opens no socket itself
  'node:stream': ['src/cli/', 'src/broker/'], // what the libraries of servers take
  'node:timers/promises': ['src/cli/'],
}

/** Packages that are installed with earshot, some of them only where they can be, and who may import each. */
export const DEPENDENCIES: Readonly<Record<string, readonly string[]>> = {
  'dns-packet': ['src/discovery/mdns/'],
  cborg: ['src/messaging/cbor.ts'],
  commander: ['src/cli/'],
  aedes: ['src/broker/'],
  mqtt: ['src/rendezvous/mqtt/mqtt-connector.ts'],
  ws: ['src/broker/'],
  'udx-native': ['src/platform/node/node-reliable-udp.ts'],
}

export const MAX_LINES = 450

/** Longer files, each with its reason. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'src/limits.ts': 'every limit with its reason on one page',
  'src/endpoint/room.ts': 'the public surface of a room in one place, half of it documentation',
}

/** Global names that bring time or chance from outside. */
const TIME =
  /(?<![.\w#])(?:Date\.now|new Date\(\)|performance|setTimeout|setInterval|setImmediate|queueMicrotask|process|globalThis|AbortSignal\.timeout)\b/g
const TIME_KEEPERS = ['src/platform/node/', 'src/testing/', 'src/cli/']
const CHANCE = /(?<![.\w#])(?:Math\.random|crypto\.(?:getRandomValues|randomUUID))\b/g
const RANDOM_SOURCE = /\bimplements\b[^{]*\bRandom\b|(?:const|let)\s+\w+\s*:\s*Random\s*=\s*\{/g
const RANDOM_SOURCES = ['src/platform/node/node-random.ts', 'src/testing/']

export const importsOnlyFromLayersBefore: Rule = files =>
  eachImport(files, (file, { target }) => {
    if (target === undefined) return undefined
    const [from, to] = [layerOf(file.path), layerOf(target)]
    if (LAYERS.indexOf(to) <= LAYERS.indexOf(from)) return undefined
    return `${from} comes before ${to}, and imports only from itself and what comes before it`
  })

/** A folder that nobody gave a place would otherwise be taken for an entry, which may import anything. */
export const everyFileHasALayer: Rule = files =>
  files
    .filter(({ path }) => layerOf(path) === 'src/' && !PUBLIC_ENTRIES.includes(path))
    .map(({ path }) => `${path}: is in no layer; give its folder a place in LAYERS, in the order of imports`)

export const everyLayerHasFiles: Rule = files =>
  LAYERS.filter(layer => !files.some(({ path }) => layerOf(path) === layer)).map(
    layer => `${layer}: is a layer without files; take it out of LAYERS`,
  )

export const commandIsAThinShell: Rule = files =>
  eachImport(files, (file, { target }) => {
    if (!file.path.startsWith('src/cli/') || target === undefined) return undefined
    if (isIn(['src/cli/', 'src/errors.ts', 'src/limits.ts', ...PUBLIC_ENTRIES], target)) return undefined
    return 'the command uses what every program can use: the public entries'
  })

export const relativeImportsLeadToFiles: Rule = files => {
  const paths = new Set(files.map(({ path }) => path))
  return eachImport(files, (_, { target }) =>
    target === undefined || paths.has(target) ? undefined : `leads to ${target}, which is not published`,
  )
}

/** Cycles of types are none at run time, so these may describe each other. */
export const noCycles: Rule = files => {
  const graph = new Map(
    files.map(({ path, imports }) => [
      path,
      imports.filter(({ isTypeOnly }) => !isTypeOnly).flatMap(({ target }) => target ?? []),
    ]),
  )
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) cycles.push(`${[...trail.slice(start), path].join(' → ')}: files import each other in a circle`)
    if (start >= 0 || done.has(path)) return
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return cycles
}

export const onlyEntriesKnowNode: Rule = files =>
  eachImport(files, (file, { target }) => {
    if (!target?.startsWith('src/platform/node/')) return undefined
    const allowed = Object.entries(NODE_IMPORTERS).flatMap(([prefix, who]) => (target.startsWith(prefix) ? who : []))
    return isIn(allowed, file.path) ? undefined : 'only the entries know which platform they run on; use the port'
  })

export const systemOnlyBehindThePort: Rule = files =>
  eachImport(files, (file, { specifier, target }) => {
    if (target !== undefined || !specifier.startsWith('node:')) return undefined
    const allowed = BUILTINS[specifier]
    if (allowed === undefined) return 'is in no list; give it a place in BUILTINS with who may import it'
    return isIn(allowed, file.path) ? undefined : `only ${allowed.join(', ')} may`
  })

export const dependenciesInTheirPlace: Rule = files =>
  eachImport(files, (file, { specifier, target }) => {
    if (target !== undefined || specifier.startsWith('node:')) return undefined
    const allowed = DEPENDENCIES[packageOf(specifier)]
    if (allowed === undefined) return 'is no dependency; CONTRIBUTING.md says how to add one'
    return isIn(allowed, file.path) ? undefined : `only ${allowed.join(', ')} may`
  })

export const timeIsAnArgument: Rule = files =>
  eachMatch(files, TIME, ({ path }) => !isIn(TIME_KEEPERS, path), 'time is an argument: use the Clock port')

export const chanceIsAnArgument: Rule = files =>
  eachMatch(files, CHANCE, () => true, 'randomness is an argument: use the Random port')

export const onlyTestingWeakensRandomness: Rule = files =>
  eachMatch(
    files,
    RANDOM_SOURCE,
    ({ path }) => !isIn(RANDOM_SOURCES, path),
    'a source of randomness of its own; only testing/ may have a weak one',
  )

export const filesStaySmall: Rule = files => [
  ...files
    .filter(({ path, lineCount }) => lineCount > MAX_LINES && LONG_FILES[path] === undefined)
    .map(({ path, lineCount }) => `${path}: has ${lineCount} lines; over ${MAX_LINES} it needs a reason in LONG_FILES`),
  ...Object.keys(LONG_FILES)
    .filter(long => files.some(({ path, lineCount }) => path === long && lineCount <= MAX_LINES))
    .map(long => `${long}: is no longer long; take it out of LONG_FILES`),
]

/** Every rule, by the sentence it stands for. */
export const RULES: Readonly<Record<string, Rule>> = {
  'a folder imports only from folders before it': importsOnlyFromLayersBefore,
  'every file belongs to a layer': everyFileHasALayer,
  'every layer has files': everyLayerHasFiles,
  'the command is a thin shell over what programs import': commandIsAThinShell,
  'relative imports lead to published files': relativeImportsLeadToFiles,
  'no files import each other in a circle': noCycles,
  'only the entries know platform/node': onlyEntriesKnowNode,
  'modules of Node are imported where they belong': systemOnlyBehindThePort,
  'each dependency is imported where it belongs': dependenciesInTheirPlace,
  'time is an argument': timeIsAnArgument,
  'randomness is an argument': chanceIsAnArgument,
  'only testing/ has weak randomness': onlyTestingWeakensRandomness,
  'files stay small': filesStaySmall,
}

/** The longest entry that the path begins with. */
function layerOf(path: string): string {
  const layers = LAYERS.filter(layer => path.startsWith(layer))
  return layers.reduce((longest, layer) => (layer.length > longest.length ? layer : longest), '')
}

function isIn(prefixes: readonly string[], path: string): boolean {
  return prefixes.some(prefix => path.startsWith(prefix))
}

/** `cborg/taglib` is of `cborg`, `@a/b/c` of `@a/b`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

function eachImport(
  files: readonly SourceFile[],
  complaint: (file: SourceFile, imported: Import) => string | undefined,
): string[] {
  return files.flatMap(file =>
    file.imports.flatMap(imported => {
      const said = complaint(file, imported)
      return said === undefined ? [] : `${file.path}:${imported.line} imports ${imported.specifier}: ${said}`
    }),
  )
}

function eachMatch(
  files: readonly SourceFile[],
  pattern: RegExp,
  applies: (file: SourceFile) => boolean,
  complaint: string,
): string[] {
  return files.filter(applies).flatMap(({ path, code }) =>
    [...code.matchAll(pattern)].map(({ 0: text, index }) => {
      const line = code.slice(0, index).split('\n').length
      return `${path}:${line} has ${text}: ${complaint}`
    }),
  )
}
