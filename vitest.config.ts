import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** What they find depends on the processors' being free. */
const alone = ['rate', 'rate-throughput'].map((name) => `test/host/${name}.test.ts`)

const host = {
  pool: 'forks',
  globalSetup: 'test/support/leftovers.ts',
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // What is polled for comes in its own time on a busy machine.
  expect: { poll: { timeout: 15_000 } },
} as const

const source = (path: string) => fileURLToPath(new URL(`src/${path}`, import.meta.url))

/** Examples import the package; in unit tests nothing is built. */
const unbuilt = [
  { find: /^libcnm$/, replacement: source('index.ts') },
  { find: /^libcnm\/plugin$/, replacement: source('plugin/server.ts') },
]

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias: unbuilt },
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/*.test.ts'],
          testTimeout: 20_000,
          expect: { poll: { timeout: 15_000 } },
          maxWorkers: '100%',
        },
      },
      {
        test: {
          ...host,
          name: 'host',
          include: ['test/host/**/*.test.ts'],
          exclude: alone,
          // They wait for packets and processes more than they compute: 2 takes about half the time.
          maxWorkers: Number(process.env.CNM_TEST_WORKERS ?? 2),
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...host,
          name: 'host-alone',
          include: alone,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
