/**
 * Translates the system's error codes into ours; nothing outside this folder knows `ECONNREFUSED`. The code says what
 * the caller can do, the hint what a user can, and the system's error stays as `cause`.
 */

import { EarshotError, type ErrorCode } from '../../errors.ts'
import { CONNECTION_RESET, NOBODY_LISTENS } from '../network.ts'

type Translation = readonly [code: ErrorCode, hint: string, reason?: string]

const WRONG_CERTIFICATE: Translation = [
  'untrusted-peer',
  'The certificate of that server is not one to trust: it is for another name, out of date, or signed by nobody known.',
]

const NOT_TLS: Translation = [
  'protocol-violation',
  'What answers there does not speak TLS as it should: is it the right port?',
]

const TRANSLATIONS: Readonly<Record<string, Translation>> = {
  EACCES: [
    'permission-denied',
    'The system does not allow it; a port below 1024 or a firewall rule may be the reason.',
  ],
  EPERM: ['permission-denied', 'The system does not allow it; a firewall on this machine may be the reason.'],
  EROFS: ['permission-denied', 'The file system is read-only.'],
  EADDRINUSE: ['address-in-use', 'Another program uses this port: choose another one, or 0 for any free port.'],
  EADDRNOTAVAIL: [
    'no-network',
    'This machine does not have that address now; `earshot interfaces` lists those it has.',
  ],
  EAFNOSUPPORT: ['no-network', 'This machine does not speak that version of IP.'],
  EPROTONOSUPPORT: ['no-network', 'This machine does not speak that version of IP.'],
  ENODEV: ['no-network', 'The interface is gone; `earshot interfaces` lists those there are.'],
  ENXIO: ['no-network', 'The interface is gone; `earshot interfaces` lists those there are.'],
  ENETDOWN: ['no-network', 'The interface is down.'],
  ECONNREFUSED: [
    'unreachable',
    'The machine is there but nobody listens on that port: has the program ended?',
    NOBODY_LISTENS,
  ],
  EHOSTUNREACH: ['unreachable', 'Nobody answers at that address: is the machine on, and in the same network?'],
  EHOSTDOWN: ['unreachable', 'Nobody answers at that address: is the machine on, and in the same network?'],
  ENETUNREACH: ['unreachable', 'No interface leads to that network: is this machine connected to it?'],
  ENOTFOUND: ['unreachable', 'No such host name: check its spelling, or use the IP address.'],
  EAI_AGAIN: ['unreachable', 'Host names cannot be resolved now; the IP address may still work.'],
  EINVAL: ['unreachable', 'The system rejects this address; a link-local IPv6 one needs its zone, as in fe80::1%eth0.'],
  ETIMEDOUT: ['timeout', 'No answer: the machine may be off or asleep, or a firewall drops the packets.'],
  ECONNRESET: ['lost', 'The other side broke the connection off: its program may have ended.', CONNECTION_RESET],
  ECONNABORTED: ['lost', 'The connection broke: the network may have changed.'],
  EPIPE: ['lost', 'The other side has closed the connection.'],
  CERT_HAS_EXPIRED: WRONG_CERTIFICATE,
  CERT_NOT_YET_VALID: WRONG_CERTIFICATE,
  DEPTH_ZERO_SELF_SIGNED_CERT: WRONG_CERTIFICATE,
  SELF_SIGNED_CERT_IN_CHAIN: WRONG_CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: WRONG_CERTIFICATE,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: WRONG_CERTIFICATE,
  ERR_TLS_CERT_ALTNAME_INVALID: WRONG_CERTIFICATE,
  EPROTO: NOT_TLS,
  ERR_SSL_WRONG_VERSION_NUMBER: NOT_TLS,
  EMFILE: ['limit-reached', 'This process has too many files and sockets open (`ulimit -n`).'],
  ENFILE: ['limit-reached', 'This machine has too many files and sockets open.'],
  ENOBUFS: ['limit-reached', 'The system has no buffers left for this; sending more slowly may help.'],
  ENOMEM: ['limit-reached', 'The system has no memory left for this.'],
  ENOSPC: ['limit-reached', 'The disk is full, or the system allows no more group memberships.'],
  EDQUOT: ['limit-reached', 'The disk quota is used up.'],
  EMSGSIZE: ['too-large', 'A UDP datagram has at most 65,507 bytes, on some interfaces fewer.'],
}

/**
 * `thrown` as an EarshotError. `attempt` says what was tried, with its values: 'cannot connect to 192.168.0.2:4112';
 * `otherwise` is the code for what is not in the table.
 */
export function nodeError(thrown: unknown, attempt: string, otherwise: ErrorCode): EarshotError {
  if (thrown instanceof EarshotError) return thrown
  const systemCode = systemCodeOf(thrown)
  const [code, hint, reason] = TRANSLATIONS[systemCode ?? ''] ?? [otherwise, undefined]
  const message = `${attempt}: ${systemCode ?? (thrown instanceof Error ? thrown.message : String(thrown))}`
  return new EarshotError(code, message, {
    cause: thrown,
    ...(hint !== undefined && { hint }),
    ...(reason !== undefined && { reason }),
  })
}

/** The system's name for what went wrong, such as `ENOENT`. */
export function systemCodeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}
