import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { configSchema, milliseconds, readConfig } from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'cnm-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(content: unknown): string {
  const path = join(folder, 'daemon.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

it('takes flags over the environment over the file', async () => {
  const environment = { CNM_RUN_DIR: '/env', CNM_LOG_LEVEL: 'warn', CNM_STATE_DIR: '' }
  const path = file({ stateDir: '/file', runDir: '/file', logLevel: 'error', dns: { zone: false } })
  const flags = { logLevel: 'debug', runDir: undefined }
  const expected = { stateDir: '/file', runDir: '/env', logLevel: 'debug', dns: { zone: false } }
  expect(await readConfig({ file: path, environment, flags })).toEqual(expected)
  const named = { ...environment, CNM_CONFIG: path }
  expect(await readConfig({ environment: named, flags })).toEqual(expected)
  expect(await readConfig()).toEqual({})
})

it.each([
  [{ stateDirr: '/x' }, 'unknown key "stateDirr"'],
  [{ dns: { zone: 'a', servers: [] } }, 'unknown key "servers" in dns'],
  [{ dns: { zone: 5 } }, 'dns.zone '],
  [{ idleExit: '30' }, 'idleExit is no duration'],
  [{ idleExit: '600h' }, 'idleExit is 600h, which is too long'],
  [{ endpointIdle: '999999m' }, 'endpointIdle is 999999m, which is too long'],
  [[], 'must be object'],
  ['{', 'is no JSON'],
])('refuses %j', async (content, message) => {
  const path = file(content)
  await expect(readConfig({ file: path })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(`${path}`),
  })
  await expect(readConfig({ file: path })).rejects.toThrow(message)
})

it('names the source of what is wrong', async () => {
  const environment = { CNM_IDLE_EXIT: 'soon' }
  await expect(readConfig({ environment })).rejects.toThrow(/^CNM_IDLE_EXIT is no duration$/)
  await expect(readConfig({ flags: { logLevel: 'x' } })).rejects.toMatchObject({
    message: '--log-level must be one of "debug", "info", "warn", "error"',
    hint: expect.stringContaining('Default: info'),
  })
  await expect(readConfig({ flags: { idleExit: '600h' } })).rejects.toThrow(/^--idle-exit is 600h,/)
  await expect(readConfig({ flags: { logLevl: 'info' } })).rejects.toMatchObject({
    hint: 'did you mean "logLevel"?',
  })
  await expect(readConfig({ environment })).rejects.toMatchObject({
    hint: expect.stringContaining('30s, 5m'),
  })
  const nowhere = readConfig({ file: join(folder, 'nowhere') })
  await expect(nowhere).rejects.toThrow(/nowhere can't be read: ENOENT$/)
})

it.each([
  ['250ms', 250],
  ['30s', 30_000],
  ['5m', 300_000],
  ['2h', 7_200_000],
])('%s is %i ms', (text, ms) => {
  expect(milliseconds(text)).toBe(ms)
})

it('is published as a schema (`vitest run -u` renews it)', async () => {
  const path = fileURLToPath(new URL('../../docs/reference/daemon.schema.json', import.meta.url))
  await expect(`${JSON.stringify(configSchema(), null, 2)}\n`).toMatchFileSnapshot(path)
})
