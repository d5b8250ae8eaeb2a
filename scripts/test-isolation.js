/** A network namespace for the tests: nothing they send can leave the machine, whatever it is. */

import { spawnSync } from 'node:child_process'

/**
 * In the new namespace: loopback up, and our own view of /sys, which otherwise goes on showing the machine's interfaces.
 * Lab namespaces are kept in a private /run/netns, so that nothing is left of them when the tests end.
 */
const ENTER = `
ip link set lo up || exit 1
mount -t sysfs sysfs /sys 2>/dev/null
mkdir -p /run/netns /run/natlab 2>/dev/null && mount -t tmpfs tmpfs /run/netns && mount -t tmpfs tmpfs /run/natlab
exec "$@"
`

/**
 * The beginning of a command line that runs what follows in a network namespace of its own, as root of the machine, or as
 * root of a user namespace. Undefined where the system allows neither.
 */
export function isolation() {
  if (process.platform !== 'linux') return undefined
  const candidates = process.getuid?.() === 0 ? [['-n', '-m']] : [['-r', '-n', '-m']]
  return candidates
    .map(flags => ['unshare', ...flags, 'sh', '-c', ENTER, 'sh'])
    .find(
      command => spawnSync(command[0], [...command.slice(1), 'grep', '-q', 'lo:', '/proc/self/net/dev']).status === 0,
    )
}
