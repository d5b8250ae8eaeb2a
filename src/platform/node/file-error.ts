/** Translates what the file system says into codes, with hints that speak of files. */

import { EarshotError, type ErrorCode } from '../../errors.ts'
import { nodeError, systemCodeOf } from './node-error.ts'

const TRANSLATIONS: Readonly<Record<string, readonly [code: ErrorCode, hint: string]>> = {
  ENOENT: ['not-found', 'There is no such file or folder.'],
  ENOTDIR: ['not-found', 'A part of the path is not a folder.'],
  ENOSPC: ['no-space', 'The disk is full: make room, and send again; what is there already is not sent twice.'],
  EDQUOT: ['no-space', 'The disk quota is used up: make room, and send again.'],
  EFBIG: ['no-space', 'This file system takes no file of that size: FAT32 takes 4 GiB.'],
  EACCES: ['permission-denied', 'The system does not allow this program to use that file or folder.'],
  EPERM: ['permission-denied', 'The system does not allow this program to use that file or folder.'],
  EROFS: ['permission-denied', 'The file system is read-only.'],
  ELOOP: ['permission-denied', 'There is a symbolic link where a file or folder should be; none is followed here.'],
  ENAMETOOLONG: ['too-large', 'The name or the path is longer than this file system takes.'],
}

/** `attempt` says what was tried: 'cannot read /home/ada/film.mkv'. */
export function fileError(thrown: unknown, attempt: string): EarshotError {
  const systemCode = systemCodeOf(thrown) ?? ''
  const translation = TRANSLATIONS[systemCode]
  if (translation === undefined || thrown instanceof EarshotError) return nodeError(thrown, attempt, 'invalid-data')
  const [code, hint] = translation
  return new EarshotError(code, `${attempt}: ${systemCode}`, { cause: thrown, hint })
}
