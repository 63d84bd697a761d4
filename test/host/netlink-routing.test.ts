import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cidr, IpAddress, MacAddress, Prefix } from '#dist/address/address.js'
import {
  deleteAddress,
  deleteFdb,
  deleteNeighbour,
  deleteRoute,
  deleteRule,
  getLink,
  listAddresses,
  listFdb,
  listNeighbours,
  listNeighbourTables,
  listRoutes,
  listRules,
  type NetlinkSocket,
  newAddress,
  newBridge,
  newFdb,
  newNeighbour,
  newRoute,
  newRule,
  newVeth,
  RT_TABLE_MAIN,
  replaceFdb,
  replaceNeighbour,
  replaceRoute,
  setLink,
} from '#dist/kernel/linux/netlink/index.js'
import { ip, OwnNamespaces, type Row, runSync } from '../support/own-namespaces.ts'

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
const cidr = (text: string) => text as Cidr
const prefix = (text: string) => text as Prefix
const address = (text: string) => text as IpAddress

describe('addresses, routes, rules and neighbours', () => {
  let link: number

  beforeEach(() => {
    socket.request(newVeth({ name: 'a', up: true, peer: { name: 'b' } }))
    socket.request(setLink('b', { up: true }))
    link = getLink(socket, 'a').index
  })

  it('adds, lists and deletes addresses; IPv6 ones can be used at once', () => {
    socket.request(newAddress(link, cidr('10.7.0.2/24')))
    socket.request(newAddress(link, cidr('fd00::2/64')))
    const rows = ip('addr show dev a')[0]!.addr_info as Row[]
    expect(rows).toContainEqual(expect.objectContaining({ local: '10.7.0.2', prefixlen: 24 }))
    const six = rows.find((row) => row.local === 'fd00::2')!
    expect(six).toMatchObject({ prefixlen: 64, nodad: true })
    expect(six).not.toHaveProperty('tentative')

    const listed = listAddresses(socket, { link })
    expect(listed.map((entry) => entry.address)).toEqual(
      rows.map((row) => `${row.local}/${row.prefixlen}`),
    )
    expect(listAddresses(socket, { family: 4 }).map((entry) => entry.address)).toEqual([
      '10.7.0.2/24',
    ])
    expect(own.refusal(newAddress(link, cidr('10.7.0.2/24'))).message).toMatch(
      /^RTM_NEWADDR address 10\.7\.0\.2\/24 of link #\d+: EEXIST/,
    )
    socket.request(deleteAddress(link, cidr('10.7.0.2/24')))
    socket.request(deleteAddress(link, cidr('fd00::2/64')))
    expect(JSON.stringify(ip('addr show dev a'))).not.toMatch(/10\.7\.0\.2|fd00/)
    expect(own.refusal(deleteAddress(link, cidr('10.7.0.2/24'))).errno).toBe('EADDRNOTAVAIL')
  })

  it('lists addresses with a peer by their own side', () => {
    runSync('ip', 'addr', 'add', '10.1.0.1', 'peer', '10.2.0.1/32', 'dev', 'a')
    expect(listAddresses(socket, { family: 4 })[0]!.address).toBe('10.1.0.1/32')
  })

  it('adds, replaces, lists and deletes routes', () => {
    socket.request(newAddress(link, cidr('10.7.0.2/24')))
    socket.request(newAddress(link, cidr('fd00::2/64')))
    const route = { destination: prefix('10.9.0.0/16'), link, metric: 5, protocol: 196 }
    socket.request(newRoute({ ...route, gateway: address('10.7.0.1') }))
    socket.request(newRoute({ destination: prefix('0.0.0.0/0'), gateway: address('10.7.0.1') }))
    socket.request(replaceRoute({ destination: prefix('::/0'), gateway: address('fd00::1'), link }))
    expect(ip('route show')).toContainEqual(
      expect.objectContaining({
        dst: '10.9.0.0/16',
        gateway: '10.7.0.1',
        metric: 5,
        protocol: '196',
      }),
    )
    expect(ip('-6 route show default')[0]).toMatchObject({ gateway: 'fd00::1', dev: 'a' })

    socket.request(replaceRoute({ ...route, gateway: address('10.7.0.254') }))
    socket.request(newRoute({ destination: prefix('10.8.0.0/16'), link, table: 1000 }))
    expect(ip('route show table 1000')[0]).toMatchObject({ dst: '10.8.0.0/16', scope: 'link' })

    const routes = listRoutes(socket)
    const texts = routes.map((entry) => `${entry.destination} ${entry.gateway ?? ''}`)
    expect(texts).toEqual(
      expect.arrayContaining([
        '0.0.0.0/0 10.7.0.1',
        '10.7.0.0/24 ',
        '10.9.0.0/16 10.7.0.254',
        '::/0 fd00::1',
        'fd00::/64 ',
      ]),
    )
    expect(routes.every((entry) => entry.table === RT_TABLE_MAIN)).toBe(true)
    expect(new Set(listRoutes(socket, { link }).map((entry) => entry.link))).toEqual(
      new Set([link]),
    )
    expect(listRoutes(socket, { protocol: 196 })).toHaveLength(1)
    expect(listRoutes(socket, { family: 4, table: 1000 })[0]).toMatchObject({
      destination: '10.8.0.0/16',
      table: 1000,
      gateway: undefined,
    })
    expect(listRoutes(socket, { table: 4321 })).toEqual([])

    expect(own.refusal(newRoute({ ...route, gateway: address('10.7.0.1') })).message).toMatch(
      'RTM_NEWROUTE route 10.9.0.0/16 via 10.7.0.1: EEXIST',
    )
    expect(
      own.refusal(newRoute({ destination: prefix('10.10.0.0/16'), gateway: address('9.9.9.9') }))
        .message,
    ).toMatch('ENETUNREACH: Nexthop has invalid gateway')
    socket.request(deleteRoute(route))
    expect(own.refusal(deleteRoute(route)).errno).toBe('ESRCH')
    expect(ip('route show').map((row) => row.dst)).toEqual(['default', '10.7.0.0/24'])
  })

  it('lists routes with several next hops, and ones through the other family', () => {
    socket.request(newAddress(link, cidr('10.7.0.2/24')))
    socket.request(newAddress(link, cidr('fd00::2/64')))
    runSync('ip', ...'route add 10.9.0.0/16 nexthop via 10.7.0.8 nexthop via 10.7.0.9'.split(' '))
    runSync('ip', ...'route add 10.10.0.0/16 via inet6 fd00::1 dev a'.split(' '))
    runSync('ip', ...'route add unreachable 10.11.0.0/16'.split(' '))
    const byDestination = new Map(listRoutes(socket, { family: 4 }).map((r) => [r.destination, r]))
    expect(byDestination.get(prefix('10.9.0.0/16'))!.nextHops).toEqual([
      { link, gateway: '10.7.0.8' },
      { link, gateway: '10.7.0.9' },
    ])
    expect(byDestination.get(prefix('10.10.0.0/16'))!.gateway).toBe('fd00::1')
    expect(byDestination.get(prefix('10.11.0.0/16'))).toMatchObject({ link: undefined, type: 7 })
  })

  it('adds, lists and deletes rules', () => {
    const rule = {
      family: 4,
      priority: 100,
      table: 1000,
      from: prefix('10.7.0.0/24'),
      inputLink: 'a',
      mark: 1,
      markMask: 255,
    } as const
    socket.request(newRule(rule))
    expect(ip('rule show')).toContainEqual(
      expect.objectContaining({
        priority: 100,
        src: '10.7.0.0',
        srclen: 24,
        iif: 'a',
        fwmark: '0x1',
        fwmask: '0xff',
        table: '1000',
      }),
    )
    expect(listRules(socket, 4)).toContainEqual(rule)
    expect(listRules(socket, 6).map((entry) => entry.priority)).toEqual([0, 32766])
    expect(own.refusal(newRule(rule)).errno).toBe('EEXIST')
    socket.request(deleteRule(rule))
    expect(ip('rule show')).toHaveLength(3)
    expect(own.refusal(deleteRule(rule)).message).toMatch(
      'RTM_DELRULE rule 100 lookup 1000: ENOENT',
    )
  })

  it('replaces, lists and deletes neighbours', () => {
    const entries = [
      [address('10.7.0.9'), mac('02:00:00:00:00:09')],
      [address('fd00::9'), mac('02:00:00:00:00:0a')],
    ] as const
    for (const [ip, lladdr] of entries) {
      socket.request(replaceNeighbour(link, ip, mac('02:00:00:00:00:ff')))
      socket.request(replaceNeighbour(link, ip, lladdr))
      expect(listNeighbours(socket, { link })).toContainEqual({
        link,
        address: ip,
        mac: lladdr,
        state: 0x80,
        permanent: true,
        protocol: undefined,
      })
    }
    expect(ip('neigh show dev a')).toEqual([
      { dst: '10.7.0.9', lladdr: '02:00:00:00:00:09', state: ['PERMANENT'] },
      { dst: 'fd00::9', lladdr: '02:00:00:00:00:0a', state: ['PERMANENT'] },
    ])
    expect(listNeighbours(socket, { family: 6, link }).filter((it) => it.permanent)).toHaveLength(1)
    for (const [ip] of entries) socket.request(deleteNeighbour(link, ip))
    expect(ip('neigh show dev a nud permanent')).toEqual([])
    expect(own.refusal(deleteNeighbour(link, address('10.7.0.77'))).errno).toBe('ENOENT')
  })

  it('adds neighbours that say whose they are', () => {
    const whose = [address('10.7.0.9'), mac('02:00:00:00:00:09'), 211] as const
    socket.request(newNeighbour(link, ...whose))
    expect(ip('neigh show dev a nud permanent')).toMatchObject([{ protocol: '211' }])
    const listed = listNeighbours(socket, { link })
    expect(listed).toContainEqual(expect.objectContaining({ permanent: true, protocol: 211 }))
    expect(own.refusal(newNeighbour(link, ...whose)).errno).toBe('EEXIST')
  })

  it('tells how full the machine’s tables of neighbours are', () => {
    const tables = listNeighbourTables(socket)
    expect(tables.map(({ family }) => family)).toEqual([4, 6])
    for (const { family, limit, entries, refused } of tables) {
      const name = family === 4 ? 'arp_cache' : 'ndisc_cache'
      const shown = runSync('ip', '-s', 'ntable', 'show', 'name', name)
      expect(limit).toBe(Number(/thresh3 (\d+)/.exec(shown)?.[1]))
      // Others come and go between the two questions.
      expect(Math.abs(entries - Number(/ entries (\d+)/.exec(shown)?.[1]))).toBeLessThan(200)
      expect(refused).toBe(Number(/ table_fulls (\d+)/.exec(shown)?.[1]))
    }
  })

  it('fixes a MAC at a port of a bridge', () => {
    socket.request(newBridge({ name: 'br0', up: true }))
    const bridge = getLink(socket, 'br0').index
    socket.request(setLink(link, { master: bridge }))
    socket.request(setLink(link, { learning: false }))
    expect(getLink(socket, link)).toMatchObject({ learning: false, hairpin: false })
    const fixed = mac('02:00:00:00:00:09')
    const shown = () => {
      const rows = JSON.parse(runSync('bridge', '-j', '-d', 'fdb', 'show', 'br', 'br0')) as Row[]
      return rows.filter((row) => row.mac === fixed)
    }
    socket.request(newFdb(link, fixed))
    expect(shown()).toMatchObject([{ ifname: 'a', flags: ['sticky'], state: 'static' }])
    expect(own.refusal(newFdb(link, fixed)).errno).toBe('EEXIST')
    socket.request(replaceFdb(link, fixed))
    expect(listFdb(socket, bridge)).toContainEqual({ port: link, mac: fixed, fixed: true })
    socket.request(deleteFdb(link, fixed))
    expect(shown()).toEqual([])
    expect(own.refusal(deleteFdb(link, fixed)).errno).toBe('ENOENT')
  })
})
