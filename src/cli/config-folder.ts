/** Where a user's settings are kept, by the custom of each system. */

import { homedir } from 'node:os'
import { join } from 'node:path'

/** The folder of this program. XDG_CONFIG_HOME (XDG base directory specification) counts on every system. */
export function configFolder(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string {
  return join(baseFolder(env, platform, home), 'earshot')
}

function baseFolder(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
  home: string,
): string {
  const xdg = env['XDG_CONFIG_HOME']
  if (xdg) return xdg
  if (platform === 'win32') return env['APPDATA'] || join(home, 'AppData', 'Roaming')
  if (platform === 'darwin') return join(home, 'Library', 'Application Support')
  return join(home, '.config')
}
