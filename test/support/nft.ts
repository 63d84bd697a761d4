import { execFileSync } from 'node:child_process'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { close, O_RDONLY, open } from '#dist/kernel/linux/ffi/file.js'
import { CLONE_NEWNET, setnsBack, unshare } from '#dist/kernel/linux/ffi/namespace.js'
import { NETLINK_NETFILTER, NetlinkSocket } from '#dist/kernel/linux/netlink/index.js'

/**
 * Every test of the file is in a new network namespace, with a netfilter socket: a test file is a
 * process of its own, and its main thread moves. Programs it starts are born in the same namespace.
 */
export function inOwnNamespace(): () => NetlinkSocket {
  let home: number
  let socket: NetlinkSocket

  beforeAll(() => {
    home = open('/proc/thread-self/ns/net', O_RDONLY)
  })

  beforeEach(() => {
    unshare(CLONE_NEWNET)
    socket = new NetlinkSocket(NETLINK_NETFILTER)
  })

  afterEach(() => {
    socket.close()
    setnsBack(home, CLONE_NEWNET)
  })

  afterAll(() => {
    close(home)
  })

  return () => socket
}

/** Runs `nft`, the independent judge; answers with its output. */
export function nft(args: string, input?: string): string {
  return execFileSync('nft', args.split(' '), {
    input,
    timeout: 10_000,
    maxBuffer: 64 << 20,
    stdio: 'pipe',
  }).toString()
}

/** One object of nft's JSON: `{ rule: { … } }`. */
export type Listed = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** What `nft` lists of a table, without what differs from one table to the next. */
export function listed(family: string, table: string): Listed[] {
  const { nftables } = JSON.parse(nft(`-j list table ${family} ${table}`)) as { nftables: Listed[] }
  return nftables.flatMap((entry) => {
    const [kind, value] = Object.entries(entry)[0]!
    if (kind === 'metainfo' || kind === 'table') return []
    const { handle: _, table: __, ...rest } = value
    return [{ [kind]: rest }]
  })
}
