import { readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { armFault, disarmFault, faultCalls } from '#dist/kernel/linux/ffi/fault.js'
import {
  deleteLink,
  getLink,
  linkBody,
  listLinks,
  NETLINK_ROUTE,
  NetlinkSocket,
  newBridge,
  newVeth,
  RTM_DELLINK,
  RTM_NEWLINK,
  RTNLGRP_LINK,
  setLink,
} from '#dist/kernel/linux/netlink/index.js'
import { ip, OwnNamespaces, runSync } from '../support/own-namespaces.ts'

let own: OwnNamespaces
let socket: NetlinkSocket

beforeEach(() => {
  own = new OwnNamespaces()
  socket = own.socket
})

afterEach(() => {
  disarmFault()
  own[Symbol.dispose]()
})

/** br0, and h0 on it, whose other end is eth0 in the inner namespace. */
function addPair(): void {
  socket.request(newBridge({ name: 'br0', up: true }))
  const master = getLink(socket, 'br0').index
  const peer = { name: 'eth0', namespaceFd: own.inner }
  socket.request(newVeth({ name: 'h0', master, up: true, peer }))
}

describe('the socket', () => {
  const names = () => ip('link show').map((link) => link.ifname)
  const bridges = (...names: string[]) => names.map((name) => newBridge({ name }))

  it('carries on behind a refused message and says which ones they were', () => {
    const failures = socket.requestAll([
      ...bridges('b0', 'b0', 'b1'),
      deleteLink('no'),
      ...bridges('b2'),
    ])
    expect(failures.map(({ index, error }) => [index, error.errno])).toEqual([
      [1, 'EEXIST'],
      [3, 'ENODEV'],
    ])
    expect(names()).toEqual(['lo', 'b0', 'b1', 'b2'])
    expect(socket.requestAll(bridges('b3', 'b3'))).toHaveLength(1)
    expect(socket.requestAll([])).toEqual([])
  })

  it('says where in the message the kernel found the fault', () => {
    addPair()
    const [failure] = socket.requestAll([setLink('h0', { group: 1, mtu: 1 })])
    expect(failure!.error.errno).toBe('EINVAL')
    const [long] = socket.requestAll(bridges('a-name-of-17-byte'))
    // ifinfomsg is 16 bytes, and the name is the first attribute.
    expect(long!.offset).toBe(16)
  })

  it('belongs to the namespace it was made in', () => {
    const cookie = socket.namespaceCookie()
    const other = own.inside(own.inner, () => new NetlinkSocket(NETLINK_ROUTE))
    expect(other.namespaceCookie()).not.toBe(cookie)
    const again = new NetlinkSocket(NETLINK_ROUTE)
    expect(again.namespaceCookie()).toBe(cookie)
    other.request(newBridge({ name: 'br0' }))
    expect(names()).toEqual(['lo'])
    expect(own.inside(own.inner, names)).toEqual(['lo', 'br0'])
    again.close()
    other.close()
    other.close()
    expect(() => listLinks(other)).toThrow('EBADF')
  })

  it('tells of changes, and that some got lost', () => {
    const watcher = new NetlinkSocket(NETLINK_ROUTE)
    watcher.join(RTNLGRP_LINK)
    expect(watcher.receive()).toEqual({ notifications: [], overrun: false })
    socket.requestAll([...bridges('b0'), deleteLink('b0')])
    const heard = watcher.receive()
    const events = heard.notifications.map(
      ({ header, body }) => [header.type, linkBody.decode(body).attributes.name] as const,
    )
    expect(events[0]).toEqual([RTM_NEWLINK, 'b0'])
    expect(events.at(-1)).toEqual([RTM_DELLINK, 'b0'])

    socket.request(newBridge({ name: 'b1', up: true }))
    // Far more than the receive buffer takes.
    for (let round = 0; round < 50; round++) {
      const toggles = Array.from({ length: 100 }, (_, i) => setLink('b1', { group: i }))
      expect(socket.requestAll(toggles)).toEqual([])
    }
    let overrun = false
    for (let reads = 0; reads < 1000; reads++) {
      const next = watcher.receive()
      overrun ||= next.overrun
      if (next.notifications.length === 0) break
    }
    expect(overrun).toBe(true)
    socket.request(deleteLink('b1'))
    expect(watcher.receive().notifications.length).toBeGreaterThan(0)
    watcher.close()
  })

  it('tells of a loss until nothing more can be lost', () => {
    using watcher = new NetlinkSocket(NETLINK_ROUTE)
    watcher.join(RTNLGRP_LINK)
    socket.request(newBridge({ name: 'b0', up: true }))
    for (let round = 0; round < 50; round++) {
      socket.requestAll(Array.from({ length: 100 }, (_, i) => setLink('b0', { group: i })))
    }
    expect(watcher.receive().overrun).toBe(true)
    // It is not empty yet, so the kernel drops this one, too.
    socket.requestAll(bridges('b1'))
    const rest = []
    for (;;) {
      const heard = watcher.receive()
      rest.push(heard)
      if (heard.notifications.length === 0) break
    }
    const isTold = rest.some(({ notifications }) =>
      notifications.some(({ body }) => linkBody.decode(body).attributes.name === 'b1'),
    )
    expect(isTold).toBe(false)
    expect(rest.some(({ overrun }) => overrun)).toBe(true)
    expect(watcher.receive()).toEqual({ notifications: [], overrun: false })
    socket.requestAll(bridges('b2'))
    expect(watcher.receive()).toMatchObject({ overrun: false })
  })

  it('fails the k-th change when told to, and nothing of it is done', () => {
    armFault(2)
    const failures = socket.requestAll(bridges('b0', 'b1', 'b2'))
    expect(failures.map(({ index }) => index)).toEqual([1])
    expect(failures[0]!.error.message).toBe('RTM_NEWLINK link b1: EIO: injected fault')
    expect(faultCalls()).toBe(3)
    expect(names()).toEqual(['lo', 'b0', 'b2'])
    // Once: and asking is no change.
    expect(listLinks(socket)).toHaveLength(3)
    socket.request(newBridge({ name: 'b1' }))
    expect(faultCalls()).toBe(4)
    armFault(1)
    expect(own.refusal(deleteLink('b1')).errno).toBe('EIO')
    expect(names()).toContain('b1')
  })

  it('is not inherited by a program', () => {
    const mine = readlinkSync(`/proc/self/fd/${socket.fd}`)
    expect(mine).toMatch(/^socket:/)
    expect(runSync('ls', '-l', '/proc/self/fd')).not.toContain(mine)
  })
})

describe('CNM_TRACE=netlink', () => {
  it('prints what is sent and refused', () => {
    const module = fileURLToPath(
      new URL('../../dist/kernel/linux/netlink/index.js', import.meta.url),
    )
    const program = `
      import { NetlinkSocket, NETLINK_ROUTE, deleteLink } from ${JSON.stringify(module)}
      new NetlinkSocket(NETLINK_ROUTE).requestAll([deleteLink('nope')])
    `
    const trace = (variable: string) =>
      runSync('sh', '-c', `CNM_TRACE=${variable} node --input-type=module -e "$0" 2>&1`, program)
    expect(trace('netlink')).toMatch(
      /^netlink #\d+ RTM_DELLINK link nope \(flags 0x0, 28 bytes\) [0-9a-f ]+\nnetlink #\d+ refused: RTM_DELLINK link nope: ENODEV\n$/,
    )
    expect(trace('')).toBe('')
  })
})
