import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../support/cli-host.ts'
import { HostileRig } from '../support/hostile-rig.ts'
import { run } from '../support/run.ts'

let rig: HostileRig

beforeAll(async () => {
  rig = await HostileRig.start()
}, 60_000)

afterAll(async () => {
  await rig[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await rig.newEvil()
})

/** Programs that an attack leaves running. */
const programs: ChildProcess[] = []

afterEach(() => {
  for (const program of programs.splice(0)) program.kill('SIGKILL')
})

function keepRunning(command: string, ...args: string[]): ChildProcess {
  const program = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  programs.push(program)
  return program
}

const large = Buffer.alloc(64 << 20, '10.7.0.2\tevil ')

/** What root in a sandbox does to a file of its own, which is mounted there. */
const attacks: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  'is 3 GiB of nothing': (path) => truncate(path, 3 * 2 ** 30),
  'is large': (path) => writeFile(path, large),
  'is as large as ours may be, and nearly what we write': (path) =>
    writeFile(path, large.subarray(0, (1 << 20) - 8)),
  "can't be changed": (path) => run(['chattr', '+i', path]),
  'can only be appended to': (path) => run(['chattr', '+a', path]),
  'has a lease on it': async (path) => {
    const script =
      '$SIG{IO}="IGNORE"; open(F,"+<",$ARGV[0]) or die; fcntl(F,1024,1) or die; $|=1; print "1"; sleep 600'
    const program = keepRunning('perl', '-e', script, path)
    await new Promise((resolve, reject) => {
      program.stdout!.once('data', resolve)
      program.once('exit', () => reject(new Error('it got no lease')))
    })
  },
  'is a program': async (path) => {
    await rm(path)
    await copyFile('/bin/sleep', path)
    await chmod(path, 0o755)
    // While it ran, nobody could write to it.
    await expect(run([path, '600'])).rejects.toThrow('EACCES')
  },
}

/** What others may have put in place of a file: whoever is root on the host, in a sandbox without files. */
const replacements: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  'a link to what never ends': (path) => symlink('/dev/zero', path),
  'a link to itself': (path) => symlink(path, path),
  'a link to nothing': (path) => symlink('nowhere', path),
  'a pipe': (path) => run(['mkfifo', path]),
  'a folder': (path) => mkdir(path),
  'a device': (path) => run(['mknod', path, 'c', '1', '5']),
  'a device without a driver': (path) => run(['mknod', path, 'c', '254', '77']),
  'nothing at all': async () => {},
}

describe('a file of a sandbox that', () => {
  it.each(Object.keys(attacks))(
    '%s stops nothing, and goes with it',
    async (name) => {
      const path = await rig.file()
      await attacks[name]!(path)
      rig.evil().connect('back')
      await rig.survive()
      await expect(stat(dirname(path))).rejects.toMatchObject({ code: 'ENOENT' })
      expect(await rig.left()).toEqual([])
    },
    60_000,
  )

  it('has become something else stops nothing', async () => {
    await Promise.all(
      Object.entries(replacements).map(async ([name, replace], number) => {
        const box = await rig.client.createSandbox({ name: `evil${number}` })
        await box.connect('web')
        for (const path of Object.values((await box.inspect()).files ?? {})) {
          await rm(path)
          await replace(path).catch((cause: unknown) => {
            throw new Error(`${path} can't become ${name}`, { cause })
          })
        }
        await box.connect('back')
      }),
    )
    await rig.survive()
    const all = dirname(dirname(await rig.file('hosts', 'neighbour')))
    for (const name of await readdir(all)) await rm(join(all, name), { recursive: true })
    await rig.doctor(true)
    expect(await rig.left()).toEqual([])
  }, 60_000)

  it('has become a socket stops nothing', async () => {
    const path = await rig.file()
    await rm(path)
    const server = createServer().listen(path)
    await rig.survive()
    server.close()
  }, 60_000)

  it('grows without end while it is read stops nothing', async () => {
    const path = await rig.file()
    keepRunning('sh', '-c', `while :; do yes evil | head -c 4000000 > ${path}; : > ${path}; done`)
    await rig.survive()
  }, 60_000)
})

describe('a program in a sandbox', () => {
  it('does so by what it sees in /etc', async () => {
    const deed = 'truncate -s 3G /etc/hosts && truncate -s 3G /etc/resolv.conf && ls -l /etc'
    expect((await rig.evil().exec(['sh', '-c', deed])).code).toBe(0)
    expect((await stat(await rig.file())).size).toBe(3 * 2 ** 30)
    await rig.survive()
  }, 60_000)
})

describe('what keeps a file from being written', () => {
  it('is told, and the line comes when it is over', async () => {
    const path = await rig.file()
    await run(['chattr', '+i', path])
    rig.evil().connect('back')
    const told = () =>
      rig.daemon.log.find(({ err }) =>
        String((err as { message?: string })?.message).includes(path),
      )
    await until(() => told() !== undefined, 'nothing is told')
    const missing = (await rig.doctor(true)).find(({ detail }) => detail.includes(path))
    expect(missing).toMatchObject({ kind: 'missing', mended: false })
    await run(['chattr', '-i', path])
    await rig.doctor(true)
    expect(await rig.left()).toEqual([])
  }, 60_000)
})
