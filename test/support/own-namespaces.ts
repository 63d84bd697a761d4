import { execFileSync } from 'node:child_process'
import { isKernelError, type KernelError } from '#dist/base/errors.js'
import { close, O_RDONLY, open } from '#dist/kernel/linux/ffi/file.js'
import { CLONE_NEWNET, setnsBack, unshare } from '#dist/kernel/linux/ffi/namespace.js'
import { type Message, NETLINK_ROUTE, NetlinkSocket } from '#dist/kernel/linux/netlink/index.js'

export type Row = Record<string, unknown>

/**
 * Two new network namespaces, `outer` and `inner`, for a test of what works in the calling thread's
 * own one: until it is disposed of, the main thread of the test's process is in `outer`, and programs
 * started from there are born in it, so `ip` sees the same and says what is true.
 */
export class OwnNamespaces implements Disposable {
  readonly inner: number
  readonly outer: number
  /** Of `outer`. */
  readonly socket: NetlinkSocket
  readonly #home = open('/proc/thread-self/ns/net', O_RDONLY)

  constructor() {
    this.inner = newNamespace()
    this.outer = newNamespace()
    this.socket = new NetlinkSocket(NETLINK_ROUTE)
  }

  [Symbol.dispose](): void {
    this.socket.close()
    setnsBack(this.#home, CLONE_NEWNET)
    for (const fd of [this.#home, this.inner, this.outer]) close(fd)
  }

  inside<T>(namespace: number, work: () => T): T {
    setnsBack(namespace, CLONE_NEWNET)
    try {
      return work()
    } finally {
      setnsBack(this.outer, CLONE_NEWNET)
    }
  }

  /** What the kernel says against a change, which it must refuse. */
  refusal(message: Message): KernelError {
    const [failure] = this.socket.requestAll([message])
    if (isKernelError(failure?.error)) return failure.error
    throw new Error(`${message.operation} was not refused`)
  }
}

function newNamespace(): number {
  unshare(CLONE_NEWNET)
  return open('/proc/thread-self/ns/net', O_RDONLY)
}

export function runSync(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', timeout: 10_000, stdio: 'pipe' })
}

/** `ip -details` in the thread's namespace, parsed. */
export function ip(command: string): Row[] {
  return JSON.parse(runSync('ip', '-d', '-j', ...command.split(' ')) || '[]')
}

export function ipLink(name: string): Row {
  return ip(`link show dev ${name}`)[0]!
}
