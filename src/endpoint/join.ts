/** `join`: from arguments to an open room. */

import type { Platform } from '../platform/platform.ts'
import type { InternetParts } from './internet/internet-settings.ts'
import type { JoinOptions } from './options.ts'
import { checkJoinOptions } from './options-check.ts'
import { Room } from './room.ts'

export interface JoinParts {
  readonly platform: Platform
  /** Keeps the process from ending until the returned function is called. */
  readonly hold: () => () => void
  /** Undefined where nobody can ask for `internet`. */
  readonly internet: InternetParts | undefined
}

/** See `join` in index.ts, which adds this machine as the default platform. */
export async function joinOn(service: string, options: JoinOptions, parts: JoinParts): Promise<Room> {
  const { platform, hold, internet } = parts
  return Room.open(checkJoinOptions(service, options, platform, internet), platform, hold)
}
