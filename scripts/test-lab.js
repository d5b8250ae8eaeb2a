/** What the group `lab` needs: hosts in network namespaces with real daemons on them. */

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const PROGRAMS = {
  ip: 'iproute2',
  nft: 'nftables',
  python3: 'python3',
  'avahi-daemon': 'avahi-daemon',
  'avahi-browse': 'avahi-utils',
  'dbus-daemon': 'dbus',
  turnserver: 'coturn',
  miniupnpd: 'miniupnpd miniupnpd-nftables',
  mosquitto: 'mosquitto',
  openssl: 'openssl',
}

/** Why the lab cannot run here: one reason each, none if it can. */
export function missingForLab(root, hasIsolation) {
  if (process.platform !== 'linux') return ['needs Linux']
  const reasons = []
  if (process.getuid() !== 0) reasons.push('needs root')
  if (!hasIsolation) reasons.push('needs network namespaces (unshare, ip)')
  for (const [program, debianPackage] of Object.entries(PROGRAMS)) {
    if (!isInstalled(program)) reasons.push(`needs ${program} (apt-get install ${debianPackage})`)
  }
  if (!existsSync(join(root, '../shared/natlab/natlab'))) reasons.push('needs ../shared/natlab beside the checkout')
  return reasons
}

export function labFiles(root) {
  const folder = join(root, 'test/lab')
  if (!existsSync(folder)) return []
  const files = readdirSync(folder, { recursive: true }).map(file => join('test/lab', file))
  return files.filter(file => file.endsWith('.test.ts')).sort()
}

/** How many tests a file has, read from its text: it is not loaded where it cannot run. */
export function countLabTests(root, file) {
  return readFileSync(join(root, file), 'utf8').match(/^\s*(test|it)(\.\w+)*\(/gm)?.length ?? 1
}

function isInstalled(program) {
  // Some live where only root's PATH leads.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
  return spawnSync('sh', ['-c', `command -v ${program}`], { env }).status === 0
}
