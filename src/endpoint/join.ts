/** `join`: from arguments to an open room. */

import type { Platform } from '../platform/platform.ts'
import { deriveSecretKey } from '../session/handshake-secret.ts'
import { loadWays } from './connecting/ways.ts'
import { INTERNET } from './internet/lazy-internet.ts'
import type { InternetOptions, JoinOptions } from './options.ts'
import { checkJoinOptions, type RoomOptions } from './options-check.ts'
import { Room, type RoomInternet } from './room.ts'

export interface JoinParts {
  readonly platform: Platform
  /** Keeps the process from ending until the returned function is called. */
  readonly hold: () => () => void
}

/**
 * See `join` in index.ts, which adds this machine as the default platform. What a room does not use is not loaded: a third
 * of earshot is the way through NATs.
 */
export async function joinOn(service: string, options: JoinOptions, parts: JoinParts): Promise<Room> {
  const { platform, hold } = parts
  const checked = checkJoinOptions(service, options, platform)
  const { secret, discovery, signal } = checked
  signal?.throwIfAborted()
  const [psk, ways, internet] = await Promise.all([
    secret === undefined ? undefined : deriveSecretKey(secret, service),
    loadWays(discovery),
    options.internet === undefined ? undefined : loadInternet(options.internet, parts, checked),
  ])
  return Room.open(checked, { platform, hold, psk, ways, internet })
}

async function loadInternet(
  options: InternetOptions,
  parts: JoinParts,
  { service, secret }: RoomOptions,
): Promise<RoomInternet> {
  const { checkInternet, deriveRoomKey, Internet } = await INTERNET.get()
  const settings = checkInternet(options, parts)
  const hasGroup = secret !== undefined && settings.rendezvous.length > 0
  const roomKey = hasGroup ? await deriveRoomKey(secret, service) : undefined
  return { make: rest => new Internet({ settings, roomKey, ...rest }) }
}
