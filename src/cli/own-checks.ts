/** What the command itself needs, beside the network: a Node that is new enough, and its identity. */

import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Identity } from '../index.ts'
import type { ShownFinding } from './finding-view.ts'

/** As package.json has it. */
const OLDEST_NODE: readonly [major: number, minor: number] = [20, 19]

/** `version`: as `process.version` has it. */
export function checkNode(version: string): ShownFinding {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST_NODE
  const common = { check: 'node', subject: undefined } as const
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    const message = `${version} is too old: ${oldestMajor}.${oldestMinor} is the oldest that works`
    return { ...common, verdict: 'problem', message, hint: 'Install a newer Node, from nodejs.org or the system.' }
  }
  if (major % 2 === 1) {
    const message = `${version} is none of the lines that are supported for long, on which earshot is tested`
    return { ...common, verdict: 'note', message, hint: 'Take a Node with an even number.' }
  }
  return { ...common, verdict: 'ok', message: version, hint: undefined }
}

/** Reads the identity of this user, and makes none where there is none. */
export async function checkIdentity(folder: string): Promise<ShownFinding> {
  const file = join(folder, 'identity')
  const common = { check: 'identity', subject: undefined } as const
  if (!existsSync(file)) return { ...common, ...aboutFolder(folder) }
  try {
    const { id } = await Identity.load(file)
    if (isOpenToOthers(file)) {
      const message = `others on this machine can read the key in ${file}, and pass for you`
      return { ...common, verdict: 'problem', message, hint: `chmod 600 ${file}` }
    }
    return { ...common, verdict: 'ok', message: `${id.slice(0, 8)}, kept in ${file}`, hint: undefined }
  } catch (error) {
    const hint =
      'Restore it, or move it away: the next run makes a new one, and is somebody else for those who know you.'
    return { ...common, verdict: 'problem', message: (error as Error).message, hint }
  }
}

function aboutFolder(folder: string): Pick<ShownFinding, 'verdict' | 'message' | 'hint'> {
  let existing = folder
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing)
  try {
    accessSync(existing, constants.W_OK | constants.X_OK)
    return { verdict: 'ok', message: `none yet: the first run makes one in ${folder}`, hint: undefined }
  } catch {
    return {
      verdict: 'note',
      message: `none can be kept in ${folder}: each run is somebody new`,
      hint: `Make ${existing} writable, or name another folder with XDG_CONFIG_HOME.`,
    }
  }
}

/** Windows has access lists instead, which the folder of the user passes on. */
function isOpenToOthers(file: string): boolean {
  return process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0
}
