/**
 * Errors of a simulated operating system. They go through the translation that real ones go through, so that code, hint
 * and message are the same on both networks.
 */

import type { EarshotError } from '../errors.ts'
import { nodeError } from '../platform/node/node-error.ts'

/** `systemError('ECONNREFUSED', 'cannot connect to 192.168.1.2:4112')`. */
export function systemError(systemCode: string, attempt: string): EarshotError {
  const cause = Object.assign(new Error(`${attempt}: ${systemCode} (simulated)`), { code: systemCode })
  return nodeError(cause, attempt, 'unreachable')
}
