import { release } from 'node:os'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { IpAddress } from '#dist/address/address.js'
import { isCnmError } from '#dist/base/errors.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import { connect, internetAddress } from '#dist/kernel/linux/ffi/socket.js'
import type { ReservationResource, Resource } from '#dist/kernel/resource.js'
import { type KernelRig, kernelRig, network } from '../support/kernel-rig.ts'
import { type BoundPort, bindPort, ownName, reservation } from '../support/ports.ts'
import { listen } from '../support/programs.ts'

let rig: KernelRig
const held: number[] = []

beforeEach(async () => {
  rig = await kernelRig()
})

afterEach(async () => {
  for (const fd of held.splice(0)) close(fd)
  await rig[Symbol.asyncDispose]()
})

type Held = Partial<Omit<BoundPort, 'address' | 'port'>> & {
  readonly address: string
  readonly port: number
}

/** A socket of this process on the host; answers with its descriptor. */
function hold(request: Held): number {
  const fd = bindPort(rig.host.netns, {
    protocol: 'tcp',
    ...request,
    address: request.address as IpAddress,
  })
  held.push(fd)
  return fd
}

/** `taken` if somebody holds it, `free` if it could be reserved, for a moment. */
async function tryToReserve(wanted: ReservationResource): Promise<string> {
  try {
    await rig.kernel.apply({ remove: [], add: [wanted] })
    await rig.kernel.apply({ remove: [wanted], add: [] })
    return 'free'
  } catch (error) {
    if (isCnmError(error, 'PORT_IN_USE')) return 'taken'
    throw error
  }
}

const loopback = '127.0.0.1'
// Older ones don't tell of sockets that are bound and don't listen.
const [major, minor] = release().split('.').map(Number) as [number, number]
const tellsBound = major > 6 || (major === 6 && minor >= 8)

describe('a port that is held', () => {
  it.each([
    ['tcp', '0.0.0.0', '0.0.0.0'],
    ['udp', loopback, loopback],
    ['tcp', '::', loopback],
    ['tcp', '::1', '::'],
  ] as const)('over %s at %s is refused at %s, with name and pid', async (protocol, at, wanted) => {
    const program = await listen(rig.host.netns, protocol, at, 8080)
    try {
      expect(program.says).toBe('ready')
      const add = [...network('br0', 7), reservation('8000-8100', wanted, protocol)]
      const error = await rig.kernel.apply({ remove: [], add }).catch((reason: unknown) => reason)
      expect(error).toMatchObject({
        name: 'CnmError',
        code: 'PORT_IN_USE',
        message: expect.stringMatching(
          new RegExp(`^port 8080/${protocol} is held by \\S+ \\(pid ${program.pid}\\)$`),
        ),
        details: {
          protocol,
          address: at,
          port: 8080,
          pid: program.pid,
          wanted: `${wanted} 8000-8100`,
          resource: `reservation:${protocol} ${wanted} 8000-8100`,
        },
        hint: 'choose another host port, or end that process',
      })
      expect(await rig.links()).toEqual([])
    } finally {
      await program.end()
    }
    expect(await tryToReserve(reservation('8080', wanted, protocol))).toBe('free')
  })

  it.each<[string, Held, string]>([
    [loopback, { address: '::', port: 8080, dual: true }, 'taken'],
    [loopback, { address: '::', port: 8080 }, 'free'],
    [loopback, { address: '::ffff:127.0.0.1', port: 8080, dual: true }, 'taken'],
    [loopback, { address: '::ffff:127.0.0.2', port: 8080, dual: true }, 'free'],
    [loopback, { address: '127.0.0.2', port: 8080 }, 'free'],
    ['::', { address: loopback, port: 8080 }, 'free'],
    ['::', { address: '::ffff:127.0.0.1', port: 8080, dual: true }, 'free'],
    ['::', { address: '::1', port: 8080 }, 'taken'],
    ['10.99.0.1', { address: '0.0.0.0', port: 8080 }, 'taken'],
    ['10.99.0.1', { address: loopback, port: 8080 }, 'free'],
    ['0.0.0.0', { address: loopback, port: 8081 }, 'free'],
  ])('is one that %s gets, or not: %o is %s', async (wanted, holder, outcome) => {
    for (const protocol of ['tcp', 'udp'] as const) {
      hold({ ...holder, protocol })
      expect(await tryToReserve(reservation('8080', wanted, protocol))).toBe(outcome)
    }
  })

  it.skipIf(!tellsBound)('may be bound only, so far', async () => {
    hold({ address: loopback, port: 8080, listening: false })
    expect(await tryToReserve(reservation('8080'))).toBe('taken')
  })

  it('is none that a client uses', async () => {
    hold({ address: '127.0.0.2', port: 53, protocol: 'udp' })
    hold({ address: '127.0.0.2', port: 80 })
    for (const [protocol, port] of [
      ['udp', 53],
      ['tcp', 80],
    ] as const) {
      const client = hold({ address: loopback, port: 8080, protocol, listening: false })
      connect(client, internetAddress('127.0.0.2' as IpAddress, port))
      expect(await tryToReserve(reservation('8080', '0.0.0.0', protocol))).toBe('free')
    }
  })

  it('is found among many that are wanted', async () => {
    hold({ address: loopback, port: 30_042, protocol: 'udp' })
    expect(await tryToReserve(reservation('30000-39999', '0.0.0.0', 'udp'))).toBe('taken')
    expect(await tryToReserve(reservation('30043-39999', '0.0.0.0', 'udp'))).toBe('free')
    expect(await tryToReserve(reservation('30000-39999'))).toBe('free')
  })

  it('is not looked for again when it stays', async () => {
    const wanted = reservation('8080')
    await rig.kernel.apply({ remove: [], add: [wanted] })
    await rig.kernel.apply({ remove: [wanted], add: [wanted, ...network('br0', 7)] })
    await rig.kernel.apply({ remove: [], add: [wanted] })
    expect(await rig.links()).toEqual(['br0'])
  })

  it('over SCTP is none, where nobody uses that', async () => {
    expect(await tryToReserve(reservation('8080', '0.0.0.0', 'sctp'))).toBe('free')
  })
})

describe('holders', () => {
  const us = () => ({ pid: process.pid, process: ownName() })

  it('are all sockets that get what comes to these ports', async () => {
    hold({ address: loopback, port: 8080 })
    hold({ address: '127.0.0.2', port: 8081 })
    hold({ address: '::', port: 53, protocol: 'udp', dual: true })
    hold({ address: '::1', port: 8080 })
    const found = await rig.kernel.holders([
      reservation('8080-8081'),
      reservation('53', loopback, 'udp'),
      reservation('54', loopback, 'udp'),
    ])
    expect(found.toSorted((a, b) => a.port - b.port)).toEqual([
      { protocol: 'udp', address: '::', port: 53, ...us() },
      { protocol: 'tcp', address: loopback, port: 8080, ...us() },
      { protocol: 'tcp', address: '127.0.0.2', port: 8081, ...us() },
    ])
  })

  it('are no relays of our own', async () => {
    const listen = { address: '::1' as IpAddress, port: 8080 }
    const to = { address: 'fd00::2' as IpAddress, port: 80 }
    const relay: Resource = { kind: 'relay', protocol: 'tcp', listen, to }
    const wanted = reservation('8080', '::')
    await rig.kernel.apply({ remove: [], add: [wanted, relay] })
    expect(await rig.host.sh('ss -Hltn')).toContain('[::1]:8080')
    expect(await rig.kernel.holders([wanted])).toEqual([])
    await rig.kernel.apply({ remove: [wanted, relay], add: [] })
  })
})

describe('without a way to reserve ports', () => {
  it('they are looked at, and nothing else happens', async () => {
    await using plain = await kernelRig({ reservePorts: false })
    const wanted = reservation('8080')
    expect(await plain.kernel.compare([wanted])).toEqual([])
    await plain.kernel.apply({ remove: [], add: [wanted] })
    expect(await plain.kernel.compare([wanted])).toEqual([])
    const fd = bindPort(plain.host.netns, { protocol: 'tcp', address: wanted.address, port: 8080 })
    try {
      await plain.kernel.apply({ remove: [wanted], add: [] })
      const error = await plain.kernel.apply({ remove: [], add: [wanted] }).catch((it) => it)
      expect(error).toMatchObject({ code: 'PORT_IN_USE', details: { pid: process.pid } })
    } finally {
      close(fd)
    }
  })
})
