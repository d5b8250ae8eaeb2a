import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  test: {
    setupFiles: ['test/setup.ts'],
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['test/lab/**'],
          testTimeout: 15_000,
          // By default one core is left free, of two that is half of the time.
          maxWorkers: '100%',
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Real hosts in network namespaces (scripts/test-lab.js says what that needs), afterwards and one file at a time:
        // their clocks are real.
        extends: true,
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})

export default config
