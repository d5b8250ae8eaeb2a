import { join } from 'node:path'
import { expect, test } from 'vitest'
import { configFolder } from './config-folder.ts'

const HOME = join('/home', 'ada')

test('Linux keeps settings in ~/.config', () => {
  expect(configFolder({}, 'linux', HOME)).toBe(join(HOME, '.config', 'earshot'))
})

test('macOS and Windows have folders of their own', () => {
  expect(configFolder({}, 'darwin', HOME)).toBe(join(HOME, 'Library', 'Application Support', 'earshot'))
  expect(configFolder({ APPDATA: join('C:', 'Roaming') }, 'win32', HOME)).toBe(join('C:', 'Roaming', 'earshot'))
  expect(configFolder({}, 'win32', HOME)).toBe(join(HOME, 'AppData', 'Roaming', 'earshot'))
})

test.each(['linux', 'darwin', 'win32'] as const)('XDG_CONFIG_HOME counts on %s', platform => {
  expect(configFolder({ XDG_CONFIG_HOME: join('/etc', 'x') }, platform, HOME)).toBe(join('/etc', 'x', 'earshot'))
})

test('an empty XDG_CONFIG_HOME counts as unset', () => {
  expect(configFolder({ XDG_CONFIG_HOME: '' }, 'linux', HOME)).toBe(join(HOME, '.config', 'earshot'))
})
