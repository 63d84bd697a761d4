import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { IpAddress, MacAddress } from '#dist/address/address.js'
import type { LinuxKernel } from '#dist/kernel/linux/index.js'
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

let rig: KernelRig

beforeAll(async () => {
  process.env.CNM_TRACE = 'calls'
  rig = await kernelRig()
})

afterAll(async () => {
  delete process.env.CNM_TRACE
  await rig?.[Symbol.asyncDispose]()
})

/** When nothing is done in advance any more. */
async function settledCalls(kernel: LinuxKernel): Promise<Readonly<Record<string, number>>> {
  for (let before = ''; ; ) {
    await sleep(20)
    const calls = await kernel.foreignCalls()
    const now = JSON.stringify(calls)
    if (now === before) return calls
    before = now
  }
}

/** What matters of the calls that `work` costs: messages to the kernel, and ways into namespaces. */
async function callsOf(work: () => Promise<void>): Promise<Record<string, number>> {
  const before = await settledCalls(rig.kernel)
  await work()
  await rig.kernel.settled()
  const after = await settledCalls(rig.kernel)
  const names = ['send', 'setns', 'ioctl', 'socket', 'open']
  return Object.fromEntries(names.map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]))
}

/** Of these numbers those that are greater than they may be. */
function above(limits: Record<string, number>, counted: Record<string, number>) {
  return Object.fromEntries(Object.entries(counted).filter(([name, n]) => n > limits[name]!))
}

/** With a MAC of its own: one that changed with the ports would lose its neighbours each time. */
function hostSide(): Resource[] {
  const mac = '02:00:00:07:00:01' as MacAddress
  return [...network('br-a', 7), table].map((it) => (it.kind === 'bridge' ? { ...it, mac } : it))
}

function sandbox(name: string, number: number): Resource[] {
  const namespace = rig.box(name)
  const ports = { from: number, to: number }
  const link = `v-${name}`
  const mac = `02:00:00:07:00:${number.toString(16)}` as MacAddress
  const address = `10.7.0.${number}` as IpAddress
  return [
    { kind: 'namespace', namespace },
    ...port({ namespace, name: link, bridge: 'br-a', n: 7, number }),
    defaultRoute('eth0', '10.7.0.1', namespace),
    { kind: 'sysctl', name: 'net/ipv4/conf/eth0/route_localnet', value: '1', namespace },
    { kind: 'neighbour', link: 'br-a', address, mac },
    { kind: 'fdb', link, bridge: 'br-a', mac },
    { kind: 'rate', link, toSandbox: 8_000_000, fromSandbox: 8_000_000 },
    { kind: 'resolver', namespace, sandbox: name },
    { kind: 'reservation', protocol: 'tcp', address: '0.0.0.0' as IpAddress, ports },
    { ...element, key: [link] },
  ]
}

it('makes no more calls than these', async () => {
  const { kernel } = rig
  await add(kernel, ...hostSide(), ...sandbox('first', 80))
  await callsOf(() => add(kernel, ...sandbox('second', 83)))
  const attached = await callsOf(() => add(kernel, ...sandbox('a', 81)))
  expect(await callsOf(() => add(kernel, ...sandbox('b', 82)))).toEqual(attached)
  const compared = await callsOf(async () => {
    expect(await kernel.compare([...hostSide(), ...sandbox('a', 81)])).toEqual([])
  })
  const surveyed = await callsOf(async () => {
    const { links } = await kernel.survey({ namespaceDir: rig.namespaceDir, tables: [] })
    expect(links).toHaveLength(9)
  })
  const removed = await callsOf(() => remove(kernel, ...sandbox('a', 81)))
  const none = {}
  expect(above({ send: 15, setns: 3, ioctl: 12, socket: 5, open: 2 }, attached)).toEqual(none)
  expect(above({ send: 21, setns: 6, ioctl: 1, socket: 2, open: 1 }, compared)).toEqual(none)
  expect(above({ send: 18, setns: 8, ioctl: 4, socket: 4, open: 4 }, surveyed)).toEqual(none)
  expect(above({ send: 6, setns: 0, ioctl: 7, socket: 0, open: 1 }, removed)).toEqual(none)
})
