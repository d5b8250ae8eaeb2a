/** Errors of a simulated file system, with the code, hint and message that this machine's would have. */

import type { EarshotError } from '../errors.ts'
import { fileError } from '../platform/node/file-error.ts'

/** `fileFailure('ENOSPC', 'cannot write /home/bob/film.mkv')`. */
export function fileFailure(systemCode: string, attempt: string): EarshotError {
  return fileError(Object.assign(new Error(`${attempt}: ${systemCode} (simulated)`), { code: systemCode }), attempt)
}
