import { mkdir, readdir, readFile, readlink, rename, symlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import type { IpAddress } from '#dist/address/address.js'
import type { Command, Program } from '#dist/kernel/kernel.js'
import type { NamespaceRef } from '#dist/kernel/resource.js'
import { add, type KernelRig, kernelRig, remove } from '../support/kernel-rig.ts'
import { run } from '../support/run.ts'
import { eventually } from '../support/sockets.ts'

type View = Pick<Command, 'mounts' | 'hostname'>

/** A sandbox, and a file that is seen in place of /etc/hosts in it. */
async function box(rig: KernelRig, name = 'box') {
  const namespace = rig.box(name)
  const source = join(rig.host.folder, `${name}.hosts`)
  await add(rig.kernel, { kind: 'namespace', namespace })
  await writeFile(source, `hosts of ${name}\n`)
  return { namespace, source, mounts: [{ source, target: '/etc/hosts' }] }
}

function sh(rig: KernelRig, namespace: NamespaceRef | undefined, script: string, view: View = {}) {
  return rig.kernel.spawn(namespace, { argv: ['sh', '-c', script], stdio: 'pipe', ...view })
}

async function output(program: Promise<Program>): Promise<string> {
  const { stdout, stderr, ended } = await program
  const [said, complaint] = await Promise.all([text(stdout!), text(stderr!)])
  const { code } = await ended
  if (code !== 0) throw new Error(`${code}: ${said}${complaint}`)
  return said
}

/** A program that has started, and ends with the test. */
async function running(program: Program) {
  return {
    pid: program.pid,
    async [Symbol.asyncDispose]() {
      program.kill('SIGKILL')
      await program.ended
    },
  }
}

/** Mount points of this process that a test may have made. */
async function mountsAt({ host }: KernelRig): Promise<readonly string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  const points = lines.map((line) => line.split(' ')[4] ?? '')
  return points.filter((point) => point.startsWith('/etc') || point.startsWith(host.folder))
}

/** Whatever threads of this process could be in or have for themselves. */
async function whereThreadsAre(): Promise<readonly string[]> {
  const places = new Set<string>()
  for (const thread of await readdir('/proc/self/task')) {
    for (const what of ['ns/mnt', 'ns/uts', 'root', 'cwd']) {
      const place = await readlink(`/proc/self/task/${thread}/${what}`).catch(() => undefined)
      if (place !== undefined) places.add(place)
    }
  }
  return [...places].sort()
}

describe('a program with files of its own', () => {
  it('sees them in place of others, and nobody else does', async () => {
    await using rig = await kernelRig()
    const { namespace, mounts } = await box(rig)
    const theirs = await readFile('/etc/hosts', 'utf8')
    const before = await mountsAt(rig)
    const threads = await whereThreadsAre()
    const seen = await output(sh(rig, namespace, 'cat /etc/hosts; ls /proc/$$/fd', { mounts }))
    expect(seen).toBe('hosts of box\n0\n1\n2\n')
    expect(await output(sh(rig, namespace, 'cat /etc/hosts'))).toBe(theirs)
    expect(await readFile('/etc/hosts', 'utf8')).toBe(theirs)
    expect(await mountsAt(rig)).toEqual(before)
    expect(await whereThreadsAre()).toEqual(threads)
    // What the kernel thread mounts now is where everybody sees it.
    const other = await box(rig, 'other')
    await rig.host.inside(other.namespace.path, ['ip', 'link'])
  })

  it('sees them where symbolic links lead, and none where they lead nowhere', async () => {
    await using rig = await kernelRig()
    const { source } = await box(rig)
    const at = (name: string) => join(rig.host.folder, name)
    await mkdir(at('real'))
    await writeFile(at('real/file'), 'theirs\n')
    await symlink('real/file', at('link'))
    await symlink('real/nothing', at('dangling'))
    const targets = ['link', 'dangling', 'absent', 'link/through'].map(at)
    const mounts = targets.map((target) => ({ source, target }))
    const script = `cd ${rig.host.folder}; cat link real/file; ls real; cat dangling absent 2>/dev/null`
    expect(await output(sh(rig, undefined, `${script}; true`, { mounts }))).toBe(
      'hosts of box\nhosts of box\nfile\n',
    )
    expect(await readdir(at('real'))).toEqual(['file'])
    expect(await readFile(at('link'), 'utf8')).toBe('theirs\n')
  })

  it('sees what becomes of them, and mounts of the host that come later', async () => {
    await using rig = await kernelRig()
    const shared = join(rig.host.folder, 'shared')
    await mkdir(shared)
    await run(['mount', '-t', 'tmpfs', 'cnm-test', shared])
    await run(['mount', '--make-shared', shared])
    const path = join(rig.host.folder, 'etc/hosts')
    const entry = { kind: 'hosts-entry', path, names: ['web'] } as const
    await add(rig.kernel, { kind: 'file', path, content: '127.0.0.1\tlocalhost\n' })
    const mounts = [{ source: path, target: '/etc/hosts' }]
    const script = 'while read word; do cat /etc/hosts; ls "$0"; echo .; done'
    const argv = ['sh', '-c', script, shared] as const
    const program = await rig.kernel.spawn(undefined, { argv, stdio: 'pipe', mounts })
    await using _ = await running(program)
    let said = ''
    program.stdout!.on('data', (chunk) => {
      said += chunk
    })
    const look = async () => {
      said = ''
      program.stdin!.write('now\n')
      await eventually(() => said.endsWith('.\n'))
      return said
    }
    expect(await look()).toBe('127.0.0.1\tlocalhost\n.\n')
    await add(rig.kernel, { ...entry, address: '10.7.0.2' as IpAddress })
    await mkdir(join(shared, 'later'))
    await run(['mount', '-t', 'tmpfs', 'cnm-test', join(shared, 'later')])
    expect(await look()).toBe('127.0.0.1\tlocalhost\n10.7.0.2\tweb\nlater\n.\n')
    await remove(rig.kernel, { ...entry, address: '10.7.0.2' as IpAddress })
    expect(await look()).toBe('127.0.0.1\tlocalhost\nlater\n.\n')
    const inside = await readFile(`/proc/${program.pid}/mountinfo`, 'utf8')
    expect(inside).toContain(`${shared}/later`)
  })

  it('goes on seeing them when the host puts other files there, or any at all', async () => {
    await using rig = await kernelRig()
    const { namespace, source } = await box(rig)
    const at = (name: string) => join(rig.host.folder, name)
    for (const name of ['replaced', 'one', 'two']) await writeFile(at(name), `${name}\n`)
    await symlink('one', at('link'))
    const targets = ['replaced', 'link', 'absent'].map(at)
    const mounts = targets.map((target) => ({ source, target }))
    const program = await sh(rig, namespace, 'exec sleep 60', { mounts })
    await using _ = await running(program)
    const seen = (name: string) =>
      readFile(`/proc/${program.pid}/root${at(name)}`, 'utf8').catch(() => 'nothing\n')
    const all = () => Promise.all(['replaced', 'link', 'absent'].map(seen))
    expect(await all()).toEqual(['hosts of box\n', 'hosts of box\n', 'nothing\n'])
    const before = await mountsAt(rig)
    for (const turn of ['first', 'second']) {
      await writeFile(at('new'), `${turn}\n`)
      await rename(at('new'), at('replaced'))
      await eventually(async () => (await seen('replaced')) === 'hosts of box\n')
      expect(await readFile(at('replaced'), 'utf8')).toBe(`${turn}\n`)
    }
    await symlink('two', at('other'))
    await rename(at('other'), at('link'))
    await writeFile(at('absent'), 'there\n')
    await eventually(async () => (await all()).every((text) => text === 'hosts of box\n'))
    expect(await readFile(at('link'), 'utf8')).toBe('two\n')
    expect(await readFile(at('absent'), 'utf8')).toBe('there\n')
    expect(await mountsAt(rig)).toEqual(before)
  })

  it('has the folder the process is in, wherever that goes', async () => {
    await using rig = await kernelRig()
    const { mounts } = await box(rig)
    const home = process.cwd()
    expect(await output(sh(rig, undefined, 'pwd -P', { mounts }))).toBe(`${home}\n`)
    process.chdir(rig.host.folder)
    try {
      const { folder } = rig.host
      expect(await output(sh(rig, undefined, 'pwd -P', { mounts }))).toBe(`${folder}\n`)
      expect(await output(sh(rig, undefined, 'pwd -P'))).toBe(`${folder}\n`)
      await mkdir('below')
      const argv = ['pwd', '-P'] as const
      const below = rig.kernel.spawn(undefined, { argv, stdio: 'pipe', cwd: 'below', mounts })
      expect(await output(below)).toBe(`${folder}/below\n`)
    } finally {
      process.chdir(home)
    }
  })
})

describe('a program with a hostname of its own', () => {
  it('has it, and the host keeps its own', async () => {
    await using rig = await kernelRig()
    const { namespace, mounts } = await box(rig)
    const before = hostname()
    const seen = { hostname: 'one.example' }
    expect(await output(sh(rig, namespace, 'hostname', seen))).toBe('one.example\n')
    const both = await output(sh(rig, namespace, 'hostname; cat /etc/hosts', { ...seen, mounts }))
    expect(both).toBe('one.example\nhosts of box\n')
    expect(await output(sh(rig, namespace, 'hostname'))).toBe(`${before}\n`)
    expect(hostname()).toBe(before)
  })
})

describe('many programs with views of their own', () => {
  it('start side by side', async () => {
    await using rig = await kernelRig()
    const threads = await whereThreadsAre()
    const names = Array.from({ length: 20 }, (_, index) => `box-${index}`)
    const boxes = await Promise.all(names.map((name) => box(rig, name)))
    const outputs = await Promise.all(
      boxes.map(async ({ namespace, mounts }, index) => {
        const view = { mounts, hostname: names[index]! }
        const script = 'read line; echo $line; hostname; cat /etc/hosts; readlink /proc/self/ns/net'
        const program = await sh(rig, namespace, script, view)
        program.stdin!.end(`hello ${index}\n`)
        return output(Promise.resolve(program))
      }),
    )
    for (const [index, name] of names.entries()) {
      const where = (await rig.host.inside(boxes[index]!.namespace.path, netNamespace)).trim()
      expect(outputs[index]).toBe(`hello ${index}\n${name}\nhosts of ${name}\n${where}\n`)
    }
    expect(new Set(outputs.map((each) => each.split('\n').at(-2))).size).toBe(20)
    expect(await whereThreadsAre()).toEqual(threads)
  })
})

const netNamespace = ['readlink', '/proc/self/ns/net'] as const satisfies [string, ...string[]]

/** A link of somebody's own: it goes with the namespace, and not before. */
async function linkInto(rig: KernelRig, namespace: NamespaceRef): Promise<void> {
  const program = await rig.kernel.spawn(namespace, { argv: ['sleep', '60'], stdio: 'pipe' })
  await rig.host.ip(`link add witness type veth peer name inside netns ${program.pid}`)
  program.kill('SIGKILL')
  await program.ended
}

describe('a running program with files of its own', () => {
  for (const propagation of ['shared', 'private']) {
    it(`doesn’t keep other sandboxes, mounted on a ${propagation} mount`, async () => {
      await using rig = await kernelRig()
      await mkdir(rig.namespaceDir)
      await run(['mount', '-t', 'tmpfs', 'cnm-test', rig.namespaceDir])
      await run(['mount', `--make-${propagation}`, rig.namespaceDir])
      const { namespace, mounts } = await box(rig)
      const other = rig.box('other')
      await add(rig.kernel, { kind: 'namespace', namespace: other })
      await linkInto(rig, other)
      await using _ = await running(await sh(rig, namespace, 'exec sleep 60', { mounts }))
      await remove(rig.kernel, { kind: 'namespace', namespace: other })
      await eventually(async () => !(await rig.links()).includes('witness'))
    })
  }
})

describe('a program that can’t be started', () => {
  it('leaves the thread where it was, and no descriptor', async () => {
    await using rig = await kernelRig()
    const { source, mounts } = await box(rig)
    const start = (view: View, command = 'true') =>
      rig.kernel.spawn(undefined, { argv: [command], stdio: 'pipe', ...view }).then(
        () => undefined,
        (error: unknown) => error,
      )
    await start({ mounts, hostname: 'one' }, 'no-such-command')
    const [threads, before] = [await whereThreadsAre(), await readdir('/proc/self/fd')]
    const missing = { source: `${source}.gone`, target: '/etc/hosts' }
    const folder = { source: '/etc', target: '/etc/hosts' }
    for (const [view, code, words] of [
      [{ mounts: [missing] }, 'INVALID_ARGUMENT', `${source}.gone`],
      [{ mounts: [...mounts, folder] }, 'INVALID_ARGUMENT', '/etc/hosts'],
      [{ mounts, hostname: 'x'.repeat(65) }, 'INVALID_ARGUMENT', 'hostname'],
    ] as const) {
      const error = await start(view)
      expect(error).toMatchObject({ code })
      expect(String(error)).toContain(words)
    }
    const unknown = await start({ mounts, hostname: 'one' }, 'no-such-command')
    expect(unknown).toMatchObject({ code: 'COMMAND_NOT_FOUND' })
    expect(await readdir('/proc/self/fd')).toHaveLength(before.length)
    expect(await whereThreadsAre()).toEqual(threads)
  })

  for (const capability of ['sys_admin', 'sys_chroot']) {
    it(`says that it needs ${capability}`, async () => {
      await using rig = await kernelRig()
      const { source } = await box(rig)
      const view = JSON.stringify({ mounts: [{ source, target: '/etc/hosts' }] })
      const door = new URL('../../dist/kernel/linux/index.js', import.meta.url).href
      const script = `
        import { linuxKernel } from '${door}'
        const kernel = await linuxKernel()
        const start = (view) => kernel.spawn(undefined, { argv: ['true'], stdio: 'pipe', ...view })
        const error = await start(${view}).catch((error) => error)
        console.log(error.code, error.details.capability)
        await (await start({})).ended
        await kernel.view()
        await kernel.close()`
      const node = [process.execPath, '--input-type=module', '-e', script]
      const argv = ['setpriv', `--bounding-set=-${capability}`, ...node] as const
      expect(await rig.host.inside(rig.host.netns, [...argv])).toMatch(
        /^MISSING_CAPABILITY .*CAP_SYS_/,
      )
    })
  }
})
