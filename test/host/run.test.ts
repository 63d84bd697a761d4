import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { type ThrowAwayHost, throwAwayHost } from '../support/host.ts'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

function start(host: ThrowAwayHost, args: readonly string[]) {
  const folders = ['--state-dir', join(host.folder, 'state'), '--run-dir', join(host.folder, 'run')]
  const [command, ...rest] = args
  const argv = [`--net=${host.netns}`, process.execPath, main, String(command), ...folders, ...rest]
  const child = spawn('nsenter', argv, { timeout: 20_000 })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { child, ended }
}

async function cnm(host: ThrowAwayHost, ...args: string[]) {
  const { child, ended } = start(host, args)
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await ended, out, err }
}

it('gives a program a network of its own, and leaves nothing', async () => {
  await using host = await throwAwayHost()
  const before = [await host.ip('addr'), await host.nft('list ruleset')]
  const { code, out } = await cnm(host, 'run', '--network', 'web', '--', 'ip', '-j', 'addr')
  expect(code).toBe(0)
  const links = JSON.parse(out) as { ifname: string; addr_info: { local: string }[] }[]
  expect(links.map(({ ifname }) => ifname)).toEqual(['lo', 'eth0'])
  expect(links[1]?.addr_info[0]?.local).toMatch(/^10\./)
  expect([await host.ip('addr'), await host.nft('list ruleset')]).toEqual(before)
})

it.each([
  [['sh', '-c', 'exit 7'], 7],
  [['sh', '-c', 'kill -TERM $$'], 128 + 15],
  [['no-such-program'], 127],
])('passes on how %j ended', async (command, status) => {
  await using host = await throwAwayHost()
  expect((await cnm(host, 'run', '--', ...command)).code).toBe(status)
})

it('passes signals on and cleans up', async () => {
  await using host = await throwAwayHost()
  const script = 'trap "echo caught; exit 3" TERM; echo ready; while :; do sleep 0.05; done'
  const { child, ended } = start(host, ['run', '--network', 'web', '--', 'sh', '-c', script])
  let output = ''
  for await (const chunk of child.stdout) {
    output += chunk
    if (String(chunk).includes('ready')) child.kill('SIGTERM')
  }
  expect(output).toBe('ready\ncaught\n')
  expect(await ended).toBe(3)
  expect((await host.ip('-j link')) as unknown[]).toHaveLength(1)
})

it('collects at the next start what a killed one has left', async () => {
  await using host = await throwAwayHost()
  const { child, ended } = start(host, [
    'run',
    '--network',
    'web',
    '--',
    'sh',
    '-c',
    'echo $$; exec sleep 60',
  ])
  const [pid] = (await once(child.stdout, 'data')) as [Buffer]
  child.kill('SIGKILL')
  // The program has outlived it, and holds its output open.
  process.kill(Number(String(pid)), 'SIGKILL')
  await ended
  expect((await host.ip('-j link')) as unknown[]).toHaveLength(3)
  expect(await cnm(host, 'doctor')).toEqual({ code: 0, out: 'all is as recorded\n', err: '' })
  expect((await host.ip('-j link')) as unknown[]).toHaveLength(1)
})

it.each([
  [['run', '--network', 'web', '--ip', '10.9.9.9', '--', 'true'], 2, 'cnm: '],
  [['run', '--netwrok', 'web', '--', 'true'], 2, 'Did you mean --network?'],
  [['run'], 2, "missing required argument 'command'"],
  [['run', '--name', 'a b', '--', 'true'], 2, '"a b" is not a name'],
])('answers the mistake %j with a sentence and changes nothing', async (args, status, sentence) => {
  await using host = await throwAwayHost()
  const { code, err } = await cnm(host, ...args)
  expect(err).toContain(sentence)
  expect(code).toBe(status)
  expect((await host.ip('-j link')) as unknown[]).toHaveLength(1)
  expect(await host.nft('list ruleset')).toBe('')
})

it('refuses a second engine on the host, naming the first', async () => {
  await using host = await throwAwayHost()
  const first = start(host, ['run', '--', 'sh', '-c', 'echo ready; read line'])
  await once(first.child.stdout, 'data')
  const second = await cnm(host, 'run', '--', 'true')
  expect(second.code).toBe(4)
  expect(second.err).toMatch(/cnm: process \d+ is the engine/)
  first.child.stdin.end('\n')
  expect(await first.ended).toBe(0)
})
