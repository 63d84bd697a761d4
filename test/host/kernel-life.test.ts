import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { CnmError } from '#dist/base/errors.js'
import type { Command } from '#dist/kernel/kernel.js'
import { DELETING_GROUP, LINK_GROUP, portGroup, RETIRED_GROUP } from '#dist/kernel/link-groups.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import type { Resource } from '#dist/kernel/resource.js'
import {
  add,
  defaultRoute,
  type KernelRig,
  kernelRig,
  network,
  port,
  remove,
} from '../support/kernel-rig.ts'
import { element, table } from '../support/one-table.ts'
import { run } from '../support/run.ts'

const door = new URL('../../dist/kernel/linux/index.js', import.meta.url).href

/** A program that opens the door to a host and goes on with `script`; answers with what it prints. */
function program(rig: KernelRig, script: string): Promise<string> {
  const source = `
    import { linuxKernel } from '${door}'
    const kernel = await linuxKernel({ host: '${rig.host.netns}' })
    ${script}`
  return run([process.execPath, '--input-type=module', '-e', source])
}

describe('a program with a kernel', () => {
  it('ends by itself when it has nothing more to do', async () => {
    await using rig = await kernelRig()
    const output = await program(
      rig,
      `kernel.events()[Symbol.asyncIterator]().next()
       await kernel.apply({ remove: [], add: [
         { kind: 'bridge', name: 'br-a', origin: 'own', ipv6: false } ] })
       await kernel.view()
       console.log('done')`,
    )
    expect(output).toBe('done\n')
    expect(await rig.links()).toEqual(['br-a'])
  })

  it('waits for what it has asked for', async () => {
    await using rig = await kernelRig()
    await add(rig.kernel, ...network('br-a', 7))
    const output = await program(
      rig,
      `await kernel.apply({ add: [], remove: [
         { kind: 'bridge', name: 'br-a', origin: 'own', ipv6: false } ] })
       kernel.settled().then(() => console.log('settled'))`,
    )
    expect(output).toBe('settled\n')
    expect(await rig.links()).toEqual([])
  })

  it('can exit at any time', async () => {
    await using rig = await kernelRig()
    const asleep = 'kernel.events(); await kernel.view(); await kernel.view()'
    await program(rig, `${asleep}; process.exit(0)`)
    const failure = program(rig, `${asleep}; throw new Error('a mistake')`)
    await expect(failure).rejects.toThrow('a mistake')
  })
})

describe('after a crash', () => {
  it('the next engine deletes what the last was about to delete', async () => {
    await using rig = await kernelRig()
    for (const [name, group] of [
      ['v-gone', RETIRED_GROUP],
      ['v-going', DELETING_GROUP],
      // As earlier versions called these.
      ['v-old1', 0x2d7fa84e],
      ['v-old2', 0x5ac81b37],
      ['v-ours', LINK_GROUP],
      ['v-port', portGroup(7)],
      ['v-theirs', 0],
    ]) {
      await rig.host.ip(`link add ${name} group ${group} type veth peer name p-${name}`)
    }
    const next = await linuxKernel({ host: rig.host.netns })
    try {
      await next.settled()
      expect((await rig.links()).sort()).toEqual(
        ['v-ours', 'v-port', 'v-theirs'].flatMap((name) => [name, `p-${name}`]).sort(),
      )
    } finally {
      await next.close()
    }
  })
})

describe('tables', () => {
  it('are out of reach of others', async () => {
    await using rig = await kernelRig()
    await add(rig.kernel, table, element)
    await rig.host.nft('flush ruleset')
    await expect(rig.host.sh('nft add element inet mine links { eth1 }')).rejects.toThrow(
      'not permitted',
    )
    expect(await rig.kernel.compare([table, element])).toEqual([])
  })

  for (const persist of [true, false]) {
    it(`what a lost engine has left in one can be removed (persist: ${persist})`, async () => {
      await using rig = await kernelRig({ persist })
      const other: Resource = { ...element, key: ['eth1'] }
      const ofAnother: Resource = { ...element, key: ['eth2'], owner: 'another' }
      await add(rig.kernel, table, element, other, ofAnother)
      const next = await linuxKernel({ host: rig.host.netns, persist })
      try {
        if (persist) {
          await expect(remove(next, element)).rejects.toMatchObject({ code: 'ENGINE_RUNNING' })
        }
        await rig.kernel.close()
        await remove(next, element, { ...ofAnother, owner: 'a' }, { ...element, set: 'gone' })
      } finally {
        await next.close()
      }
      const left = await rig.host.nft('list table inet mine')
      expect(left).not.toContain('eth0')
      expect(left).toContain('eth1')
      expect(left).toContain('eth2')
    })
  }

  it('are ordinary ones where nothing else is wanted', async () => {
    await using rig = await kernelRig({ persist: false })
    await add(rig.kernel, table, element)
    expect(await rig.kernel.compare([table, element])).toEqual([])
    await rig.host.nft('flush ruleset')
    const missing = await rig.kernel.compare([table, element])
    expect(missing.map(({ state }) => state)).toEqual(['missing', 'missing'])
    await add(rig.kernel, table, element)
    expect(await rig.host.nft('list table inet mine')).toContain('eth0')
  })
})

describe('programs that can not be started', () => {
  const failureOf = async (rig: KernelRig, command: Pick<Command, 'argv' | 'cwd'>) => {
    const before = (await readdir('/proc/self/fd')).length
    const failure: unknown = await rig.kernel
      .spawn(undefined, { ...command, stdio: 'pipe', env: process.env })
      .catch((error: unknown) => error)
    expect(await readdir('/proc/self/fd')).toHaveLength(before)
    return failure
  }

  it('are told from those that are not there, and leave no descriptor', async () => {
    await using rig = await kernelRig()
    const file = join(rig.host.folder, 'not-executable')
    await writeFile(file, '#!/bin/sh\n', { mode: 0o644 })
    const said = async (argv: Command['argv'], cwd?: string) => {
      const failure = await failureOf(rig, { argv, ...(cwd === undefined ? {} : { cwd }) })
      const { code, message } = failure as CnmError
      return `${code} ${message}`
    }
    expect(await said([file])).toMatch(/^COMMAND_NOT_EXECUTABLE .*not-executable/)
    expect(await said(['/etc/passwd/x'])).toMatch(/^COMMAND_NOT_FOUND /)
    expect(await said(['true'], '/no/such/folder')).toMatch(
      /^INVALID_ARGUMENT .*\/no\/such\/folder/,
    )
    // Too long for the kernel: Node throws this one at once.
    expect(await said(['true', 'x'.repeat(1 << 18)])).toContain('E2BIG')
  })
})

describe('many sandboxes', () => {
  function sandbox(rig: KernelRig, index: number): Resource[] {
    const namespace = rig.box(`box-${index}`)
    const n = 10 + (index % 4)
    return [
      { kind: 'namespace', namespace },
      ...port({ namespace, name: `v-${index}`, bridge: `br-${n}`, n, number: 2 + index }),
      defaultRoute('eth0', `10.${n}.0.1`, namespace),
    ]
  }

  async function networks(rig: KernelRig): Promise<void> {
    await add(rig.kernel, ...[10, 11, 12, 13].flatMap((n) => network(`br-${n}`, n)))
  }

  const bridges = ['br-10', 'br-11', 'br-12', 'br-13']

  it('a thousand come and go, and nothing is left', async () => {
    await using rig = await kernelRig()
    await networks(rig)
    // What is opened at the first time stays open.
    await add(rig.kernel, ...sandbox(rig, 0))
    await remove(rig.kernel, ...sandbox(rig, 0))
    await rig.kernel.settled()
    const open = (await readdir('/proc/self/fd')).length
    for (let round = 0; round < 10; round++) {
      const boxes = Array.from({ length: 100 }, (_, index) => sandbox(rig, 100 * round + index))
      for (const box of boxes) await add(rig.kernel, ...box)
      await rig.host.inside(rig.box(`box-${100 * round + 99}`).path, [
        'ip',
        'route',
        'get',
        '1.1.1.1',
      ])
      for (const box of boxes) await remove(rig.kernel, ...box)
    }
    await rig.kernel.settled()
    expect((await rig.links()).sort()).toEqual(bridges)
    expect(await readdir(rig.namespaceDir)).toEqual([])
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(rig.namespaceDir)
    expect((await readdir('/proc/self/fd')).length).toBe(open)
  }, 120_000)

  it('some come while a hundred go', async () => {
    await using rig = await kernelRig()
    await networks(rig)
    const going = Array.from({ length: 100 }, (_, index) => sandbox(rig, index))
    for (const box of going) await add(rig.kernel, ...box)
    const removal = Promise.all(going.map((box) => remove(rig.kernel, ...box)))
    for (let index = 100; index < 120; index++) await add(rig.kernel, ...sandbox(rig, index))
    await removal
    for (let index = 100; index < 120; index++) {
      const { path } = rig.box(`box-${index}`)
      await rig.host.inside(path, ['ping', '-c1', '-W1', `10.${10 + (index % 4)}.0.1`])
    }
    await rig.kernel.settled()
    expect(await rig.links()).toHaveLength(bridges.length + 20)
  })
})
