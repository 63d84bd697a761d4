import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MacAddress } from '#dist/address/address.js'
import {
  deleteLink,
  deleteLinkGroup,
  getLink,
  listLinks,
  type NetlinkSocket,
  newBridge,
  newVeth,
  renameLink,
  setLink,
} from '#dist/kernel/linux/netlink/index.js'
import { rootQdisc } from '#dist/kernel/linux/rtnetlink/qdisc.js'
import { ip, ipLink, OwnNamespaces, type Row } from '../support/own-namespaces.ts'

let own: OwnNamespaces
let socket: NetlinkSocket

beforeEach(() => {
  own = new OwnNamespaces()
  socket = own.socket
})

afterEach(() => {
  own[Symbol.dispose]()
})

const mac = (text: string) => text as MacAddress

/** br0, and h0 on it, whose other end is eth0 in the inner namespace. */
function addPair(): void {
  socket.request(newBridge({ name: 'br0', up: true }))
  const master = getLink(socket, 'br0').index
  const peer = { name: 'eth0', namespaceFd: own.inner }
  socket.request(newVeth({ name: 'h0', master, up: true, peer }))
}

describe('links', () => {
  it('makes a bridge in one message', () => {
    const link = { name: 'br0', mtu: 1400, mac: mac('02:00:00:00:00:01'), group: 77, up: true }
    socket.request(newBridge(link))
    expect(ipLink('br0')).toMatchObject({
      mtu: 1400,
      address: '02:00:00:00:00:01',
      group: '77',
      flags: expect.arrayContaining(['UP']),
      linkinfo: { info_kind: 'bridge' },
    })
    expect(getLink(socket, 'br0')).toMatchObject({ ...link, kind: 'bridge', master: undefined })
  })

  it('gives a bridge an MTU that stays only when it is set on its own', () => {
    const mtuAfterAPort = () => {
      const master = getLink(socket, 'br0').index
      socket.request(newVeth({ name: 'h0', mtu: 1400, master, peer: { name: 'h1' } }))
      socket.request(deleteLink('h0'))
      return getLink(socket, 'br0').mtu
    }
    socket.request(newBridge({ name: 'br0', mtu: 1400 }))
    expect(mtuAfterAPort()).toBe(1500)
    socket.request(setLink('br0', { mtu: 1400 }))
    expect(mtuAfterAPort()).toBe(1400)
  })

  it('makes a veth pair in one message, its other end born inside', () => {
    socket.request(newBridge({ name: 'br0', up: true }))
    const master = getLink(socket, 'br0').index
    const peer = { name: 'eth0', namespaceFd: own.inner, mac: mac('02:00:00:00:00:05'), mtu: 1300 }
    socket.request(newVeth({ name: 'h0', master, group: 0xfedcba98, mtu: 1400, up: true, peer }))

    expect(ipLink('h0')).toMatchObject({
      mtu: 1400,
      master: 'br0',
      // Signed, to `ip`.
      group: String(0xfedcba98 | 0),
      flags: expect.arrayContaining(['UP']),
      linkinfo: { info_kind: 'veth', info_slave_kind: 'bridge' },
    })
    const eth0 = own.inside(own.inner, () => ipLink('eth0'))
    expect(eth0).toMatchObject({ mtu: 1300, address: '02:00:00:00:00:05', operstate: 'DOWN' })

    const host = getLink(socket, 'h0')
    expect(host).toMatchObject({ kind: 'veth', master, group: 0xfedcba98, mtu: 1400, up: true })
    expect(host.peer).toBe(eth0.ifindex)
    expect(host.peerNamespaceId).toBeTypeOf('number')
  })

  it('changes a link', () => {
    addPair()
    const { index } = getLink(socket, 'h0')
    socket.request(setLink('h0', { hairpin: true }))
    expect(ipLink('h0')).toMatchObject({ linkinfo: { info_slave_data: { hairpin: true } } })
    expect(getLink(socket, index).hairpin).toBe(true)

    const change = { up: false, mtu: 1280, mac: mac('02:00:00:00:00:09'), group: 5, master: 0 }
    socket.request(setLink(index, change))
    const after = ipLink('h0')
    expect(after).toMatchObject({ mtu: 1280, address: '02:00:00:00:00:09', group: '5' })
    expect(after).not.toHaveProperty('master')
    expect(after.flags).not.toContain('UP')
    expect(getLink(socket, 'h0')).toMatchObject({
      up: false,
      master: undefined,
      hairpin: undefined,
    })

    socket.request(renameLink(index, 'gone0'))
    expect(ipLink('gone0')).toMatchObject({ ifindex: index })
  })

  it('keeps a link from giving itself an IPv6 address', () => {
    socket.request(newVeth({ name: 'a', peer: { name: 'b' } }))
    socket.requestAll([
      setLink('a', { ipv6AddressGeneration: 'none' }),
      setLink('a', { up: true }),
      setLink('b', { up: true }),
    ])
    expect(ipLink('a')).toMatchObject({ inet6_addr_gen_mode: 'none' })
    expect(ip('-6 addr show dev a')).toEqual([])
    expect(ip('-6 addr show dev b')).toHaveLength(1)
  })

  it('deletes a link, and a group of links', () => {
    addPair()
    socket.request(deleteLink('h0'))
    expect(own.inside(own.inner, () => ip('link show')).map((link) => link.ifname)).toEqual(['lo'])
    for (const name of ['a', 'b', 'c']) {
      socket.request(newVeth({ name, group: name === 'c' ? 8 : 7, peer: { name: `${name}1` } }))
    }
    socket.request(deleteLinkGroup(7))
    const names = ip('link show').map((link) => link.ifname)
    expect(names.sort()).toEqual(['br0', 'c', 'c1', 'lo'])
    expect(own.refusal(deleteLinkGroup(7)).errno).toBe('ENODEV')
  })

  it('lists as `ip` does, with filters, over many datagrams', () => {
    socket.request(newBridge({ name: 'br0', group: 3, up: true }))
    const master = getLink(socket, 'br0').index
    const pairs = Array.from({ length: 150 }, (_, i) =>
      newVeth({ name: `h${i}`, group: 3, ...(i % 2 ? { master } : {}), peer: { name: `p${i}` } }),
    )
    expect(socket.requestAll(pairs)).toEqual([])

    const listed = listLinks(socket)
    expect(listed).toHaveLength(302)
    const expected = ip('link show').map((link) => ({
      index: link.ifindex,
      name: link.ifname,
      kind: (link.linkinfo as Row | undefined)?.info_kind,
      mtu: link.mtu,
      mac: link.address,
      peer: link.link === undefined ? undefined : listed.find((l) => l.name === link.link)?.index,
    }))
    expect(
      listed.map(({ index, name, kind, mtu, mac, peer }) => ({
        index,
        name,
        kind,
        mtu,
        mac,
        peer,
      })),
    ).toEqual(expected)
    expect(listLinks(socket, { kind: 'bridge' }).map((link) => link.name)).toEqual(['br0'])
    expect(listLinks(socket, { master })).toHaveLength(75)
    expect(listLinks(socket, { group: 3 })).toHaveLength(151)
    expect(listLinks(socket, { group: 3, kind: 'veth' })).toHaveLength(150)
  })

  it('names the link in what the kernel refuses, with its words', () => {
    addPair()
    expect(own.refusal(newBridge({ name: 'br0' })).message).toBe('RTM_NEWLINK link br0: EEXIST')
    expect(own.refusal(deleteLink('no')).message).toBe('RTM_DELLINK link no: ENODEV')
    expect(own.refusal(setLink('h0', { mtu: 1 }))).toMatchObject({
      operation: 'RTM_NEWLINK',
      errno: 'EINVAL',
      target: 'link h0',
      message: 'RTM_NEWLINK link h0: EINVAL: mtu less than device minimum',
    })
    expect(own.refusal(newBridge({ name: 'a-name-of-17-byte' })).errno).toBe('ERANGE')
    expect(() => getLink(socket, 'no')).toThrow('RTM_GETLINK link no: ENODEV')
    expect(() => getLink(socket, 4711)).toThrow('RTM_GETLINK link #4711: ENODEV')
    // Who looks at what a link has may find it gone.
    expect(rootQdisc(socket, 4711)).toMatchObject({ kind: 'noop', tbf: undefined })
  })
})
