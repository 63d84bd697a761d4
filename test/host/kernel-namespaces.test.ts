import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import type { Kernel } from '#dist/kernel/kernel.js'
import type { Resource } from '#dist/kernel/resource.js'
import { add, kernelRig, network, port, remove } from '../support/kernel-rig.ts'
import { run } from '../support/run.ts'
import { eventually } from '../support/sockets.ts'

/** Runs `sleep` by another program, for as long as it is not disposed. */
async function sleeper(...argv: readonly [string, ...string[]]) {
  const [file, ...args] = argv
  const child = spawn(file, [...args, 'sh', '-c', 'echo ready; exec sleep 60'])
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  return {
    pid: child.pid!,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('where namespaces are mounted', () => {
  for (const propagation of ['shared', 'private']) {
    it(`works on a ${propagation} mount`, async () => {
      await using rig = await kernelRig()
      await mkdir(rig.namespaceDir)
      await run(['mount', '-t', 'tmpfs', 'cnm-test', rig.namespaceDir])
      await run(['mount', `--make-${propagation}`, rig.namespaceDir])
      const namespace = rig.box('box')
      const all: Resource[] = [
        { kind: 'namespace', namespace },
        ...port({ namespace, name: 'v-a', bridge: 'br-a', n: 7, number: 2 }),
      ]
      await add(rig.kernel, ...network('br-a', 7), ...all)
      await rig.host.inside(namespace.path, ['ping', '-c1', '-W1', '10.7.0.1'])
      // A mount namespace made later: it has the mount too, and loses it only if it is shared.
      await using _ = await sleeper('unshare', '--mount', '--propagation', propagation)
      await remove(rig.kernel, ...all)
      await rig.kernel.settled()
      expect(await rig.links()).toEqual(['br-a'])
      expect(await readdir(rig.namespaceDir)).toEqual([])
      expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(namespace.path)
    })
  }

  it('leaves a namespace where it is on a disk that can only be read', async () => {
    await using rig = await kernelRig()
    await mkdir(rig.namespaceDir)
    await run(['mount', '-t', 'tmpfs', 'cnm-test', rig.namespaceDir])
    const namespace = rig.box('box')
    const resource: Resource = { kind: 'namespace', namespace }
    await add(rig.kernel, resource)
    await run(['mount', '-o', 'remount,ro', rig.namespaceDir])
    const refused = { name: 'KernelError', errno: 'EROFS' }
    await expect(remove(rig.kernel, resource)).rejects.toMatchObject({
      ...refused,
      operation: 'unlink',
      target: namespace.path,
    })
    const more: Resource = { kind: 'namespace', namespace: rig.box('more') }
    await expect(add(rig.kernel, more)).rejects.toMatchObject(refused)
    await rig.host.inside(namespace.path, ['ip', 'link'])
    expect(await rig.kernel.compare([resource])).toEqual([])
    await run(['mount', '-o', 'remount,rw', rig.namespaceDir])
    await remove(rig.kernel, resource)
    expect(await readdir(rig.namespaceDir)).toEqual([])
  })

  it('takes over what a crash has left of making one', async () => {
    await using rig = await kernelRig()
    const namespace = rig.box('box')
    await mkdir(rig.namespaceDir)
    await writeFile(namespace.path, '')
    const query = { namespaceDir: rig.namespaceDir, tables: [] }
    const { namespaces } = await rig.kernel.survey(query)
    expect(namespaces).toEqual([{ path: namespace.path, links: [], routes: [] }])
    await add(rig.kernel, { kind: 'namespace', namespace })
    await rig.host.inside(namespace.path, ['ip', 'link'])
    await remove(rig.kernel, { kind: 'namespace', namespace })
    expect(await readdir(rig.namespaceDir)).toEqual([])
  })
})

describe('namespaces of others', () => {
  it('are adopted by process, and watched until it ends', async () => {
    await using rig = await kernelRig()
    await using other = await sleeper('unshare', '--net')
    const { namespace, links } = await rig.kernel.adopt({ pid: other.pid })
    expect(namespace.path).toBe(`/proc/${other.pid}/ns/net`)
    expect(links).toEqual(['lo'])
    const ends = port({ namespace, name: 'v-a', bridge: 'br-a', n: 7, number: 2 })
    await add(rig.kernel, ...network('br-a', 7), ...ends)
    await rig.host.inside(namespace.path, ['ping', '-c1', '-W1', '10.7.0.1'])
    let isGone = false
    const gone = rig.kernel.gone(namespace, new AbortController().signal).then(() => {
      isGone = true
    })
    await rig.kernel.view()
    expect(isGone).toBe(false)
    await other[Symbol.asyncDispose]()
    await gone
    const again = await failureOf(rig.kernel.adopt({ pid: other.pid }))
    expect(again).toMatchObject({ code: 'NAMESPACE_NOT_FOUND' })
    // Its end has taken the links; what is removed now is gone.
    await remove(rig.kernel, ...ends)
    await rig.kernel.settled()
    expect(await rig.links()).toEqual(['br-a'])
  })

  it('are gone as soon as their process has ended, waited for or not', async () => {
    await using rig = await kernelRig()
    // Whoever started it never waits for it.
    const script = 'unshare --net true & echo $!; exec sleep 60'
    const parent = spawn('sh', ['-c', script])
    const ended = once(parent, 'exit')
    try {
      const [text] = (await once(parent.stdout, 'data')) as [Buffer]
      const pid = Number(String(text))
      await eventually(async () => (await readFile(`/proc/${pid}/stat`, 'utf8')).includes(') Z '))
      const gone = { code: 'NAMESPACE_NOT_FOUND' }
      expect(await failureOf(rig.kernel.adopt({ pid }))).toMatchObject(gone)
      expect(await failureOf(rig.kernel.adopt({ path: `/proc/${pid}/ns/net` }))).toMatchObject(gone)
    } finally {
      parent.kill('SIGKILL')
      await ended
    }
  })

  it('are not pinned: a process that ends takes an adopted namespace with it', async () => {
    await using rig = await kernelRig()
    await using other = await sleeper('unshare', '--net')
    const { namespace } = await rig.kernel.adopt({ pid: other.pid })
    const ends = port({ namespace, name: 'v-a', bridge: 'br-a', n: 7, number: 2 })
    await add(rig.kernel, ...network('br-a', 7), ...ends)
    await other[Symbol.asyncDispose]()
    await eventually(async () => (await rig.links()).length === 1)
  })

  it('are refused where they are the host, or none at all', async () => {
    await using rig = await kernelRig()
    await using sibling = await sleeper('nsenter', `--net=${rig.host.netns}`)
    const fifo = join(rig.host.folder, 'fifo')
    await run(['mkfifo', fifo])
    const adopt = (target: Parameters<Kernel['adopt']>[0]) => failureOf(rig.kernel.adopt(target))
    const itself = { code: 'HOST_NAMESPACE' }
    expect(await adopt({ pid: process.pid })).toMatchObject(itself)
    expect(await adopt({ path: '/proc/self/ns/net' })).toMatchObject(itself)
    expect(await adopt({ pid: sibling.pid })).toMatchObject(itself)
    for (const path of [fifo, '/dev/null', rig.host.folder, '/proc/self/ns/mnt', '/etc/passwd/x']) {
      expect(await adopt({ path }), path).toMatchObject({ code: 'NAMESPACE_NOT_FOUND' })
    }
  })
})

describe('programs', () => {
  it('are born in the namespace and have three descriptors, whatever is open', async () => {
    await using rig = await kernelRig()
    const namespace = rig.box('box')
    await add(rig.kernel, { kind: 'namespace', namespace })
    const fd = await rig.kernel.openSocket(namespace, {
      family: 4,
      type: 'udp',
      address: '127.0.0.1' as never,
      port: 1053,
    })
    const program = await rig.kernel.spawn(namespace, { argv: ['sleep', '60'], stdio: 'pipe' })
    const proc = `/proc/${program.pid}`
    // While it starts, it has its libraries open, too.
    await vi.waitFor(async () => {
      expect((await readdir(`${proc}/fd`)).sort()).toEqual(['0', '1', '2'])
    }, 5000)
    const { ino } = await stat(namespace.path)
    expect(await readlink(`${proc}/ns/net`)).toBe(`net:[${ino}]`)
    program.kill('SIGKILL')
    expect(await program.ended).toEqual({ code: null, signal: 'SIGKILL' })
    // There is nobody to be hit any more.
    program.kill('SIGKILL')
    closeSync(fd)
  })

  it('that can’t be started leave no descriptors behind', async () => {
    await using rig = await kernelRig()
    const start = (argv: readonly [string], cwd?: string) =>
      failureOf(rig.kernel.spawn(undefined, { argv, stdio: 'pipe', ...(cwd && { cwd }) }))
    await start(['no-such-command'])
    const before = (await readdir('/proc/self/fd')).length
    expect(await start(['no-such-command'])).toMatchObject({ code: 'COMMAND_NOT_FOUND' })
    expect(await start(['/etc/passwd'])).toMatchObject({
      code: 'COMMAND_NOT_EXECUTABLE',
    })
    expect(await start(['true'], '/no/such/folder')).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect((await readdir('/proc/self/fd')).length).toBe(before)
  })
})
