import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { IpAddress } from '#dist/address/address.js'
import type { KernelEvent } from '#dist/kernel/kernel.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import { type LinuxKernelOptions, linuxKernel } from '#dist/kernel/linux/index.js'
import type { Resource } from '#dist/kernel/resource.js'
import { digAt } from '../support/dig.ts'
import { ask, startEcho } from '../support/echo.ts'
import { isRunning, keeperEvents, keeperPid, names, resolver, stop } from '../support/keeper-rig.ts'
import { add, type KernelRig, keeperOf, remove } from '../support/kernel-rig.ts'
import { element, table } from '../support/one-table.ts'
import { bindPort, canReservePorts, reservation } from '../support/ports.ts'
import { startProgram } from '../support/programs.ts'
import { inside6, relay, relayRig } from '../support/relay-rig.ts'
import { eventually } from '../support/sockets.ts'

/** All that a keeper holds in one way or other, for the sandbox of a relay rig. */
function kept(rig: KernelRig): Resource[] {
  return [
    resolver(rig.box('box')),
    names('api', '10.7.0.2'),
    relay('tcp', '::1', inside6),
    { kind: 'zone', name: 'cnm.internal', listen: '127.0.0.153' as IpAddress },
  ]
}

/** What a sandbox is told of a name. */
async function answer(rig: KernelRig, name: string): Promise<readonly string[]> {
  const { answer } = await digAt(rig.host, rig.box('box').path, '127.0.0.11', name)
  return answer
}

/** What has been told of the names of an endpoint. */
function namesEvents(events: readonly KernelEvent[], endpoint: string): string[] {
  return events.flatMap((it) => {
    return it.type === 'names' && it.endpoint === endpoint ? [it.change] : []
  })
}

function canBind(rig: KernelRig, port: number): boolean {
  try {
    close(bindPort(rig.host.netns, { protocol: 'tcp', address: '0.0.0.0' as IpAddress, port }))
    return true
  } catch {
    return false
  }
}

describe('when the engine is killed', () => {
  it('everything goes on, and the next one takes it over', async () => {
    await using rig = await relayRig()
    await using _echo = await startEcho(rig.box('box').path)
    await rig.kernel.close()
    const all = [
      table,
      element,
      ...kept(rig),
      ...(canReservePorts() ? [reservation('8080'), reservation('8081')] : []),
    ]
    const options: LinuxKernelOptions = { host: rig.host.netns, keeper: keeperOf(rig.host) }
    const texts = [options, all].map((each) => JSON.stringify(each))
    const engine = await startProgram(rig.host.netns, 'keeper-child.mjs', ...texts)
    expect(engine.says).toBe('ready')
    await engine.end()

    await rig.host.nft('flush ruleset')
    expect(await rig.host.nft('list table inet mine')).toContain('eth0')
    await expect(rig.host.nft('add element inet mine links { eth1 }')).rejects.toThrow()
    expect(await answer(rig, 'api')).toEqual(['A 10.7.0.2'])
    expect(await ask(rig.host.netns, 'tcp', '::1')).toBe('fd00:7::1')
    if (canReservePorts()) expect(canBind(rig, 8080)).toBe(false)

    const next = await linuxKernel(options)
    const keeper = await keeperPid(rig.host)
    expect(await next.compare(all)).toEqual([])
    await add(next, table, { ...element, key: ['eth1'] }, names('db', '10.7.0.3'))
    await remove(next, element)
    expect(await rig.host.nft('list table inet mine')).toMatch(
      /elements = \{ "eth1" comment "somebody" \}/,
    )
    expect(await answer(rig, 'api')).toEqual(['A 10.7.0.2'])
    expect(await answer(rig, 'db')).toEqual(['A 10.7.0.3'])
    await next.close()

    expect(await isRunning(keeper!)).toBe(false)
    expect(existsSync(join(rig.host.folder, 'run/keeper.sock'))).toBe(false)
    expect(await ask(rig.host.netns, 'tcp', '::1')).toBeUndefined()
    await rig.host.nft('add element inet mine links { eth2 }')
  })

  it('a keeper that has to stay goes on as well when the kernel is closed', async () => {
    await using rig = await relayRig()
    await rig.kernel.close()
    const host = rig.host.netns
    const first = await linuxKernel({ host, keeper: keeperOf(rig.host, true) })
    await add(first, table, ...kept(rig))
    await first.close()
    expect(await answer(rig, 'api')).toEqual(['A 10.7.0.2'])
    const second = await linuxKernel({ host, keeper: keeperOf(rig.host) })
    expect(await second.compare([table, ...kept(rig)])).toEqual([])
    await second.close()
    expect(await keeperPid(rig.host)).toBeUndefined()
  })

  it('a keeper that ends by itself leaves no socket', async () => {
    await using rig = await relayRig()
    await rig.kernel.close()
    const options = { host: rig.host.netns, keeper: keeperOf(rig.host, true) }
    const kernel = await linuxKernel(options)
    await add(kernel, table, ...kept(rig))
    await kernel.close()
    const pid = (await keeperPid(rig.host))!
    process.kill(pid, 'SIGTERM')
    await eventually(async () => !(await isRunning(pid)))
    expect(existsSync(join(rig.host.folder, 'run/keeper.sock'))).toBe(false)
  })

  it('a keeper that stays ends all the same if it was given nothing', async () => {
    await using rig = await relayRig()
    await rig.kernel.close()
    const options = { host: rig.host.netns, keeper: keeperOf(rig.host, true) }
    const kernel = await linuxKernel(options)
    await kernel.close()
    expect(await keeperPid(rig.host)).toBeUndefined()
    expect(existsSync(join(rig.host.folder, 'run/keeper.sock'))).toBe(false)
  })
})

describe('when the keeper is killed', () => {
  it('that is told, there is a new one, and it takes what the old one had', async () => {
    await using rig = await relayRig()
    await using _echo = await startEcho(rig.box('box').path)
    const events = keeperEvents(rig.kernel)
    await add(rig.kernel, table, ...kept(rig))
    const pid = (await keeperPid(rig.host))!
    process.kill(pid, 'SIGKILL')
    await eventually(() => events.some((it) => it.type === 'keeper' && it.change === 'lost'))
    await eventually(() => events.some((it) => it.type === 'keeper' && it.change === 'back'))
    expect(await keeperPid(rig.host)).not.toBe(pid)
    const missing = await rig.kernel.compare([table, ...kept(rig)])
    expect(missing.map(({ state }) => state)).toEqual(['missing', 'missing', 'missing', 'missing'])
    await add(rig.kernel, ...kept(rig))
    expect(await rig.kernel.compare([table, ...kept(rig)])).toEqual([])
    expect(await answer(rig, 'api')).toEqual(['A 10.7.0.2'])
    expect(await ask(rig.host.netns, 'tcp', '::1')).toBe('fd00:7::1')
    expect(events.filter(({ type }) => type === 'problem')).toEqual([])
  })

  it('the tables stay ours, in the new one as well', async () => {
    await using rig = await relayRig()
    const events = keeperEvents(rig.kernel)
    await add(rig.kernel, table, element)
    process.kill((await keeperPid(rig.host))!, 'SIGKILL')
    await eventually(() => events.some((it) => it.type === 'keeper' && it.change === 'back'))
    const next = await linuxKernel({ host: rig.host.netns, keeper: keeperOf(rig.host) })
    await rig.kernel.close()
    await rig.host.nft('flush ruleset')
    expect(await next.compare([table, element])).toEqual([])
    await next.close()
  })

  it('changes go on meanwhile, and their names are late', async () => {
    await using rig = await relayRig()
    const events = keeperEvents(rig.kernel)
    const about = () => namesEvents(events, 'late')
    await add(rig.kernel, ...kept(rig))
    process.kill((await keeperPid(rig.host))!, 'SIGKILL')
    const late = names('late', '10.7.0.9')
    await add(rig.kernel, late)
    await eventually(() => events.some((it) => it.type === 'keeper' && it.change === 'back'))
    await add(rig.kernel, ...kept(rig), late)
    // The new one may be late as well.
    await eventually(() => about().at(-1) === 'known')
    expect(about()[0]).toBe('late')
    expect(await answer(rig, 'late')).toEqual(['A 10.7.0.9'])
  })
})

describe('when a sandbox dies', () => {
  it('the keeper drops it and its names, and the kernel knows', async () => {
    await using rig = await relayRig()
    const path = await rig.host.createNamespace('theirs')
    const { namespace } = await rig.kernel.adopt({ path })
    const theirs = [resolver(namespace, 'theirs'), names('other', '10.7.0.8', 'theirs')]
    await add(rig.kernel, ...kept(rig), ...theirs)
    expect(await answer(rig, 'other')).toEqual(['A 10.7.0.8'])
    await rig.host.sh(`umount ${path} && rm ${path}`)
    await eventually(async () => (await rig.kernel.compare(theirs)).length === 2)
    expect(await answer(rig, 'other')).toEqual([])
    expect(await rig.kernel.compare(kept(rig))).toEqual([])
    await remove(rig.kernel, ...theirs)
  })
})

describe('a keeper that does not answer', () => {
  it('keeps no change waiting, and is heard when it does', async () => {
    await using rig = await relayRig()
    const events = keeperEvents(rig.kernel)
    const about = () => namesEvents(events, 'late')
    await add(rig.kernel, ...kept(rig))
    const pid = (await keeperPid(rig.host))!
    await stop(pid)
    await add(rig.kernel, names('late', '10.7.0.9'))
    // Still the same, which has said nothing.
    expect(await isRunning(pid)).toBe(true)
    await eventually(() => about().length > 0)
    expect(about()).toEqual(['late'])
    process.kill(pid, 'SIGCONT')
    await eventually(() => about().includes('known'))
    expect(await answer(rig, 'late')).toEqual(['A 10.7.0.9'])
    expect(await rig.kernel.compare([...kept(rig), names('late', '10.7.0.9')])).toEqual([])
  })

  it('is replaced when it owes an answer for too long', async () => {
    await using rig = await relayRig()
    const events = keeperEvents(rig.kernel)
    const changes = () => events.flatMap((it) => (it.type === 'keeper' ? [it.change] : []))
    const all = kept(rig)
    await add(rig.kernel, table, element, ...all)
    const pid = (await keeperPid(rig.host))!
    await stop(pid)
    // Nobody waits for its names.
    await remove(rig.kernel, all[3]!)
    await expect.poll(changes, { timeout: 30_000 }).toEqual(['lost', 'back'])
    expect(await isRunning(pid)).toBe(false)
    expect(events.filter(({ type }) => type === 'problem')).toEqual([
      { type: 'problem', message: expect.stringContaining('has not answered') },
    ])
    await add(rig.kernel, ...all)
    expect(await keeperPid(rig.host)).not.toBe(pid)
    expect(await answer(rig, 'api')).toEqual(['A 10.7.0.2'])
    expect(await rig.kernel.compare([table, element, ...all])).toEqual([])
    expect(changes()).toEqual(['lost', 'back'])
  })

  it('is replaced by the next engine', async () => {
    await using rig = await relayRig()
    await rig.kernel.close()
    const options = { host: rig.host.netns, keeper: keeperOf(rig.host) }
    const texts = [options, [table, element]].map((each) => JSON.stringify(each))
    const engine = await startProgram(rig.host.netns, 'keeper-child.mjs', ...texts)
    await engine.end()
    const pid = (await keeperPid(rig.host))!
    await stop(pid)
    const next = await linuxKernel(options)
    expect(await isRunning(pid)).toBe(false)
    await add(next, table, element, ...kept(rig))
    expect(await next.compare([table, element, ...kept(rig)])).toEqual([])
    await next.close()
  })

  it('is ended all the same', async () => {
    await using rig = await relayRig()
    await add(rig.kernel, ...kept(rig))
    const pid = (await keeperPid(rig.host))!
    await stop(pid)
    await rig.kernel.close()
    expect(await isRunning(pid)).toBe(false)
  })
})
