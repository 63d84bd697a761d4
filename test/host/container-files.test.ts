import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { mountInContainer } from '#dist/kernel/linux/container/index.js'
import { armFault, disarmFault } from '#dist/kernel/linux/ffi/fault.js'
import { kill } from '../support/ended.ts'
import { run } from '../support/run.ts'

// A process in a mount namespace of its own plays a container that is being made.

let folder = ''
let root = ''
let container: ChildProcess
let mounts: { source: string; target: string }[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cnm-container-'))
  root = join(folder, 'rootfs')
  await mkdir(join(root, 'etc'), { recursive: true })
  mounts = []
  for (const name of ['hosts', 'resolv.conf']) {
    const source = join(folder, name)
    await writeFile(source, `our ${name}\n`)
    mounts.push({ source, target: `/etc/${name}` })
  }
  const argv = ['--mount', '--propagation', 'private', 'sh', '-c', 'echo ready; exec sleep 3600']
  container = spawn('unshare', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(container.stdout!, 'data')
})

afterEach(async () => {
  disarmFault()
  await kill(container)
  await rm(folder, { recursive: true })
})

const show = (isReadOnly = false) =>
  mountInContainer({ pid: container.pid!, root, isReadOnly }, mounts)

/** As the container sees it. */
const inside = (path: string) => enter('cat', join(root, path))

const enter = (...command: string[]) =>
  run(['nsenter', `--mount=/proc/${container.pid}/ns/mnt`, ...command])

it('shows files in place of others, and only there', async () => {
  await writeFile(join(root, 'etc/hosts'), 'its own\n')
  show()
  expect(await inside('etc/hosts')).toBe('our hosts\n')
  expect(await inside('etc/resolv.conf')).toBe('our resolv.conf\n')
  expect(readFileSync(join(root, 'etc/hosts'), 'utf8')).toBe('its own\n')
  expect(readFileSync(join(root, 'etc/resolv.conf'), 'utf8')).toBe('')
})

it('lets nobody write who may not', async () => {
  show(true)
  const append = (path: string) => enter('sh', '-c', `echo x >>${join(root, path)}`)
  await expect(append('etc/hosts')).rejects.toThrow('Read-only file system')
  await append('own')
  await expect(append('etc/resolv.conf')).rejects.toThrow('Read-only file system')
  expect(readFileSync(join(folder, 'hosts'), 'utf8')).toBe('our hosts\n')
})

it('makes the folders, too', async () => {
  await rm(join(root, 'etc'), { recursive: true })
  show()
  expect(await inside('etc/hosts')).toBe('our hosts\n')
})

it.each([
  ['/run/cnm-test/resolv.conf', 'run/cnm-test/resolv.conf'],
  ['../run/cnm-test/resolv.conf', 'run/cnm-test/resolv.conf'],
  ['../../../../../../../../../../run/cnm-test/resolv.conf', 'run/cnm-test/resolv.conf'],
])('follows a link to %s below the root', async (link, place) => {
  await symlink(link, join(root, 'etc/resolv.conf'))
  show()
  expect(await inside(place)).toBe('our resolv.conf\n')
  expect(existsSync('/run/cnm-test')).toBe(false)
})

it.each(['/proc/self/root', '/proc/self/cwd'])('refuses a link through %s', async (magic) => {
  await symlink(`${magic}${folder}/made`, join(root, 'etc/hosts'))
  await mkdir(join(root, 'proc'))
  await enter('mount', '--bind', '/proc', join(root, 'proc'))
  expect(() => show()).toThrow("the container's /etc/hosts can't be used (ELOOP)")
  expect(existsSync(join(folder, 'made'))).toBe(false)
})

it.each([
  ['proc', '/proc/1/attr/exec'],
  ['sys', '/sys/kernel/notes'],
])('shows nothing in place of what is the kernel itself, in /%s', async (folder, path) => {
  await symlink(path, join(root, 'etc/hosts'))
  await mkdir(join(root, folder))
  await enter('mount', '--bind', `/${folder}`, join(root, folder))
  expect(() => show()).toThrow("the container's /etc/hosts can't be used (EPERM)")
})

it('says what is in the way', async () => {
  await mkdir(join(root, 'etc/hosts'))
  expect(() => show()).toThrow("the container's /etc/hosts can't be used")
  const nowhere = { pid: container.pid!, root: join(folder, 'none'), isReadOnly: false }
  expect(() => mountInContainer(nowhere, mounts)).toThrow(`${folder}/none can't be used (ENOENT)`)
  const nobody = { pid: 2 ** 22, root, isReadOnly: false }
  expect(() => mountInContainer(nobody, mounts)).toThrow('there is no process 4194304')
  const host = { pid: process.pid, root, isReadOnly: false }
  expect(() => mountInContainer(host, mounts)).toThrow("the container uses the host's own mounts")
})

it('leaves nothing mounted if it fails, at whatever step, and comes back', () => {
  const mountsInside = () => readFileSync(`/proc/${container.pid}/mountinfo`, 'utf8')
  const place = () => [readlinkSync('/proc/thread-self/ns/mnt'), process.cwd()]
  const descriptors = () => readdirSync('/proc/self/fd').length
  const before = [mountsInside(), ...place(), descriptors()]
  for (let k = 1; ; k += 1) {
    armFault(k)
    let failed = true
    try {
      show()
      failed = false
    } catch (error) {
      expect(String(error)).toMatch(/EIO/)
      expect([mountsInside(), ...place(), descriptors()]).toEqual(before)
    }
    disarmFault()
    if (failed) continue
    expect(k).toBeGreaterThan(8)
    expect([...place(), descriptors()]).toEqual(before.slice(1))
    return
  }
})
