import { expect, it } from 'vitest'
import type { Cidr } from '../../address/address.ts'
import { isCnmError, isKernelError } from '../../base/errors.ts'
import type { Change, Kernel, PortHolder } from '../../kernel/kernel.ts'
import type { NamespaceRef, Resource } from '../../kernel/resource.ts'
import { resourceKey } from '../../kernel/resource.ts'

/** A machine with a kernel to be tested, on which nothing of ours exists yet. */
export interface KernelWorld {
  readonly kernel: Kernel
  /** An existing, empty folder for our own namespaces. */
  readonly namespaceDir: string
  /** A path of the host's own namespace. */
  readonly hostPath: string
  /**
   * All there is, read by other means than the kernel under test: links, addresses, routes and sysctls
   * of every namespace, tables. Without what differs from one run to the next (counters, indexes).
   */
  state(): Promise<unknown>
  readonly others: OthersInWorld
  /** What an armed fault does: the k-th step of the kernel from now fails, once, with EIO. */
  readonly faults?: {
    failAt(k: number): Promise<void>
    /** Steps since the last `failAt`. */
    steps(): Promise<number>
  }
  /**
   * Ends the kernel as if its process had been killed, and opens the next one on the same machine.
   * Absent: such a machine ends with its kernel.
   */
  reopen?(): Promise<Kernel>
  /** Closes the kernel and removes everything. */
  dispose(): Promise<void>
}

/** What other programs do to the machine. */
export interface OthersInWorld {
  /** A namespace of theirs, with `lo` only. */
  addNamespace(): Promise<string>
  /** It ends, with its last process or mount. */
  removeNamespace(path: string): Promise<void>
  /** A bridge, up. */
  addBridge(name: string, namespace?: NamespaceRef): Promise<void>
  /** A link that can be moved, down. */
  addLink(name: string): Promise<void>
  addAddress(link: string, address: Cidr): Promise<void>
  /** Any link, ours too. */
  removeLink(name: string): Promise<void>
  /** Moves a link of the host into a namespace of theirs, and up there. */
  takeLink(name: string): Promise<void>
  /** Moves that back, down. */
  returnLink(name: string): Promise<void>
  /**
   * Binds a port of the host and waits for what comes, until the world is disposed of; IPv6 only, if it
   * is an address of IPv6. Answers with who holds it now; a KernelError EADDRINUSE if it is reserved.
   */
  bindPort(port: Pick<PortHolder, 'protocol' | 'address' | 'port'>): Promise<PortHolder>
  /** A chain DOCKER-USER in table `filter`, that all forwarded packets come by. */
  addUserChain(family: 'ip' | 'ip6'): Promise<void>
  flushUserChain(family: 'ip' | 'ip6'): Promise<void>
  readSysctl(name: string): Promise<string>
  writeSysctl(name: string, value: string): Promise<void>
}

export type Case = (title: string, run: (world: KernelWorld) => Promise<void>) => void

/** Defines tests that get a world each; with a reason they are skipped. */
export function casesIn(open: () => Promise<KernelWorld>, reason?: string): Case {
  return (title, run) => {
    it(title, async (context) => {
      if (reason !== undefined) context.skip(reason)
      const world = await open()
      try {
        await run(world)
      } finally {
        await world.dispose()
      }
    })
  }
}

export async function add(world: KernelWorld, ...resources: readonly Resource[]): Promise<void> {
  await world.kernel.apply(change({ add: resources }))
}

export async function remove(world: KernelWorld, ...resources: readonly Resource[]): Promise<void> {
  await world.kernel.apply(change({ remove: resources }))
}

/** Frozen to the bottom, so that a kernel that writes into its input is found out. */
export function change({ remove = [], add = [] }: Partial<Change>): Change {
  return deepFreeze({ remove, add })
}

export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const part of Object.values(value)) deepFreeze(part)
  return Object.freeze(value)
}

/** The state when nothing goes on in the background any more. */
export async function settledState(world: KernelWorld): Promise<unknown> {
  await world.kernel.settled()
  return world.state()
}

export async function expectThere(world: KernelWorld, ...resources: readonly Resource[]) {
  expect(await world.kernel.compare(resources)).toEqual([])
}

export async function expectMissing(world: KernelWorld, ...resources: readonly Resource[]) {
  const differences = await world.kernel.compare(resources)
  expect(differences.map(({ resource, state }) => [resourceKey(resource), state])).toEqual(
    resources.map((resource) => [resourceKey(resource), 'missing']),
  )
}

interface Refusal {
  /** The key of the resource that failed. */
  readonly key: string | undefined
  /** The code of a CnmError, the errno of a KernelError. */
  readonly code: string
  readonly message: string
}

/** Expects the change to fail, and the machine to be as it was before. */
export async function refused(world: KernelWorld, wanted: Partial<Change>): Promise<Refusal> {
  const before = await settledState(world)
  const error = await failureOf(world.kernel.apply(change(wanted)))
  expect(await settledState(world)).toEqual(before)
  return error
}

export async function failureOf(work: Promise<unknown>): Promise<Refusal> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (isKernelError(error)) {
    return { key: error.resource, code: error.errno, message: error.message }
  }
  if (isCnmError(error)) {
    const { code, message, details } = error
    return { key: details.resource as string | undefined, code, message }
  }
  expect.fail(`neither a KernelError nor a CnmError: ${error}`)
}
