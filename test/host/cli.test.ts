import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { type CliHost, cliHost, main, outcome } from '../support/cli-host.ts'
import { isInstalled } from '../support/installed.ts'
import { run } from '../support/run.ts'

/** A daemon with two networks, and a sandbox on one of them. */
async function world(): Promise<CliHost> {
  const cli = await cliHost()
  await cli.daemon()
  await cli.ok('network', 'create', '--subnet', '10.7.0.0/24', '--label', 'team=a', 'web')
  await cli.ok('network', 'create', '--subnet', '10.8.0.0/24', '--internal', 'back')
  await cli.ok('sandbox', 'create', '--network', 'web', '--ip', '10.7.0.9', '-p', '8080:80', 'api')
  return cli
}

interface Named {
  readonly id: string
  readonly name: string
}

const names = (things: readonly Named[]) => things.map(({ name }) => name).sort()

it('makes a network as docker network create would, and shows and removes it', async () => {
  await using cli = await cliHost()
  await cli.daemon()
  const id = await cli.ok(
    ...['network', 'create', '-d', 'bridge', '--subnet', '10.9.0.0/24', '--subnet', 'fd00:9::/64'],
    ...['--ip-range', '10.9.0.128/25', '--gateway', 'fd00:9::5', '--gateway', '10.9.0.3'],
    ...['--aux-address', 'printer=10.9.0.200', '-o', 'com.docker.network.driver.mtu=1400'],
    ...['--internal=false', '--label', 'a=b', '--label', 'c', 'web'],
  )
  expect(id).toMatch(/^[0-9a-f]{64}\n$/)
  const [found] = await cli.json<unknown[]>('network', 'inspect', id.slice(0, 12))
  expect(found).toMatchObject({
    name: 'web',
    driver: 'bridge',
    internal: false,
    labels: { a: 'b', c: '' },
    ipv4: {
      subnet: '10.9.0.0/24',
      range: '10.9.0.128/25',
      gateway: '10.9.0.3',
      auxAddresses: { printer: '10.9.0.200' },
    },
    ipv6: { subnet: 'fd00:9::/64', gateway: 'fd00:9::5' },
    endpoints: [],
  })
  expect(await cli.ok('network', 'rm', 'web')).toBe('web\n')
  expect(await cli.cnm('network', 'inspect', 'web')).toMatchObject({ code: 3, out: '[]\n' })
})

it('lists as a table, as ids, and as JSON, and only what is asked for', async () => {
  await using cli = await world()
  const table = (await cli.ok('network', 'ls', '--filter', 'name=w')).split('\n')
  expect(table[0]).toBe('ID            NAME  DRIVER  SUBNETS      ENDPOINTS')
  expect(table[1]).toMatch(/^[0-9a-f]{12} {2}web {3}bridge {2}10\.7\.0\.0\/24 {2}1$/)
  expect(await cli.ok('network', 'ls', '-q', '--filter', 'label=team=a')).toMatch(/^.{12}\n$/)
  expect(names(await cli.json('network', 'ls', '--filter', 'dangling=true'))).toContain('back')
  const lines = (await cli.ok('endpoint', 'ls', '--format', 'json')).trim().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { name: 'api', networkName: 'web', sandboxName: 'api', ipv4: '10.7.0.9' },
  ])
  expect(await cli.ok('sandbox', 'ls')).toMatch(/\n.{12} {2}api {3}own {5}web {7}10\.7\.0\.9\n$/)
  const { code, err } = await cli.cnm('network', 'ls', '--filter', 'colour=red')
  expect({ code, err }).toEqual({
    code: 2,
    err: 'cnm: "colour=red" is no filter here\nhint: write KEY=VALUE with one of name, id, driver, label, dangling\n',
  })
})

it('connects and disconnects, publishes and unpublishes', async () => {
  await using cli = await world()
  await cli.ok('network', 'connect', '--ip', '10.8.0.7', '--alias', 'backend', 'back', 'api')
  const [endpoint] = await cli.json<object[]>('endpoint', 'inspect', 'back/api')
  expect(endpoint).toMatchObject({ ipv4: '10.8.0.7', aliases: ['backend'] })
  expect(await cli.cnm('endpoint', 'inspect', 'api')).toMatchObject({
    code: 2,
    err: expect.stringContaining('several networks have an endpoint "api"'),
  })
  const published = await cli.ok('endpoint', 'publish', 'web/api', '127.0.0.1:9090:90/udp')
  expect(published).toBe('127.0.0.1:9090->90/udp\n')
  await cli.ok('endpoint', 'unpublish', 'web/api', '127.0.0.1:9090:90/udp')
  await cli.ok('network', 'disconnect', 'back', 'api')
  expect(await cli.cnm('network', 'disconnect', 'back', 'api')).toMatchObject({ code: 4 })
  expect(await cli.cnm('network', 'disconnect', '--force', 'back', 'api')).toMatchObject({
    code: 0,
  })
})

it('makes endpoints that join and leave', async () => {
  await using cli = await world()
  await cli.ok('endpoint', 'create', '--persistent', '--ip', '10.8.0.5', 'back', 'db')
  await cli.ok('endpoint', 'join', 'back/db', 'api')
  const inside = await cli.ok('sandbox', 'exec', 'api', '--', 'ip', '-4', '-br', 'addr')
  expect(inside).toContain('10.8.0.5/24')
  await cli.ok('endpoint', 'leave', 'db')
  expect(await cli.ok('endpoint', 'rm', 'back/db')).toBe('back/db\n')
})

it('runs programs in a sandbox, and passes on how they end', async () => {
  await using cli = await world()
  const show = 'hostname; ip -4 -o addr show eth0; ls /proc/self/fd | wc -l; exit 9'
  const { code, out } = await cli.cnm('sandbox', 'exec', 'api', '--', 'sh', '-c', show)
  expect(code).toBe(9)
  const [hostname, address, descriptors] = out.split('\n')
  expect([hostname, address]).toEqual(['api', expect.stringContaining('10.7.0.9/24')])
  // The fourth is of `ls` itself.
  expect(descriptors).toBe('4')
  expect(await cli.cnm('sandbox', 'exec', 'api', '--', 'no-such')).toMatchObject({ code: 127 })
})

it('has a terminal of its own inside, if there is one', async () => {
  await using cli = await world()
  const command = `cnm() { ${process.execPath} ${new URL('../../dist/cli/main.js', import.meta.url).pathname} "$@"; }
    cnm sandbox exec api -- sh -c 'tty && stty size' </dev/tty`
  const out = await run(
    [
      ...['script', '-qec', `stty rows 33 cols 99; bash -c '${command.replaceAll("'", "'\\''")}'`],
      '/dev/null',
    ] as never,
    { env: { ...process.env, CNM_HOST: cli.socket } },
  )
  expect(out.replaceAll('\r', '')).toMatch(/^\/dev\/tty\n33 99\n$/)
})

it.each([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
  ['anything else', 'maybe\n'],
])('takes %s for a no, on a terminal', async (_, typed) => {
  await using cli = await world()
  const command = `'${process.execPath}' '${main}' network prune`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    timeout: 20_000,
    killSignal: 'SIGKILL',
    env: { ...process.env, CNM_HOST: cli.socket },
  })
  const ended = once(child, 'close')
  child.stdout.once('data', () => child.stdin.write(typed))
  expect(await text(child.stdout)).toContain('without endpoints? [y/N]')
  expect(await ended).toEqual([0, null])
  expect(names(await cli.json('network', 'ls'))).toContain('back')
})

it('goes on after one of several that fails, and ends with its status', async () => {
  await using cli = await world()
  const { code, out, err } = await cli.cnm('network', 'rm', 'web', 'nothing', 'back')
  expect({ code, out }).toEqual({ code: 4, out: 'back\n' })
  expect(err).toContain('cnm: network "web" has 1 endpoint')
  expect(err).toContain('nothing')
  expect(await cli.ok('network', 'rm', '--force', 'web', 'nothing')).toBe('web\n')
})

it('prunes networks without endpoints, by label too, and asks nobody', async () => {
  await using cli = await world()
  expect(await cli.cnm('network', 'prune')).toMatchObject({
    code: 2,
    err: expect.stringContaining('hint: say so with --force'),
  })
  await cli.ok('network', 'create', '--label', 'temporary', 'brief')
  expect(await cli.ok('network', 'prune', '-f', '--filter', 'label=temporary')).toBe('brief\n')
  expect(await cli.ok('network', 'prune', '-f')).toContain('back\n')
  expect(names(await cli.json('network', 'ls'))).toContain('web')
})

it('shows who is connected to what', async () => {
  await using cli = await world()
  const shown = await cli.ok('status')
  expect(shown).toContain('web  bridge, 10.7.0.0/24\n└─ api  10.7.0.9  eth0  0.0.0.0:8080->80/tcp')
  expect(shown).toContain('back  bridge, 10.8.0.0/24, internal\n')
  const { daemon, sandboxes } = await cli.json<{ daemon: { pid: number }; sandboxes: Named[] }>(
    'status',
  )
  expect(daemon.pid).toBe(await cli.daemonPid())
  expect(names(sandboxes)).toEqual(['api'])
})

it('tells what happens, and what has happened', async () => {
  await using cli = await world()
  const args = ['events', '--json', '--since', '0', '--filter', 'type=network']
  const { child, ended } = cli.start(args)
  const seen: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const { action, name } = JSON.parse(line) as { action: string; name: string }
    seen.push(`${action} ${name}`)
    if (name === 'back' && action === 'create') await cli.ok('network', 'create', 'later')
    if (name === 'later') child.kill('SIGTERM')
  }
  expect(seen.filter((each) => each.startsWith('create'))).toEqual(
    expect.arrayContaining(['create web', 'create back', 'create later']),
  )
  expect(await ended).toBe(0)
})

it('takes everything down, if it is told so', async () => {
  await using cli = await world()
  expect(await cli.cnm('down')).toMatchObject({
    code: 2,
    err: expect.stringContaining('no terminal to ask on'),
  })
  expect(names(await cli.json('sandbox', 'ls'))).toEqual(['api'])
  expect(await cli.ok('down', '--yes')).toBe('removed 1 sandbox, 1 endpoint and 2 networks\n')
  await cli.alone()
})

it.each([
  [['network', 'ls', '--format', 'yaml'], 'Use table or json'],
  [['sandbox', 'create', '-p', '8080:80'], '--publish is about a network, and none is given'],
  [['sandbox', 'create', '--gw-priority', '1'], '--gw-priority is about a network'],
  [['network', 'create'], 'hint: "cnm network create --help" says how it is used'],
  [['nonsense'], 'hint: "cnm --help" says how it is used'],
  [['help', 'nonsense'], "cnm: unknown command 'nonsense'"],
  [['help', 'network', 'nonsense'], 'hint: "cnm network --help" says how it is used'],
])('refuses the line %j', async (args, sentence) => {
  await using cli = await cliHost()
  const { code, out, err } = await cli.cnm(...args)
  expect(err).toMatch(/^cnm: /)
  expect(err).toContain(sentence)
  expect({ code, out }).toEqual({ code: 2, out: '' })
})

it('refuses a line as JSON, if JSON is asked for', async () => {
  await using cli = await cliHost()
  const { code, err } = await cli.cnm('network', 'create', '--json')
  expect(JSON.parse(err)).toMatchObject({
    code: 'INVALID_ARGUMENT',
    hint: '"cnm network create --help" says how it is used',
  })
  expect(code).toBe(2)
})

it('says in a sentence that nothing can be written', async () => {
  const argv = ['-c', '"$0" "$1" version >/dev/full', process.execPath, main]
  const child = spawn('sh', argv, { timeout: 20_000, killSignal: 'SIGKILL' })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const { code, err } = await outcome({ child, ended })
  expect({ code, err }).toEqual({
    code: 1,
    err: "cnm: standard output can't be written: ENOSPC\n",
  })
})

it('completes commands, options and names', async () => {
  await using cli = await world()
  const complete = async (...words: string[]) =>
    (await cli.ok('__complete', '--', ...words))
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [line.split('\t')[0]]))
  expect(await complete('net')).toEqual(['network'])
  expect(await complete('network', 'conn')).toEqual(['connect'])
  expect(await complete('network', 'connect', 'we')).toEqual(['web'])
  expect(await complete('network', 'connect', '--ip', '10.7.0.4', 'web', '')).toEqual(['api'])
  expect(await complete('run', '--network', 'b')).toEqual(['back'])
  expect(await complete('run', '--network=b')).toEqual(['--network=back'])
  expect(await complete('run', '--network', '=', 'b')).toEqual(['back'])
  expect(await complete('run', '--network', '=')).toContain('back')
  expect(await complete('run', '--network', '=', 'web', '--pub')).toContain('--publish')
  expect(await complete('endpoint', 'publish', '')).toEqual(['web/api'])
  expect(await complete('run', '--pub')).toEqual(['--publish', '--publish-all'])
  expect(await complete('run', 'curl', '--pub')).toEqual([])
  const bash = `${await cli.ok('completion', 'bash')}
    cnm() { ${process.execPath} ${new URL('../../dist/cli/main.js', import.meta.url).pathname} "$@"; }
    COMP_WORDS=(cnm sandbox exec a) COMP_CWORD=3
    _cnm; printf '%s\\n' "\${COMPREPLY[@]}"`
  const env = { ...process.env, CNM_HOST: cli.socket }
  expect(await run(['bash', '-c', bash], { env })).toBe('api\n')
})

it('completes nothing, and keeps nobody waiting, where the daemon hangs', async () => {
  await using cli = await cliHost()
  await mkdir(cli.runDir)
  const hanging = createServer(() => {})
  hanging.listen(cli.socket)
  await once(hanging, 'listening')
  try {
    expect(await cli.cnm('__complete', '--', 'network', 'rm', '')).toEqual({
      code: 0,
      out: '',
      err: '',
    })
  } finally {
    hanging.close()
    await rm(cli.socket, { force: true })
  }
})

/** What each shell is asked after it has read its script. */
const shells = [
  [
    'zsh',
    ['-fc', `compdef() { :; }\n_describe() { printf '%s\\n' "\${found[@]%%:*}"; }\n`],
    'words=(cnm sandbox exec "") CURRENT=4\n_cnm',
  ],
  ['fish', ['-Nc', ''], "complete -C 'cnm sandbox exec ' | string split -f 1 \\t"],
] as const

describe.each(shells)('completion in %s', (shell, [flag, before], ask) => {
  it.skipIf(!isInstalled(shell))('is of names that there are', async () => {
    await using cli = await world()
    const folder = join(cli.host.folder, 'bin')
    await mkdir(folder)
    const command = `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`
    await writeFile(join(folder, 'cnm'), command, { mode: 0o755 })
    const script = `${before}${await cli.ok('completion', shell)}\n${ask}`
    const PATH = `${folder}:${process.env.PATH}`
    const env = { ...process.env, PATH, HOME: folder, CNM_HOST: cli.socket }
    expect(await run([shell, flag, script], { env })).toBe('api\n')
  })
})

it.each([
  [['--version'], /^cnm \d+\.\d+\.\d+\n$/],
  [['help', 'network', 'create'], /^Usage: cnm network create /],
  [['help', 'network'], /^Usage: cnm network \[/],
])('answers %j', async (args, answer) => {
  await using cli = await cliHost()
  expect(await cli.ok(...args)).toMatch(answer)
})

it('says where it looked, and how to start a daemon, if none answers', async () => {
  await using cli = await cliHost()
  const { code, err } = await cli.cnm('network', 'ls')
  expect(code).toBe(6)
  expect(err).toContain(`cnm: no daemon answers at ${cli.socket}`)
  expect(err).toContain('hint: start it with "cnm daemon"')
  expect(await cli.ok('version')).toMatch(/^cnm \S+, Node \S+\nno daemon answers at \/\S+\n$/)
})

it('ends quietly when nobody reads any more', async () => {
  await using cli = await world()
  const { child, ended } = cli.start(['events', '--since', '0'])
  await once(child.stdout, 'data')
  child.stdout.destroy()
  await cli.ok('network', 'create', 'one')
  await cli.ok('network', 'create', 'two')
  const err = text(child.stderr)
  expect({ code: await ended, err: await err }).toEqual({ code: 0, err: '' })
})

it('ends with the status of an error, though nobody reads what it was', async () => {
  await using cli = await cliHost()
  const { child, ended } = cli.start(['network', 'ls'])
  child.stderr.destroy()
  expect(await ended).toBe(6)
})

it('answers a mistake in the command line as JSON, if it is to', async () => {
  await using cli = await cliHost()
  const { code, err } = await outcome(cli.start(['network', 'create', '--json', '--colour', 'x']))
  expect(code).toBe(2)
  expect(JSON.parse(err)).toMatchObject({ code: 'INVALID_ARGUMENT', kind: 'invalid' })
})
