import { expect } from 'vitest'
import type { IpAddress } from '../../address/address.ts'
import { type PortRange, parsePorts } from '../../address/port.ts'
import { type ReservationResource, resourceKey } from '../../kernel/resource.ts'
import { sweep } from './failure-cases.ts'
import { address, bridge } from './sample.ts'
import {
  add,
  type Case,
  change,
  expectMissing,
  expectThere,
  failureOf,
  type KernelWorld,
  refused,
  remove,
} from './world.ts'

type Protocol = 'tcp' | 'udp'

function reservation(
  ports: string | PortRange,
  at = '0.0.0.0',
  protocol: Protocol = 'tcp',
): ReservationResource {
  const range = typeof ports === 'string' ? parsePorts(ports) : ports
  return { kind: 'reservation', protocol, address: at as IpAddress, ports: range }
}

/** Whether another process can bind it; it does, if it can. */
async function bind(
  { others }: KernelWorld,
  port: number,
  at = '0.0.0.0',
  protocol: Protocol = 'tcp',
): Promise<boolean> {
  const bound = others.bindPort({ protocol, address: at as IpAddress, port })
  const error = await bound.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error === undefined) return true
  expect(error).toMatchObject({ errno: 'EADDRINUSE' })
  return false
}

/** Reservations that others notice. */
export function reservationCases(test: Case): void {
  test('keeps others from binding a port, as long as it is reserved', async (world) => {
    const reserved = [reservation('8080'), reservation('8080', '::')]
    await expectMissing(world, ...reserved)
    await add(world, ...reserved)
    await expectThere(world, ...reserved)
    expect(await bind(world, 8080)).toBe(false)
    expect(await bind(world, 8080, '127.0.0.1')).toBe(false)
    expect(await bind(world, 8080, '::1')).toBe(false)
    expect(await bind(world, 8081)).toBe(true)
    expect(await bind(world, 8080, '127.0.0.1', 'udp')).toBe(true)
    await remove(world, ...reserved)
    await expectMissing(world, ...reserved)
    expect(await bind(world, 8080, '127.0.0.1')).toBe(true)
  })

  test('keeps others from binding one address, or all of them', async (world) => {
    await add(world, reservation('53', '127.0.0.1', 'udp'))
    expect(await bind(world, 53, '127.0.0.1', 'udp')).toBe(false)
    expect(await bind(world, 53, '0.0.0.0', 'udp')).toBe(false)
    expect(await bind(world, 53, '127.0.0.2', 'udp')).toBe(true)
    expect(await bind(world, 53, '::1', 'udp')).toBe(true)
  })

  test('keeps others from all ports of a range', async (world) => {
    await add(world, reservation('3000-12999'))
    for (const port of [2999, 13_000]) expect(await bind(world, port)).toBe(true)
    for (const port of [3000, 4095, 4096, 8191, 12_999]) expect(await bind(world, port)).toBe(false)
  })

  test('keeps what another reservation is about as well', async (world) => {
    await add(
      world,
      reservation('8000-8010'),
      reservation('8005'),
      reservation('8005', '127.0.0.1'),
    )
    await remove(world, reservation('8000-8010'))
    expect(await bind(world, 8005, '127.0.0.2')).toBe(false)
    await remove(world, reservation('8005'))
    expect(await bind(world, 8005, '127.0.0.2')).toBe(true)
    expect(await bind(world, 8005, '127.0.0.1')).toBe(false)
  })

  test('adds and removes what is so already', async (world) => {
    for (const _ of [1, 2]) await add(world, reservation('8080'))
    await world.kernel.apply(
      change({ remove: [reservation('8080')], add: [reservation('8080'), bridge()] }),
    )
    expect(await bind(world, 8080)).toBe(false)
    for (const _ of [1, 2]) await remove(world, reservation('8080'))
    expect(await bind(world, 8080)).toBe(true)
  })

  test('undoes its reservations with the rest', async (world) => {
    await add(world, reservation('81'))
    await refused(world, {
      remove: [reservation('81')],
      add: [reservation('80'), address('none', '10.81.0.1/24')],
    })
    expect(await bind(world, 80)).toBe(true)
    expect(await bind(world, 81)).toBe(false)
  })
}

/** Reservations, whatever step fails. */
export function reservationFaultCases(test: Case): void {
  const reserved = [reservation('1-5000'), reservation('80', '127.0.0.1', 'udp')]

  test('undoes a reservation at every step', async (world) => {
    await sweep(world, { add: [bridge(), ...reserved] }, 3)
    await expectThere(world, ...reserved)
  })

  test('undoes the end of a reservation at every step', async (world) => {
    await add(world, bridge(), ...reserved)
    await sweep(world, { remove: [bridge(), ...reserved] }, 3)
    for (const port of [1, 5000]) expect(await bind(world, port)).toBe(true)
  })
}

/** Ports that others have. */
export function portConflictCases(test: Case): void {
  test('refuses to reserve a port that a process holds, and names it', async (world) => {
    const at = '127.0.0.1' as IpAddress
    const holder = await world.others.bindPort({ protocol: 'tcp', address: at, port: 8080 })
    const wanted = reservation('8000-8100')
    const failure = await refused(world, { add: [bridge(), reservation('22'), wanted] })
    expect(failure).toEqual({
      key: resourceKey(wanted),
      code: 'PORT_IN_USE',
      message: `port 8080/tcp is held by ${holder.process} (pid ${holder.pid})`,
    })
    await expectMissing(world, bridge())
    expect(await world.kernel.holders([reservation('22'), wanted])).toEqual([holder])
  })

  test('refuses what one of many holds', async (world) => {
    const holder = { protocol: 'udp', address: '::' as IpAddress, port: 30_042 } as const
    await world.others.bindPort(holder)
    const single = (port: number) => reservation({ from: port, to: port }, '::', 'udp')
    const wanted = Array.from({ length: 1000 }, (_, index) => single(30_000 + 2 * index))
    const failure = await failureOf(world.kernel.apply(change({ add: wanted })))
    expect(failure).toMatchObject({ key: resourceKey(single(30_042)), code: 'PORT_IN_USE' })
    await add(world, ...wanted.filter(({ ports }) => ports.from !== 30_042))
  })

  test('takes what is held at another address, by another protocol, at another port', async (world) => {
    const at = (address: string) => address as IpAddress
    await world.others.bindPort({ protocol: 'tcp', address: at('127.0.0.2'), port: 8080 })
    await world.others.bindPort({ protocol: 'tcp', address: at('::1'), port: 8080 })
    await world.others.bindPort({ protocol: 'udp', address: at('127.0.0.1'), port: 8080 })
    await world.others.bindPort({ protocol: 'tcp', address: at('127.0.0.1'), port: 8081 })
    await add(world, reservation('8080', '127.0.0.1'))
    expect(await world.kernel.holders([reservation('8080', '127.0.0.1')])).toEqual([])
  })
}
