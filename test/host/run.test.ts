import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createController, type EngineOptions } from '#dist/linux/library.js'
import { cliHost, hasEnded, main, outcome, until } from '../support/cli-host.ts'
import { kill } from '../support/ended.ts'

it('gives a program a network of its own, and leaves nothing', async () => {
  await using cli = await cliHost()
  const { host } = cli
  const before = [await host.ip('addr'), await host.nft('list ruleset')]
  const { code, out } = await cli.cnm('run', '--network', 'web', '--', 'ip', '-j', 'addr')
  expect(code).toBe(0)
  const links = JSON.parse(out) as { ifname: string; addr_info: { local: string }[] }[]
  expect(links.map(({ ifname }) => ifname)).toEqual(['lo', 'eth0'])
  expect(links[1]?.addr_info[0]?.local).toMatch(/^10\./)
  await cli.alone()
  expect(await host.ip('addr')).toEqual(before[0])
  await cli.stop()
  expect([await host.ip('addr'), await host.nft('list ruleset')]).toEqual(before)
})

it.each([
  [['sh', '-c', 'exit 7'], 7],
  [['sh', '-c', 'kill -TERM $$'], 128 + 15],
  [['no-such-program'], 127],
  [['/etc/passwd'], 126],
])('passes on how %j ended', async (command, status) => {
  await using cli = await cliHost()

  expect((await cli.cnm('run', '--', ...command)).code).toBe(status)
})

it('passes signals on and cleans up', async () => {
  await using cli = await cliHost()
  const script = 'trap "echo caught; exit 3" TERM; echo ready; while :; do sleep 0.05; done'
  const { child, ended } = cli.start(['run', '--network', 'web', '--', 'sh', '-c', script])
  let output = ''
  for await (const chunk of child.stdout) {
    output += chunk
    if (String(chunk).includes('ready')) child.kill('SIGTERM')
  }
  expect(output).toBe('ready\ncaught\n')
  expect(await ended).toBe(3)
  await cli.alone()
})

it.each(['SIGTERM', 'SIGINT'] as const)(
  'can be stopped with %s while it starts',
  async (signal) => {
    await using cli = await cliHost()
    const { host } = cli
    await cli.daemon()
    const preload = `process.on('newListener', (event) => {
    if (event === '${signal}') setImmediate(() => process.kill(process.pid, event))
  })`
    const args = ['run', '--network', 'web', '--network', 'db', '--', 'echo', 'started']
    const { code, out } = await outcome(cli.start(args, { preload }))
    expect({ code, out }).toEqual({ code: 128 + constants.signals[signal], out: '' })
    await cli.alone()
    expect(await readdir(join(host.folder, 'run', 'netns'))).toEqual([])
  },
)

it('cleans up to the end, whatever signals come meanwhile', async () => {
  await using cli = await cliHost()
  const { host } = cli
  const over = join(host.folder, 'over')
  const preload = `import { existsSync, readdirSync } from 'node:fs'
  setInterval(() => {
    const cleansUp = existsSync('${over}') && readdirSync('${host.folder}/run/netns').length > 0
    if (cleansUp) process.kill(process.pid, 'SIGTERM')
  }, 1).unref()`
  const script = `trap '' TERM; echo > ${over}`
  const args = ['run', '--network', 'web', '--', 'sh', '-c', script]
  expect((await outcome(cli.start(args, { preload }))).code).toBe(0)
  await cli.alone()
})

it('takes no network for another whose id begins with its name', async () => {
  await using cli = await cliHost()
  await cli.daemon()
  const { id, name } = await cli.json<{ id: string; name: string }>('network', 'create', 'web')
  const gateway = async (network: string) => {
    const out = await cli.ok('run', '--network', network, '--', 'ip', '-j', '-4', 'route')
    return (JSON.parse(out) as { gateway?: string }[])[0]?.gateway
  }
  expect(await gateway(id)).toBe(await gateway(name))
  expect(await gateway(id.slice(0, 8))).not.toBe(await gateway(name))
})

it('tells what was wrong, though the network it made has gone with it', async () => {
  await using cli = await cliHost()
  const { host } = cli
  const before = await host.ip('addr')
  const ports = ['-p', '8080:80', '-p', '8080:81']
  const { code, err } = await cli.cnm('run', '--network', 'web', ...ports, '--', 'true')
  expect(err).toContain('port 8080/tcp is asked for twice')
  expect(code).toBe(4)
  await cli.alone()
  expect(await host.ip('addr')).toBe(before)
})

it('lets the program go on when it is killed itself, and the sandbox goes with it', async () => {
  await using cli = await cliHost()
  const { child, ended } = cli.start([
    ...['run', '--network', 'web', '--name', 'box', '--'],
    ...['sh', '-c', 'echo $$; exec sleep 60'],
  ])
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const program = Number(String(line))
  const bound = async () => {
    const [box] = await cli.json<{ program: number }[]>('sandbox', 'inspect', 'box')
    return box?.program === program
  }
  await until(bound, 'the sandbox does not go with the program')
  await kill(child)
  expect(hasEnded(program)).toBe(false)
  expect(await cli.ok('sandbox', 'exec', 'box', '--', 'ip', '-br', 'link')).toContain('eth0')
  process.kill(program, 'SIGKILL')
  await cli.alone()
  await ended
  expect(await cli.cnm('doctor')).toEqual({ code: 0, out: 'all is as recorded\n', err: '' })
})

it('passes on how the program ended, though the daemon was killed meanwhile', async () => {
  await using cli = await cliHost()
  const daemon = await cli.daemon()
  const run = cli.start(['run', '--network', 'web', '--', 'sh', '-c', 'echo ready; read x; exit 5'])
  await once(run.child.stdout, 'data')
  daemon.kill('SIGKILL')
  await daemon.ended
  run.child.stdin.end('go\n')
  expect(await run.ended).toBe(5)
  await cli.daemon()
  expect(await cli.json('sandbox', 'ls')).toEqual([])
  await cli.alone()
})

it('starts one daemon, however many are started at once', async () => {
  await using cli = await cliHost()
  const env = { CNM_LOG_LEVEL: 'info' }
  const runs = [1, 2, 3, 4].map((number) =>
    outcome(cli.start(['run', '--network', 'web', '--', 'sh', '-c', `echo ${number}`], { env })),
  )
  const outcomes = await Promise.all(runs)
  expect(outcomes).toEqual([1, 2, 3, 4].map((n) => ({ code: 0, out: `${n}\n`, err: '' })))
  const log = await readFile(join(cli.runDir, 'daemon.log'), 'utf8')
  expect(log.match(/"msg":"ready"/g)).toHaveLength(1)
  await cli.alone()
})

it('starts one that writes only what is wrong, as nobody clears its log away', async () => {
  await using cli = await cliHost()
  await cli.ok('run', '--', 'true')
  expect(await readFile(join(cli.runDir, 'daemon.log'), 'utf8')).not.toContain('"level":"info"')
})

it.each([
  [['run', '--network', 'web', '--ip', '10.9.9.9', '--', 'true'], 2, 'cnm: '],
  [['run', '--netwrok', 'web', '--', 'true'], 2, 'cnm: unknown option'],
  [['run'], 2, "missing required argument 'command'"],
  [['run', '--name', 'a b', '--', 'true'], 2, '"a b" is not a name'],
  [['run', '--alias', 'a b', '--', 'true'], 2, '"a b" is not a name'],
  [['run', '--network', 'none', '--alias', 'a', '--', 'true'], 5, 'so it can have no aliases'],
])('answers the mistake %j with a sentence and changes nothing', async (args, status, sentence) => {
  await using cli = await cliHost()
  const { code, err } = await cli.cnm(...args)
  expect(err).toContain(sentence)
  expect(code).toBe(status)
  await cli.alone()
})

it.each([
  ['--run-dir', '/proc/no/folder'],
  ['--state-dir', '/proc/no/folder'],
  ['--run-dir', '/dev/null'],
  ['--state-dir', '/dev/null/below'],
])('ends at once where no folder can be made: %s %s', async (option, folder) => {
  await using cli = await cliHost()

  const { code, err } = await cli.cnm('run', option, folder, '--json', '--', 'true')
  expect(JSON.parse(err)).toMatchObject({
    code: 'STORE_UNAVAILABLE',
    hint: expect.stringMatching(/another folder/),
  })
  expect(code).toBe(6)
})

it.each([
  ['no-such-program', 127, 'COMMAND_NOT_FOUND'],
  ['/etc/passwd', 126, 'COMMAND_NOT_EXECUTABLE'],
])('says as JSON why %s is not run', async (command, status, error) => {
  await using cli = await cliHost()

  const { code, err } = await cli.cnm('run', '--json', '--', command)
  expect(JSON.parse(err)).toMatchObject({ code: error })
  expect(code).toBe(status)
})

it.each([
  [{ statedir: '/tmp' }, /unknown key "statedir"/],
  [{ runDir: 7 }, /runDir/],
  [{ stateDir: '' }, /stateDir/],
  [{ idleMs: -1 }, /idleMs/],
  [{ onProblem: 'log' }, /onProblem must be a function/],
  [null, /engine options/],
])('starts no engine with the options %j', async (options, sentence) => {
  await expect(createController(options as EngineOptions)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(sentence),
  })
})

it.each([
  [{ dns: { zones: 'x' } }, 'INVALID_ARGUMENT', /unknown key "zones" in dns/],
  [{ dns: { zone: 'a b' } }, 'INVALID_OPTION', /dns.zone is "a b"/],
  [{ dns: { listen: '0.0.0.0' } }, 'INVALID_OPTION', /dns.listen is 0.0.0.0/],
  [{ dns: { hostGateway: 'here' } }, 'INVALID_ADDRESS', /"here"/],
  [{ keeper: { stay: 1 } }, 'INVALID_ARGUMENT', /keeper.stay/],
])('starts none with the names %j', async (options, code, sentence) => {
  await expect(createController(options as EngineOptions)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(sentence),
  })
})

const named = ['--name', 'box', '--hostname', 'api', '--alias', 'backend']
const resolving = ['--dns-search', 'example.org', '--dns-option', 'rotate', '--dns', '10.9.0.53']
const look = 'hostname; cat /etc/hostname /etc/hosts /etc/resolv.conf; getent ahostsv4 backend'

it('gives a program the names it is told, in files of its own', async () => {
  await using cli = await cliHost()
  const { host } = cli
  const hosts = ['--add-host', 'db:10.9.0.9', '--add-host', 'gate:host-gateway']
  const network = ['--network', 'web', '--ip', '10.7.0.7']
  await cli.daemon()
  await cli.ok('network', 'create', '--subnet', '10.7.0.0/24', 'web')
  const flags = [...network, ...named, ...resolving, ...hosts]
  const { code, out, err } = await cli.cnm('run', ...flags, '--', 'sh', '-c', look)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const lines = out.split('\n')
  expect(lines.slice(0, 2)).toEqual(['api', 'api'])
  expect(lines).toEqual(
    expect.arrayContaining([
      ...['10.9.0.9\tdb', '10.7.0.7\tapi', '10.7.0.1\thost.internal gate'],
      ...['nameserver 127.0.0.11', 'search example.org', 'options rotate ndots:0'],
      expect.stringMatching(/^10\.7\.0\.7 +STREAM/),
    ]),
  )
  expect(await readdir(join(host.folder, 'run', 'files'))).toEqual([])
})

it('says that there are no names where the host has no resolv.conf', async () => {
  await using cli = await cliHost()
  const { host } = cli
  const etc = join(host.folder, 'etc')
  const folders = `--state-dir ${host.folder}/state --run-dir ${host.folder}/run`
  const command = `${process.execPath} ${main} run ${folders} -- cat /etc/hostname 2>&1`
  const without = `cp -a /etc/. ${etc}; rm -f ${etc}/resolv.conf; mount --bind ${etc} /etc; ${command}`
  const alone = `unshare --mount --propagation private sh -c '${without}'`
  const name = '[0-9a-f]{12}'
  expect(await host.sh(`mkdir ${etc}; ${alone}`)).toMatch(
    new RegExp(`^cnm: this host has no /etc/resolv.conf, .*\\n${name}\\n$`),
  )
})

it('keeps it from asking the host’s own services for names, past its resolver', async () => {
  await using cli = await cliHost()
  const { host } = cli
  const services = ['/run/systemd/resolve/io.systemd.Resolve', '/run/nscd/socket']
  const script = join(host.folder, 'ask.mjs')
  await writeFile(
    script,
    `import { connect, createServer } from 'node:net'
     import { execFile } from 'node:child_process'
     import { promisify } from 'node:util'
     const paths = ${JSON.stringify(services)}
     const ask = async () => {
       for (const path of paths) {
         const socket = connect(path)
         await new Promise((done) => socket.once('connect', () => done('heard')).once('error', done))
           .then((answer) => console.log(answer.code ?? answer))
         socket.destroy()
       }
     }
     if (process.argv[2] === 'ask') await ask()
     else {
       const servers = paths.map((path) => createServer().listen(path))
       await ask()
       for (const flag of ['--mount-etc', '--no-mount-etc']) {
         const child = [process.execPath, process.argv[1], 'ask']
         const argv = [...process.argv.slice(2), flag, '--', ...child]
         const { stdout } = await promisify(execFile)(process.execPath, argv)
         console.log(stdout.trim())
       }
       for (const server of servers) server.close()
     }`,
  )
  const folders = `--state-dir ${host.folder}/state --run-dir ${host.folder}/run`
  const alone = `mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/resolve /run/nscd; ${process.execPath} ${script} ${main} run ${folders}`
  expect(await host.sh(`unshare --mount --propagation private sh -c '${alone}'`)).toBe(
    'heard\nheard\nECONNREFUSED\nECONNREFUSED\nheard\nheard\n',
  )
})

it('leaves it the files of the host, if it is to', async () => {
  await using cli = await cliHost()
  const { host } = cli
  const show = 'hostname; cat /etc/hosts /etc/resolv.conf'
  const { out } = await cli.cnm('run', ...named, '--no-mount-etc', '--', 'sh', '-c', show)
  expect(out).toBe(await host.sh(show))
})

it.each([
  [['--network', 'host', '--dns', '10.9.0.53'], 'so there can be no dns'],
  [['--dns', '127.0.0.11'], 'would be asked in a loop'],
  [['--hostname', 'a_b'], 'which is no name of a host'],
  [['--add-host', 'db'], 'which is no name with an address'],
])('refuses %j', async (flags, sentence) => {
  await using cli = await cliHost()
  const { code, err } = await cli.cnm('run', ...flags, '--', 'true')
  expect(code).toBe(2)
  expect(err).toContain(sentence)
  await cli.alone()
})

it('uses no host whose engine is another program, and names that', async () => {
  await using cli = await cliHost()
  const { host, stateDir, runDir } = cli
  await using _ = await createController({ stateDir, runDir, host: host.netns })
  const { code, err } = await cli.cnm('run', '--', 'true')
  expect(code).toBe(4)
  expect(err).toContain(`process ${process.pid} is the engine`)
})

it('ends at once where the engine of the host has other folders', async () => {
  await using cli = await cliHost()
  const { host } = cli
  const folders = { stateDir: join(host.folder, 'state-2'), runDir: join(host.folder, 'run-2') }
  await using controller = await createController({ ...folders, host: host.netns })
  await controller.createNetwork({ name: 'web' })
  const { code, err } = await cli.cnm('run', '--json', '--', 'true')
  expect(JSON.parse(err)).toMatchObject({ code: 'ENGINE_RUNNING' })
  expect(code).toBe(4)
})

it('starts no daemon where a socket is named', async () => {
  await using cli = await cliHost()
  const { code, err } = await cli.cnm('run', '--host', '/run/no.sock', '--', 'true')
  expect({ code, err }).toEqual({
    code: 6,
    err: expect.stringMatching(/^cnm: no daemon answers at \/run\/no.sock\nhint: start it with/),
  })
})
