import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cliHost, until } from '../support/cli-host.ts'
import { HostileRig } from '../support/hostile-rig.ts'
import { run } from '../support/run.ts'

interface Mount {
  readonly fstype: string
  readonly options: string
  readonly target: string
}

async function mountsAt(path: string): Promise<readonly Mount[]> {
  const output = await run(['sh', '-c', 'findmnt -J -o TARGET,FSTYPE,OPTIONS || true'])
  const all = (mounts: readonly (Mount & { children?: never[] })[]): Mount[] =>
    mounts.flatMap((it) => [it, ...all(it.children ?? [])])
  return all((JSON.parse(output) as { filesystems: Mount[] }).filesystems).filter(
    ({ target }) => target === path,
  )
}

async function told(rig: HostileRig, ...words: readonly string[]): Promise<void> {
  const isTold = () =>
    rig.daemon.log.some((line) => words.every((word) => JSON.stringify(line).includes(word)))
  await until(isTold, `not told of ${words.join(' and ')}`)
}

describe('the files of sandboxes', () => {
  it('are on a small file system of their own, which outlives the daemon, and goes when it is empty', async () => {
    await using cnm = await cliHost()
    const path = join(cnm.runDir, 'files')
    const first = await cnm.daemon()
    await cnm.ok('sandbox', 'create', 'box')
    const [mount, ...others] = await mountsAt(path)
    expect(others).toEqual([])
    expect(mount?.fstype).toBe('tmpfs')
    expect(mount?.options.split(',')).toEqual(
      expect.arrayContaining(['nosuid', 'nodev', 'noexec', 'size=131072k', 'nr_inodes=65536']),
    )
    const [folder = ''] = await readdir(path)
    const before = await stat(join(path, folder, 'hosts'))
    first.kill('SIGKILL')
    await first.ended
    const second = await cnm.daemon()
    expect(await mountsAt(path)).toHaveLength(1)
    expect(await stat(join(path, folder, 'hosts'))).toMatchObject({
      dev: before.dev,
      ino: before.ino,
    })
    expect((await cnm.cnm('doctor')).out).not.toContain(path)
    await second.stop()
    expect(await mountsAt(path)).toHaveLength(1)
    const third = await cnm.daemon()
    await cnm.ok('down', '--yes')
    await third.stop()
    expect(await mountsAt(path)).toEqual([])
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
  }, 60_000)

  it.each(['shared', 'private'])(
    'are there wherever RUN is mounted %s',
    async (propagation) => {
      await using cnm = await cliHost()
      await mkdir(cnm.runDir)
      await run(['mount', '-t', 'tmpfs', 'cnm-test', cnm.runDir])
      await run(['mount', `--make-${propagation}`, cnm.runDir])
      await cnm.daemon()
      await cnm.ok('network', 'create', 'web')
      const { code, out } = await cnm.cnm(
        'run',
        '--network',
        'web',
        '--',
        'cat',
        '/etc/resolv.conf',
      )
      expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining('127.0.0.11') })
      expect(await mountsAt(join(cnm.runDir, 'files'))).toHaveLength(1)
      await cnm.stop()
      expect(await mountsAt(join(cnm.runDir, 'files'))).toEqual([])
    },
    60_000,
  )

  it('stay in a folder that isn’t empty, and that is told', async () => {
    await using cnm = await cliHost()
    const path = join(cnm.runDir, 'files')
    await mkdir(join(path, 'box'), { recursive: true })
    await writeFile(join(path, 'box', 'hosts'), 'mounted somewhere')
    await cnm.daemon()
    expect(await mountsAt(path)).toEqual([])
    expect(await readFile(join(path, 'box', 'hosts'), 'utf8')).toBe('mounted somewhere')
    const findings = await cnm.cnm('doctor', '--json')
    expect(findings.out).toContain('is no file system of its own')
    await rm(path, { recursive: true })
  }, 60_000)
})

describe('a sandbox that fills the file system of its files', () => {
  it('keeps nobody from being attached: what is too large is cut, and that is told', async () => {
    await using rig = await HostileRig.start()
    const evil = await rig.newEvil()
    const path = await rig.file()
    const fill = 'cat /dev/zero >> /etc/hosts; df /etc/hosts | grep -q 100%'
    expect((await evil.exec(['sh', '-c', fill])).code).toBe(0)
    expect((await rig.left()).map(({ detail }) => detail)).toEqual([
      expect.stringContaining(`${path} takes 128 MiB`),
    ])
    const box = await rig.client.createSandbox({ name: 'late', connect: [{ network: 'web' }] })
    await told(rig, path, 'was full')
    expect((await stat(path)).size).toBe(1 << 20)
    const { files } = await box.inspect()
    expect(await readFile(files!.hosts, 'utf8')).toContain('\tlate\n')
    expect(await rig.left()).toEqual([])
    await rig.survive()
  }, 60_000)

  it('by what isn’t ours to cut: who is attached has no files until there is room', async () => {
    await using rig = await HostileRig.start()
    const folder = dirname(dirname(await rig.file('hosts', 'neighbour')))
    await run(['sh', '-c', `cat /dev/zero > ${folder}/other 2>/dev/null || true`])
    const box = await rig.client.createSandbox({ name: 'late', connect: [{ network: 'web' }] })
    const { files } = await box.inspect()
    await told(rig, files!.hosts, 'ENOSPC')
    const missing = (await rig.doctor(true)).filter(({ detail }) => detail.includes(files!.hosts))
    expect(missing.length).toBeGreaterThan(0)
    for (const finding of missing) expect(finding).toMatchObject({ mended: false })
    await rig.client.createNetwork({ name: 'more' })
    await rig.restart()
    await rm(join(folder, 'other'))
    await rig.doctor(true)
    expect(await rig.left()).toEqual([])
    expect(await readFile(files!.hosts, 'utf8')).toContain('\tlate\n')
  }, 60_000)

  it('or makes it read-only keeps nobody from being attached, either', async () => {
    await using rig = await HostileRig.start()
    const folder = dirname(dirname(await rig.file('hosts', 'neighbour')))
    await run(['mount', '-o', 'remount,ro', folder])
    const box = await rig.client.createSandbox({ name: 'late', connect: [{ network: 'web' }] })
    await told(rig, folder, 'can be written to again')
    const { files } = await box.inspect()
    expect(await readFile(files!.hosts, 'utf8')).toContain('\tlate\n')
    expect(await rig.left()).toEqual([])
  }, 60_000)
})
