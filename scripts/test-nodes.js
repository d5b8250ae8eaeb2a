/** Other versions of Node, from the packages behind npm's `node`: each has one binary and no dependencies. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PLATFORMS = { win32: 'win', darwin: 'darwin', linux: 'linux' }

/** The path of a binary of Node `version` ('22', '24.9.0'), installed once into node_modules/.cache. */
export function nodeBinary(root, version) {
  if (!/^\d+(\.\d+){0,2}$/.test(version))
    throw new RangeError(`a Node version looks like 22 or 22.12.0, not ${version}`)
  if (process.versions.node === version || process.versions.node.startsWith(`${version}.`)) return process.execPath
  const folder = join(root, 'node_modules/.cache/node', version)
  const name = `node-${PLATFORMS[process.platform]}-${process.arch}`
  const binary = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(binary)) install(folder, `${name}@${version}`)
  return binary
}

function install(folder, specifier) {
  mkdirSync(folder, { recursive: true })
  // A package of its own, or npm would install into the one above.
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const { status } = spawnSync('npm', ['install', '--silent', '--no-package-lock', specifier], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error(`npm could not install ${specifier}`)
}
