import { readdir, readFile } from 'node:fs/promises'
import type { IpAddress, Prefix } from '#dist/address/address.js'
import type { NamesResource, ResolverResource } from '#dist/kernel/kept-resource.js'
import type { KernelEvent } from '#dist/kernel/kernel.js'
import type { LinuxKernel } from '#dist/kernel/linux/index.js'
import type { NamespaceRef } from '#dist/kernel/resource.js'
import type { ThrowAwayHost } from './host.ts'
import { eventually } from './sockets.ts'

export function resolver(namespace: NamespaceRef, sandbox = 'box'): ResolverResource {
  return { kind: 'resolver', namespace, sandbox }
}

/** The names of an endpoint of a sandbox, on a network that leads nowhere. */
export function names(endpoint: string, address: string, sandbox = 'box'): NamesResource {
  return {
    kind: 'names',
    endpoint,
    sandbox,
    network: { id: 'network', name: 'web' },
    names: [endpoint],
    addresses: [address as IpAddress],
    subnets: ['10.7.0.0/16' as Prefix],
    services: [],
    own: {},
    outside: false,
    gateway: false,
  }
}

/** The process that listens at the keeper's socket, as `ss` tells it; undefined: there is none. */
export async function keeperPid(host: ThrowAwayHost): Promise<number | undefined> {
  const listening = await host.sh('ss -xlpnH')
  const line = listening.split('\n').find((one) => one.includes(`${host.folder}/run/keeper.sock`))
  const pid = /pid=(\d+)/.exec(line ?? '')?.[1]
  return pid === undefined ? undefined : Number(pid)
}

/** Whether there is such a process that hasn't ended. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await statOf(String(pid))
  return stat !== '' && !/\) [ZX] /.test(stat)
}

/** Resolves when no thread of that process goes on, until it gets SIGCONT. */
export async function stop(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  await eventually(async () => {
    const threads = await readdir(`/proc/${pid}/task`)
    const stats = threads.map((thread) => statOf(`${pid}/task/${thread}`))
    return (await Promise.all(stats)).every((stat) => stat.includes(') T '))
  })
}

/** Empty: there is none. */
function statOf(task: string): Promise<string> {
  return readFile(`/proc/${task}/stat`, 'utf8').catch(() => '')
}

/** What a kernel tells of the keeper, from now on. */
export function keeperEvents(kernel: LinuxKernel): KernelEvent[] {
  const seen: KernelEvent[] = []
  const types = new Set(['keeper', 'names', 'counters', 'problem', 'resolv-conf'])
  const listen = async () => {
    for await (const event of kernel.events()) if (types.has(event.type)) seen.push(event)
  }
  void listen()
  return seen
}
