import type { Cidr, MacAddress } from '../../address/address.ts'
import type { HostRoute, LinkStatistics, Obstacle, PortHolder, SharedTable } from '../kernel.ts'
import { holdsOneOf } from '../port-conflict.ts'
import type { NamespaceRef } from '../resource.ts'
import { addressKey, readSysctl } from './kinds/addressing.ts'
import { removeLink, removeNetns } from './kinds/links.ts'
import { type Link, type Machine, type Netns, processPath } from './machine.ts'

/** What other processes do to the machine. */
export interface HostActions {
  /** `/proc/<pid>/ns/net` is that of a process. */
  addNamespace(path: string): void
  removeNamespace(path: string): void
  /** A process is started on the host, or in that namespace. */
  addProcess(pid: number, namespace?: NamespaceRef): void
  /** It ends. */
  removeProcess(pid: number): void
  addLink(link: ForeignLink): void
  addAddress(link: string, address: Cidr): void
  /** Any link, ours too. */
  removeLink(name: string, namespace?: NamespaceRef): void
  /** Another engine moves the host's link, the other end of a veth of ours, into a container, and up there. */
  takeLink(name: string): void
  /** It moves it back, down. */
  returnLink(name: string): void
  addRoute(route: HostRoute): void
  /** Packets pass: what a link of the host has counted from now on. */
  countTraffic(link: string, traffic: Partial<Omit<LinkStatistics, 'name'>>): void
  /** A process of the host binds a port. EADDRINUSE if it is reserved. */
  bindPort(holder: PortHolder): void
  /** What dockerd does at its start: a chain DOCKER-USER in table `filter`. */
  addUserChain(family: 'ip' | 'ip6'): void
  /** Equivalent to: `iptables -F DOCKER-USER`. */
  flushUserChain(family: 'ip' | 'ip6'): void
  /** A filter that stops what is forwarded. */
  addObstacle(obstacle: Obstacle): void
  /** A packet adds an element to a set: `inet cnm flows_limited`. */
  sendIntoSet(set: string, key: readonly string[]): void
  /** Entries of others in a table that all share. */
  fillTable(table: SharedTable): void
  readSysctl(name: string, namespace?: NamespaceRef): string | undefined
  writeSysctl(name: string, value: string, namespace?: NamespaceRef): void
}

/** It is up. */
interface ForeignLink {
  readonly name: string
  /** `device` if absent. */
  readonly type?: string
  /** 1500 if absent. */
  readonly mtu?: number
  readonly mac?: MacAddress
  readonly addresses?: readonly Cidr[]
  readonly namespace?: NamespaceRef
}

export function hostActions(machine: Machine, transact: (work: () => void) => void): HostActions {
  return {
    addNamespace: (path) => transact(() => machine.addNetns(path, false)),

    removeNamespace: (path) => transact(() => removeNetns(machine, machine.enter({ path }))),

    addProcess: (pid, namespace) =>
      transact(() => machine.set(machine.processes, processPath(pid), machine.enter(namespace))),

    removeProcess: (pid) => transact(() => machine.delete(machine.processes, processPath(pid))),

    addLink: (link) => transact(() => addLink(machine, link)),

    addAddress: (link, address) => transact(() => addAddress(machine, machine.host, link, address)),

    removeLink: (name, namespace) =>
      transact(() => removeLink(machine, machine.enter(namespace), name)),

    takeLink: (name) => transact(() => takeLink(machine, name)),
    returnLink: (name) =>
      transact(() => {
        const { resource: _, used: __, ...pair } = pairOf(machine, name)
        machine.set(machine.host.links, name, { ...pair, name })
      }),

    addRoute: (route) =>
      transact(() => {
        machine.set(machine.host.routes, route.destination, { ...route, ours: false })
        machine.note({ type: 'route', change: 'set', route })
      }),

    countTraffic: (name, traffic) =>
      transact(() => {
        const link = machine.host.links.get(name)
        if (link === undefined) throw machine.refusal('send', 'ENODEV', 'no such link', name)
        machine.set(machine.host.links, name, { ...link, traffic })
      }),

    bindPort: (holder) => transact(() => bindPort(machine, holder)),

    addUserChain: (family) =>
      transact(() => {
        machine.set(machine.userChains, family, family)
        noteFilter(machine, family)
      }),

    flushUserChain: (family) =>
      transact(() => {
        machine.delete(machine.noted, `consent:${family}`)
        noteFilter(machine, family)
      }),

    addObstacle: (obstacle) =>
      transact(() => machine.set(machine.obstacles, obstacle.where, obstacle)),
    sendIntoSet: (set, key) =>
      transact(() => machine.set(machine.added, set, [...(machine.added.get(set) ?? []), key])),
    fillTable: (table) => transact(() => machine.set(machine.sharedTables, table.table, table)),

    readSysctl: (name, namespace) => readSysctl(machine.enter(namespace), name),

    writeSysctl: (name, value, namespace) =>
      transact(() => writeSysctl(machine, machine.enter(namespace), name, value)),
  }
}

function addLink(machine: Machine, link: ForeignLink): void {
  const { name, type = 'device', mtu = 1500, mac, addresses = [], namespace } = link
  const netns = machine.enter(namespace)
  machine.set(netns.links, name, { name, type, mtu, mac, ipv6: true })
  if (netns === machine.host) machine.note({ type: 'link', change: 'set', name })
  for (const address of addresses) addAddress(machine, netns, name, address)
}

function takeLink(machine: Machine, name: string): void {
  const pair = pairOf(machine, name)
  machine.delete(machine.host.links, name)
  machine.note({ type: 'link', change: 'gone', name })
  machine.set(machine.host.links, pair.name, { ...pair, used: true })
}

/** The host end of the veth whose other end has that name, wherever it is. */
function pairOf(machine: Machine, name: string): Link {
  for (const link of machine.host.links.values()) {
    if (link.resource?.kind === 'veth' && link.resource.peer.name === name) return link
  }
  throw machine.refusal('RTM_SETLINK', 'ENODEV', 'no such link', name)
}

function noteFilter(machine: Machine, family: 'ip' | 'ip6'): void {
  machine.note({ type: 'ruleset', table: `${family} filter`, process: 'iptables', pid: undefined })
}

function writeSysctl(machine: Machine, netns: Netns, name: string, value: string): void {
  machine.set(netns.sysctls, name, value)
  if (netns !== machine.host) return
  const change = /^net\/ipv([46])\/conf\/([^/]+)\/(?:force_)?forwarding$/.exec(name)
  const link = netns.links.get(change?.[2] ?? '')
  const on = value !== '0'
  if (link === undefined || (on && link.resource !== undefined)) return
  machine.note({ type: 'forwarding', link: link.name, family: change?.[1] === '4' ? 4 : 6, on })
}

function addAddress(machine: Machine, netns: Netns, link: string, address: Cidr): void {
  machine.set(netns.addresses, addressKey(link, address), { link, address })
  if (netns === machine.host) machine.note({ type: 'address', change: 'set', link, address })
}

function bindPort(machine: Machine, holder: PortHolder): void {
  const where = `${holder.protocol} ${holder.address} ${holder.port}`
  for (const resource of machine.noted.values()) {
    if (resource.kind !== 'reservation' || !holdsOneOf(resource, holder)) continue
    throw machine.refusal('bind', 'EADDRINUSE', 'the port is reserved', where)
  }
  machine.set(machine.holders, where, holder)
}
