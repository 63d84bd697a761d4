import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { IpAddress } from '#dist/address/address.js'
import { type ConntrackFilter, flushConntrack } from '#dist/kernel/linux/conntrack/conntrack.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import {
  AF_INET,
  AF_INET6,
  bind,
  connect,
  internetAddress,
  SOCK_DGRAM,
  send,
  socket,
} from '#dist/kernel/linux/ffi/socket.js'
import { NETLINK_NETFILTER, NetlinkSocket, setLink } from '#dist/kernel/linux/netlink/index.js'
import { OwnNamespaces } from '../support/own-namespaces.ts'

const IPPROTO_UDP = 17
let own: OwnNamespaces

beforeEach(() => {
  own = new OwnNamespaces()
  own.socket.request(setLink('lo', { up: true }))
  // A rule that asks for it switches connection tracking on.
  const rules = `
    table inet t {
      chain in { type filter hook input priority 0; ct state new accept; }
      chain out {
        type nat hook output priority -100
        ip daddr 127.0.0.9 udp dport 80 dnat to 127.0.0.10:8080
      }
    }`
  execFileSync('nft', ['-f', '-'], { input: rules, timeout: 10_000 })
  sendFrom('127.0.0.1', 1001, '127.0.0.2', 53)
  sendFrom('127.0.0.1', 1002, '127.0.0.2', 53)
  sendFrom('127.0.0.1', 1003, '127.0.0.3', 54)
  sendFrom('127.0.0.4', 1004, '127.0.0.9', 80)
  sendFrom('::1', 1005, '::1', 53)
  expect(flows()).toEqual([1001, 1002, 1003, 1004, 1005])
})

afterEach(() => {
  own[Symbol.dispose]()
})

const address = (text: string) => text as IpAddress

function sendFrom(source: string, sourcePort: number, destination: string, port: number): void {
  const fd = socket(source.includes(':') ? AF_INET6 : AF_INET, SOCK_DGRAM, 0)
  try {
    bind(fd, internetAddress(address(source), sourcePort))
    connect(fd, internetAddress(address(destination), port))
    send(fd, Buffer.from('x'), 1)
  } finally {
    close(fd)
  }
}

function forget(filters: readonly ConntrackFilter[]): number {
  using socket = new NetlinkSocket(NETLINK_NETFILTER)
  return flushConntrack(socket, filters)
}

/** The source ports of all flows, as the kernel prints them. */
function flows(): number[] {
  const text = readFileSync('/proc/thread-self/net/nf_conntrack', 'utf8')
  const lines = text.split('\n').filter((line) => / udp /.test(line))
  return lines.map((line) => Number(/sport=(\d+)/.exec(line)![1])).sort()
}

it('forgets the flows to an address and port', () => {
  const original = { destination: address('127.0.0.2'), protocol: IPPROTO_UDP, destinationPort: 53 }
  expect(forget([{ original }])).toBe(2)
  expect(flows()).toEqual([1003, 1004, 1005])
  expect(forget([{ original }])).toBe(0)
})

it('forgets the flow from an address and port', () => {
  const original = { source: address('127.0.0.1'), protocol: IPPROTO_UDP, sourcePort: 1002 }
  expect(forget([{ original }])).toBe(1)
  expect(flows()).toEqual([1001, 1003, 1004, 1005])
})

it('finds what was published by where its answers come from', () => {
  const reply = { source: address('127.0.0.10'), protocol: IPPROTO_UDP, sourcePort: 8080 }
  const original = { destination: address('127.0.0.10') }
  expect(forget([{ original, reply }])).toBe(0)
  expect(forget([{ reply }])).toBe(1)
  expect(flows()).toEqual([1001, 1002, 1003, 1005])
})

it('takes ranges of ports', () => {
  const ports = (from: number, to: number) => ({ protocol: IPPROTO_UDP, sourcePort: { from, to } })
  expect(forget([{ original: ports(1006, 1009) }])).toBe(0)
  expect(forget([{ original: ports(1002, 1003) }])).toBe(2)
  expect(flows()).toEqual([1001, 1004, 1005])
  expect(forget([{ original: ports(1004, 1004) }, { original: ports(1, 1001) }])).toBe(2)
  expect(flows()).toEqual([1005])
})

it('tells what was led elsewhere from what was not', () => {
  const from = (source: string) => ({ original: { source: address(source) } })
  expect(forget([{ ...from('127.0.0.4'), translated: false }])).toBe(0)
  expect(forget([{ ...from('127.0.0.1'), translated: true }])).toBe(0)
  expect(forget([{ original: {}, translated: true }])).toBe(1)
  expect(flows()).toEqual([1001, 1002, 1003, 1005])
  const original = { destination: address('::1'), destinationPort: 53, protocol: IPPROTO_UDP }
  expect(forget([{ original, translated: true }])).toBe(0)
  expect(forget([{ original, translated: false }])).toBe(1)
  expect(flows()).toEqual([1001, 1002, 1003])
})

it('finds by what several filters have in common', () => {
  const to = (port: number) => ({
    original: { destination: address('127.0.0.2'), protocol: IPPROTO_UDP, destinationPort: port },
  })
  expect(forget([to(54), to(53)])).toBe(2)
  expect(flows()).toEqual([1003, 1004, 1005])
})

it('forgets everything with an address, in whatever role', () => {
  expect(forget([{ address: address('127.0.0.10') }])).toBe(1)
  expect(forget([{ address: address('127.0.0.1') }])).toBe(3)
  expect(flows()).toEqual([1005])
})

it('takes several filters at once, and ports without an address for both families', () => {
  const filters = [
    { original: { protocol: IPPROTO_UDP, destinationPort: 53 } },
    { address: address('127.0.0.4') },
  ]
  expect(forget([])).toBe(0)
  expect(forget(filters)).toBe(4)
  expect(flows()).toEqual([1003])
})

it('finds IPv6 flows', () => {
  expect(forget([{ original: { source: address('::1') } }])).toBe(1)
  expect(flows()).toEqual([1001, 1002, 1003, 1004])
})

it('forgets all of many', () => {
  for (let port = 2000; port < 2600; port++) sendFrom('127.0.0.1', port, '127.0.0.2', 53)
  expect(forget([{ original: {} }])).toBe(605)
  expect(flows()).toEqual([])
})
