/** The optional packages: what each is for, and why it is not there. */

import { loadBrokerPackage } from '../broker/broker.ts'
import { asError } from '../errors.ts'
import type { Platform } from '../platform/platform.ts'
import { loadMqtt } from '../rendezvous/mqtt/mqtt-connector.ts'
import { type Finding, finding } from './finding.ts'

interface OptionalPackage {
  readonly name: string
  /** What does not work without it. */
  readonly without: string
  /** Rejects with the error of the package as `cause`. */
  load(): Promise<unknown>
}

/** None of them is needed in a LAN. */
export async function checkPackages(platform: Platform): Promise<readonly Finding[]> {
  return Promise.all(optionalPackages(platform).map(checkPackage))
}

async function checkPackage({ name, without, load }: OptionalPackage): Promise<Finding> {
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

function optionalPackages(platform: Platform): readonly OptionalPackage[] {
  const loadReliableUdp = async (): Promise<void> => {
    const support = await platform.reliableUdp()
    if (support.kind === 'missing') throw support.reason
  }
  return [
    { name: 'udx-native', without: 'paths between NATs are TCP or relays', load: loadReliableUdp },
    { name: 'mqtt', without: 'no broker can be used to find peers beyond the LAN', load: loadMqtt },
    { name: 'aedes', without: '`earshot broker` does not start', load: () => loadBrokerPackage('aedes') },
    { name: 'ws', without: '`earshot broker` has no websockets', load: () => loadBrokerPackage('ws') },
  ]
}
