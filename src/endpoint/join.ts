/** `join`: from arguments to an open room. */

import type { Platform } from '../platform/platform.ts'
import type { JoinOptions } from './options.ts'
import { checkJoinOptions } from './options-check.ts'
import { Room } from './room.ts'

/** See `join` in index.ts, which adds this machine as the default platform. */
export async function joinOn(
  platform: Platform,
  service: string,
  options: JoinOptions,
  hold: () => () => void,
): Promise<Room> {
  return Room.open(checkJoinOptions(service, options, platform), platform, hold)
}
