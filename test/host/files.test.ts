import { lstat, mkdir, readdir, readFile, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { IpAddress } from '#dist/address/address.js'
import type { Change, KernelEvent } from '#dist/kernel/kernel.js'
import type { HostsEntryResource, Resource } from '#dist/kernel/resource.js'
import { until } from '../support/cli-host.ts'
import { failsAtEveryStep } from '../support/failing-steps.ts'
import { add, address, type KernelRig, kernelRig, remove } from '../support/kernel-rig.ts'
import { run } from '../support/run.ts'

const base = '127.0.0.1\tlocalhost\n'

/** The files of one sandbox, and resources for them. */
class Files {
  readonly rig: KernelRig
  readonly folder: string

  constructor(rig: KernelRig, folder = join(rig.host.folder, 'sandboxes/box')) {
    this.rig = rig
    this.folder = folder
  }

  get path(): string {
    return join(this.folder, 'hosts')
  }

  file(content = base, name = 'hosts'): Resource {
    return { kind: 'file', path: join(this.folder, name), content }
  }

  entry(text: string, ...names: string[]): HostsEntryResource {
    return { kind: 'hosts-entry', path: this.path, address: text as IpAddress, names }
  }

  add = (...resources: Resource[]) => add(this.rig.kernel, ...resources)
  remove = (...resources: Resource[]) => remove(this.rig.kernel, ...resources)
  change = (from: Resource, to: Resource) => this.apply({ remove: [from], add: [to] })
  apply = (change: Change) => this.rig.kernel.apply(change)
  text = () => readFile(this.path, 'utf8')
}

function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('a file', () => {
  it('is made with its folders, for everybody to read, and goes with its folder', async () => {
    await using rig = await kernelRig()
    const files = new Files(rig)
    const umask = process.umask(0o077)
    try {
      await files.add(files.file(), files.file('one\n', 'hostname'), files.entry('10.7.0.2', 'one'))
    } finally {
      process.umask(umask)
    }
    expect(await files.text()).toBe(`${base}10.7.0.2\tone\n`)
    expect(await readdir(files.folder)).toEqual(['hostname', 'hosts'])
    const modes = await run(['stat', '-c', '%a', files.folder, files.path])
    expect(modes).toBe('755\n644\n')
    await files.remove(files.file())
    expect(await readdir(files.folder)).toEqual(['hostname'])
    await files.remove(files.file('one\n', 'hostname'))
    expect(await readdir(join(rig.host.folder, 'sandboxes'))).toEqual([])
  })

  it('is changed in place, with the lines that have come since', async () => {
    await using rig = await kernelRig()
    const files = new Files(rig)
    await files.add(files.file())
    const { ino } = await stat(files.path)
    await files.add(files.entry('10.7.0.2', 'one.example', 'one'), files.entry('fd00:7::2', 'one'))
    await files.change(files.file(), files.file(`${base}192.0.2.1\tgate\n`))
    expect(await files.text()).toBe(
      `${base}192.0.2.1\tgate\n10.7.0.2\tone.example one\nfd00:7::2\tone\n`,
    )
    await files.remove(files.entry('10.7.0.2', 'one.example', 'one'))
    await files.change(files.file(`${base}192.0.2.1\tgate\n`), files.file('new\n'))
    expect(await files.text()).toBe('new\nfd00:7::2\tone\n')
    expect((await stat(files.path)).ino).toBe(ino)
    await unlink(files.path)
    await files.change(files.file('new\n'), files.file('newer\n'))
    expect(await files.text()).toBe('newer\n')
  })

  it('is left alone when it is there, or others have changed it, but for lines of ours', async () => {
    await using rig = await kernelRig()
    const files = new Files(rig)
    await files.add(files.file(), files.entry('10.7.0.2', 'one'))
    await files.add(files.file('another\n'))
    expect(await files.text()).toBe(`${base}10.7.0.2\tone\n`)
    const bytes = Buffer.from([0x23, 0xff, 0xc3, 0x28, 0x0a, 0x09, 0x0d, 0x0a, 0x00])
    const theirs = Buffer.concat([Buffer.from('10.7.0.2\tone\n# mine\n10.7.0.2 one\n'), bytes])
    await writeFile(files.path, theirs)
    await files.change(files.file(), files.file('another\n'))
    expect(await readFile(files.path)).toEqual(theirs)
    await files.change(files.entry('10.7.0.2', 'one'), files.entry('10.7.0.3', 'one'))
    const line = '10.7.0.2\tone\n'
    expect(await readFile(files.path)).toEqual(
      Buffer.concat([theirs.subarray(line.length), Buffer.from('\n10.7.0.3\tone\n')]),
    )
    expect(await rig.kernel.compare([files.file(), files.entry('10.7.0.3', 'one')])).toEqual([])
    const [difference] = await rig.kernel.compare([files.entry('10.7.0.2', 'one')])
    expect(difference).toMatchObject({ state: 'missing' })
    expect(difference?.detail).toBe(`no line "10.7.0.2 one" in ${files.path}`)
  })

  it('of a crash that is half written is written anew', async () => {
    await using rig = await kernelRig()
    const files = new Files(rig)
    await mkdir(files.folder, { recursive: true })
    await writeFile(`${files.path}.new`, 'a very long text that was written before it crashed\n')
    await files.add(files.file())
    expect(await files.text()).toBe(base)
    expect(await readdir(files.folder)).toEqual(['hosts'])
    await writeFile(`${files.path}.new`, '')
    await files.remove(files.file())
    expect(await readdir(join(rig.host.folder, 'sandboxes'))).toEqual([])
  })

  it('is nothing else that has its name', async () => {
    await using rig = await kernelRig()
    const files = new Files(rig)
    const elsewhere = join(rig.host.folder, 'elsewhere')
    await writeFile(elsewhere, base)
    await mkdir(files.folder, { recursive: true })
    const all = [files.file(), files.entry('10.7.0.2', 'one')] as const
    const make: (() => Promise<unknown>)[] = [
      () => symlink(elsewhere, files.path),
      () => symlink('nowhere', files.path),
      () => run(['mkfifo', files.path]),
      () => mkdir(files.path),
    ]
    for (const each of make) {
      await each()
      const { ino } = await lstat(files.path)
      await files.add(...all)
      await files.change(files.file(), files.file('other\n'))
      expect(await rig.kernel.compare(all)).toEqual([])
      await files.remove(...all)
      expect((await lstat(files.path)).ino).toBe(ino)
      expect(await readFile(elsewhere, 'utf8')).toBe(base)
      expect(await readdir(files.folder)).toEqual(['hosts'])
      await run(['rm', '-r', files.path])
    }
  })
})

describe('a change of files that fails', () => {
  const spoiler = address('none', '10.81.0.1/24')

  it('is undone to the byte, at every step', async () => {
    await using rig = await kernelRig()
    const files = new Files(rig)
    const file = files.file()
    const name = files.file('one\n', 'hostname')
    const [first, second] = [files.entry('10.7.0.2', 'one'), files.entry('fd00:7::2', 'one')]
    const changes: readonly Change[] = [
      { remove: [], add: [file, name, first] },
      { remove: [first], add: [second] },
      { remove: [file, second], add: [files.file('other\n'), first] },
      { remove: [files.file('other\n'), name, first], add: [] },
    ]
    const look = async () => {
      const list = 'find sandboxes -printf "%y %p %m\\n" -type f -exec cat {} \\; 2>/dev/null | cat'
      return rig.host.sh(`cd ${rig.host.folder}; ${list}`)
    }
    for (const change of changes) {
      const before = await look()
      await failureOf(files.apply({ remove: change.remove, add: [...change.add, spoiler] }))
      expect(await look()).toBe(before)
      await failsAtEveryStep(rig.kernel, change, look)
      expect(await look()).not.toBe(before)
    }
  })

  it('leaves it the file it was', async () => {
    await using rig = await kernelRig()
    const files = new Files(rig)
    await files.add(files.file())
    const { ino } = await stat(files.path)
    await failureOf(files.add(files.entry('10.7.0.2', 'one'), spoiler))
    expect(await files.text()).toBe(base)
    expect((await stat(files.path)).ino).toBe(ino)
  })
})

describe('a file that can’t be written', () => {
  it('for lack of room is told, and left as it was', async () => {
    await using rig = await kernelRig()
    await using told = new Told(rig)
    const folder = join(rig.host.folder, 'small')
    await mkdir(folder)
    await run(['mount', '-t', 'tmpfs', '-o', 'size=8k', 'cnm-test', folder])
    const files = new Files(rig, folder)
    await files.add(files.file())
    await writeFile(join(folder, 'rest'), Buffer.alloc(4096))
    const many = Array.from({ length: 400 }, (_, n) => files.entry(`10.7.0.${n % 256}`, `n${n}`))
    await files.add(...many)
    await told.of(files.path, 'ENOSPC')
    expect(await files.text()).toBe(base)
    await files.add(files.file('more\n', 'hostname'))
    await told.of(join(folder, 'hostname'), 'ENOSPC')
    expect((await readdir(folder)).sort()).toEqual(['hosts', 'rest'])
    const differences = await rig.kernel.compare([files.file('more\n', 'hostname'), many[0]!])
    expect(differences.map(({ state }) => state)).toEqual(['missing', 'missing'])
  })

  it('as nothing there can be is told, where it needs to be', async () => {
    await using rig = await kernelRig()
    await using told = new Told(rig)
    const folder = join(rig.host.folder, 'read-only')
    await mkdir(folder)
    await run(['mount', '-t', 'tmpfs', 'cnm-test', folder])
    const files = new Files(rig, folder)
    await files.add(files.file())
    await run(['mount', '-o', 'remount,ro', folder])
    // What needs no change needs no writing.
    await files.add(files.file())
    const line = files.entry('10.7.0.2', 'one')
    await files.remove(line)
    expect(told.messages).toEqual([])
    await files.add(line)
    await told.of(files.path, 'EROFS')
    await files.add(files.file('x', 'below/file'))
    await told.of(join(folder, 'below/file'), 'EROFS')
    await files.remove(files.file())
    await told.of(`${files.path} can't be removed`, 'EROFS')
  })
})

/** What the kernel door tells besides its answers. */
class Told implements AsyncDisposable {
  readonly messages: string[] = []
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>

  constructor({ kernel }: KernelRig) {
    this.#ended = this.#listen(kernel.events(this.#stop.signal))
  }

  async of(...words: readonly string[]): Promise<void> {
    const isTold = () => this.messages.some((it) => words.every((word) => it.includes(word)))
    await until(isTold, `not told of ${words.join(' and ')}: ${this.messages.join('; ')}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }

  async #listen(events: AsyncIterable<KernelEvent>): Promise<void> {
    for await (const event of events)
      if (event.type === 'problem') this.messages.push(event.message)
  }
}
