import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { IpAddress } from '#dist/address/address.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import type { Resource } from '#dist/kernel/resource.js'
import { type KernelRig, kernelRig, network } from '../support/kernel-rig.ts'
import { type BoundPort, bindPort, canReservePorts, reservation } from '../support/ports.ts'
import { listen, type Started, startProgram } from '../support/programs.ts'

let rig: KernelRig
const programs: Started[] = []

beforeEach(async () => {
  rig = await kernelRig()
})

afterEach(async () => {
  for (const program of programs.splice(0)) await program.end()
  await rig[Symbol.asyncDispose]()
})

function add(...resources: readonly Resource[]): Promise<void> {
  return rig.kernel.apply({ remove: [], add: resources })
}

function remove(...resources: readonly Resource[]): Promise<void> {
  return rig.kernel.apply({ remove: resources, add: [] })
}

type Try = Partial<Omit<BoundPort, 'address'>> & { readonly path?: string }

/** What comes of binding it, for a moment: `bound` or an errno. */
function tryPort(address: string, port: number, { path = rig.host.netns, ...more }: Try = {}) {
  try {
    close(bindPort(path, { protocol: 'tcp', address: address as IpAddress, port, ...more }))
    return 'bound'
  } catch (error) {
    return (error as { errno: string }).errno
  }
}

/** What a program says that listens there. */
async function listening(protocol: 'tcp' | 'udp', address: string, port: number): Promise<string> {
  const program = await listen(rig.host.netns, protocol, address, port)
  programs.push(program)
  return program.says
}

describe.skipIf(!canReservePorts())('reserved ports', () => {
  it('are in use, for programs that want to listen', async () => {
    await add(reservation('8080'), reservation('53', '127.0.0.1', 'udp'))
    for (const address of ['0.0.0.0', '127.0.0.1', '::']) {
      expect(await listening('tcp', address, 8080)).toBe('EADDRINUSE')
    }
    expect(await listening('udp', '0.0.0.0', 53)).toBe('EADDRINUSE')
    expect(await listening('udp', '127.0.0.1', 53)).toBe('EADDRINUSE')
    expect(await listening('udp', '127.0.0.1', 8080)).toBe('ready')
  })

  it.each<[string, string, Try, string]>([
    ['0.0.0.0', '0.0.0.0', {}, 'EADDRINUSE'],
    ['0.0.0.0', '127.0.0.1', {}, 'EADDRINUSE'],
    ['0.0.0.0', '::', { dual: true }, 'EADDRINUSE'],
    ['0.0.0.0', '::', {}, 'bound'],
    ['0.0.0.0', '::1', {}, 'bound'],
    ['0.0.0.0', '::ffff:127.0.0.1', { dual: true }, 'EADDRINUSE'],
    ['0.0.0.0', '::ffff:0.0.0.0', { dual: true }, 'EADDRINUSE'],
    ['127.0.0.1', '127.0.0.1', {}, 'EADDRINUSE'],
    ['127.0.0.1', '127.0.0.2', {}, 'bound'],
    ['127.0.0.1', '0.0.0.0', {}, 'EADDRINUSE'],
    ['127.0.0.1', '::', { dual: true }, 'EADDRINUSE'],
    ['127.0.0.1', '::', {}, 'bound'],
    ['127.0.0.1', '::ffff:127.0.0.1', { dual: true }, 'EADDRINUSE'],
    ['127.0.0.1', '::ffff:127.0.0.2', { dual: true }, 'bound'],
    ['::', '::', {}, 'EADDRINUSE'],
    ['::', '::', { dual: true }, 'EADDRINUSE'],
    ['::', '::1', {}, 'EADDRINUSE'],
    ['::', '::ffff:127.0.0.1', { dual: true }, 'bound'],
    ['::', '0.0.0.0', {}, 'bound'],
    ['::1', '::1', {}, 'EADDRINUSE'],
    ['::1', '::', {}, 'EADDRINUSE'],
    ['::1', '127.0.0.1', {}, 'bound'],
    ['::1', 'fd00::1', {}, 'EADDRNOTAVAIL'],
  ])('at %s: %s with %o is %s', async (reserved, address, how, outcome) => {
    await add(reservation('8080', reserved), reservation('8080', reserved, 'udp'))
    for (const protocol of ['tcp', 'udp'] as const) {
      expect(tryPort(address, 8080, { ...how, protocol })).toBe(outcome)
    }
    await remove(reservation('8080', reserved), reservation('8080', reserved, 'udp'))
    for (const protocol of ['tcp', 'udp'] as const) {
      expect(tryPort(address, 8080, { ...how, protocol })).not.toBe('EADDRINUSE')
    }
  })

  it('are the host’s alone', async () => {
    await add(reservation('8080'))
    const path = await rig.host.createNamespace('elsewhere')
    expect(tryPort('0.0.0.0', 8080, { path })).toBe('bound')
    expect(tryPort('0.0.0.0', 8080)).toBe('EADDRINUSE')
  })

  it('leave alone who takes any port', async () => {
    await add(reservation('1-65535'))
    expect(tryPort('127.0.0.1', 0)).toBe('bound')
    expect(tryPort('127.0.0.1', 1)).toBe('EADDRINUSE')
    expect(tryPort('127.0.0.1', 65_535)).toBe('EADDRINUSE')
  })

  it('can be all of a range, and a thousand single ones', async () => {
    const single = (port: number) => reservation({ from: port, to: port })
    const many = Array.from({ length: 1000 }, (_, index) => single(20_000 + 2 * index))
    await add(reservation('8000-17999'), ...many)
    const reserved = (port: number) => tryPort('127.0.0.1', port) === 'EADDRINUSE'
    expect([7999, 8000, 12_345, 17_999, 18_000].map(reserved)).toEqual([
      false,
      true,
      true,
      true,
      false,
    ])
    expect([20_000, 20_001, 21_998, 21_999].map(reserved)).toEqual([true, false, true, false])
    await remove(...many.slice(1))
    expect([8000, 20_000, 20_002].map(reserved)).toEqual([true, true, false])
  })

  it('are free when the kernel is closed', async () => {
    await add(reservation('8080'))
    await rig.kernel.close()
    await vi.waitFor(() => expect(tryPort('127.0.0.1', 8080)).toBe('bound'), 5000)
  })

  it('are free when the process is killed', async () => {
    const engine = await startProgram(rig.host.netns, 'reserve-child.mjs', rig.host.netns)
    programs.push(engine)
    expect(engine.says).toBe('ready')
    expect(tryPort('127.0.0.1', 8080)).toBe('EADDRINUSE')
    await engine.end()
    await vi.waitFor(() => expect(tryPort('127.0.0.1', 8080)).toBe('bound'), 5000)
  })

  it('are no descriptor that a program would get', async () => {
    await add(reservation('8080'))
    const ours = readdirSync('/proc/self/fd').filter((fd) => /bpf/.test(linkOf(fd)))
    expect(ours.length).toBeGreaterThan(2)
    for (const fd of ours) {
      const flags = /flags:\s+([0-7]+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!
      expect(Number.parseInt(flags, 8) & 0o2000000, `fd ${fd}`).not.toBe(0)
    }
  })

  it('are as they were, at whatever step a change fails', async () => {
    const before = [reservation('80'), reservation('81', '127.0.0.1')]
    const after = [reservation('82-5000'), reservation('83', '::1', 'udp')]
    const state = () => [
      ...[80, 81, 82, 2048, 5000].map((port) => tryPort('127.0.0.1', port)),
      tryPort('::1', 83, { protocol: 'udp' }),
    ]
    await add(...before)
    const was = state()
    const change = { remove: before, add: [...after, ...network('br0', 7)] }
    let steps = 0
    for (; ; steps++) {
      await rig.kernel.armFault(steps + 1)
      const error = await rig.kernel.apply(change).catch((reason: unknown) => reason)
      await rig.kernel.armFault(Number.POSITIVE_INFINITY)
      if (error === undefined) break
      expect(error).toMatchObject({ errno: 'EIO' })
      expect(state(), `after a failure at step ${steps + 1}`).toEqual(was)
      expect(await rig.kernel.compare(before)).toEqual([])
      expect((await rig.kernel.compare(after)).map(({ state }) => state)).toEqual([
        'missing',
        'missing',
      ])
    }
    // Five blocks of the range and two of the single port come, one and two go, and there is a bridge.
    expect(steps).toBeGreaterThan(10)
    const [free, taken] = ['bound', 'EADDRINUSE']
    expect(state()).toEqual([free, free, taken, taken, taken, taken])
  })

  it('are loaded for each change anew while there are none, or not at all', async () => {
    for (let step = 1; ; step++) {
      await rig.kernel.armFault(step)
      const error = await add(reservation('8080')).catch((reason: unknown) => reason)
      await rig.kernel.armFault(Number.POSITIVE_INFINITY)
      if (error === undefined) {
        expect(step).toBeGreaterThan(6)
        break
      }
      expect(error).toMatchObject({ errno: 'EIO', resource: 'reservation:tcp 0.0.0.0 8080' })
      expect(readdirSync('/proc/self/fd').filter((fd) => /bpf/.test(linkOf(fd)))).toEqual([])
    }
    expect(tryPort('127.0.0.1', 8080)).toBe('EADDRINUSE')
  })
})

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}
