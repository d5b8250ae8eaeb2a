/** The optional packages: what each is for, and why it is not there. */

import { asError } from '../errors.ts'
import type { Platform } from '../platform/platform.ts'
import { type Finding, finding } from './finding.ts'
import type { LoadablePackage, LocalSystem } from './local-system.ts'

/** None of them is needed in a LAN. */
export async function checkPackages(platform: Platform, { packages }: LocalSystem): Promise<readonly Finding[]> {
  return Promise.all([reliableUdp(platform), ...packages].map(checkPackage))
}

async function checkPackage({ name, without, load }: LoadablePackage): Promise<Finding> {
  const parts = { check: 'package', subject: name } as const
  try {
    await load()
    return finding({ ...parts, verdict: 'ok', message: 'loads' })
  } catch (error) {
    const cause = asError((error as Error).cause ?? error)
    const isMissing = 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND' && cause.message.includes(`'${name}'`)
    const [firstLine = ''] = cause.message.split('\n')
    return finding({
      ...parts,
      verdict: 'note',
      message: `${isMissing ? 'is not installed' : `does not load: ${firstLine}`}. Without it ${without}.`,
      hint: isMissing
        ? `npm install ${name}`
        : `Install it again, for this system and this Node: npm install ${name}. Builds for some systems do not exist.`,
      details: { isMissing, reason: firstLine },
    })
  }
}

/** The platform has it, or says why not. */
function reliableUdp(platform: Platform): LoadablePackage {
  const load = async (): Promise<void> => {
    const support = await platform.reliableUdp()
    if (support.kind === 'missing') throw support.reason
  }
  return { name: 'udx-native', without: 'paths between NATs are TCP or relays', load }
}
