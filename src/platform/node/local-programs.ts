/** Who has a port, and which firewalls are active, as Linux tells in files; other systems would have to be asked by programs. */

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** A socket of `/proc/net/udp`. */
export interface BoundSocket {
  readonly inode: string
  readonly uid: number
}

/** As people call them. Programs of other users have their names only for root. */
export function udpPortUsers(port: number): readonly string[] {
  const sockets = ['udp', 'udp6'].flatMap(table => socketsOnPort(read(`/proc/self/net/${table}`), port))
  const wanted = new Map(sockets.map(({ inode, uid }) => [inode, uid]))
  const users = new Set<string>()
  for (const pid of entries('/proc').filter(name => /^\d+$/.test(name))) {
    for (const inode of inodesOf(pid)) {
      if (!wanted.delete(inode) || pid === String(process.pid)) continue
      users.add(`${read(`/proc/${pid}/comm`).trim()} (pid ${pid})`)
    }
  }
  for (const uid of new Set(wanted.values())) users.add(`a program of user ${uid}`)
  return [...users]
}

/** Lines of `/proc/net/udp`: number, local address, …, uid, timeout, inode. */
export function socketsOnPort(table: string, port: number): readonly BoundSocket[] {
  return table.split('\n').flatMap(line => {
    const [, local = '', , , , , , uid = '', , inode = ''] = line.trim().split(/\s+/)
    const hex = /^[0-9A-F]+:([0-9A-F]{4})$/.exec(local)?.[1]
    return hex !== undefined && Number.parseInt(hex, 16) === port ? [{ inode, uid: Number(uid) }] : []
  })
}

/**
 * Those that say so in files that all may read; rules that were made by hand (nft, iptables) only root sees. Undefined on other
 * systems than Linux.
 */
export function activeFirewalls(): readonly string[] | undefined {
  if (process.platform !== 'linux') return undefined
  const isUfwOn = /^ENABLED=yes$/m.test(read('/etc/ufw/ufw.conf'))
  const isFirewalldOn = existsSync('/run/firewalld.pid') || existsSync('/run/firewalld')
  return [...(isUfwOn ? ['ufw'] : []), ...(isFirewalldOn ? ['firewalld'] : [])]
}

function inodesOf(pid: string): string[] {
  return entries(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
    } catch {
      return [] // Closed meanwhile.
    }
  })
}

/** Empty where the system has none, or does not let us look. */
function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
