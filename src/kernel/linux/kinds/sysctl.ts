import { KernelError } from '../../../base/errors.ts'
import {
  type BridgeResource,
  type NamespaceRef,
  resourceKey,
  type SysctlResource,
  type VethResource,
} from '../../resource.ts'
import { byPlace, type Plan } from '../apply/plan.ts'
import type { Transaction } from '../apply/transaction.ts'
import { readSysctl, writeSysctl } from '../host/sysctl.ts'
import type { Namespaces } from '../namespaces/namespace.ts'

const IP_FORWARD = 'net/ipv4/ip_forward'

/** A sysctl, and the resource it belongs to. */
interface Setting {
  readonly namespace?: NamespaceRef
  readonly key: string
  readonly name: string
  readonly value: string
  /** It is no failure if the kernel has no such thing. */
  readonly optional?: boolean
  /** Of a link that was made for this: nobody wants to know what it was before. */
  readonly fresh?: boolean
}

/** Sysctls in `add`, and those that links in `add` are made up of: before any of them goes up. */
export function writeSysctls(transaction: Transaction, namespaces: Namespaces, plan: Plan): void {
  const { bridges, veths, sysctls } = plan.add
  const settings = [
    ...bridges.flatMap(bridgeSettings),
    ...veths.flatMap((veth) => peerSettings(veth, plan)),
    ...lastForAll(sysctls).map((sysctl) => ({ ...sysctl, key: resourceKey(sysctl) })),
  ]
  eachPlace(transaction, namespaces, settings, (setting, inside) => {
    transaction.attempt(setting.key, () => write(transaction, setting, inside))
  })
}

/** Sysctls in `remove`: their former value is put back, where they still have ours. */
export function restoreSysctls(transaction: Transaction, namespaces: Namespaces, plan: Plan): void {
  const sysctls = plan.remove.sysctls.filter(
    ({ namespace, restore }) =>
      restore !== undefined && !(namespace && plan.dying.has(namespace.path)),
  )
  eachPlace(transaction, namespaces, lastForAll(sysctls).reverse(), (sysctl, inside) => {
    const { name, value, restore } = sysctl
    transaction.attempt(resourceKey(sysctl), () => {
      if (readSysctl(name) !== value || isWantedByOthers(name)) return
      writeSysctl(name, restore!)
      transaction.onRollback(() => inside(() => writeSysctl(name, value)))
    })
  })
}

/**
 * The whole host forwards IPv6 only after its links know to believe routers all the same, and they go
 * on to believe them until it has ceased: or it would lose the routes it has from them.
 */
function lastForAll(sysctls: readonly SysctlResource[]): SysctlResource[] {
  const isForAll = ({ name }: SysctlResource) => name === 'net/ipv6/conf/all/forwarding'
  return [...sysctls.filter((it) => !isForAll(it)), ...sysctls.filter(isForAll)]
}

/** Somebody has made a router of the whole host since we switched one link on. */
function isWantedByOthers(name: string): boolean {
  return /^net\/ipv4\/conf\/[^/]+\/forwarding$/.test(name) && readSysctl(IP_FORWARD) === '1'
}

function write(
  transaction: Transaction,
  { name, value, optional, fresh }: Setting,
  inside: (work: () => void) => void,
): void {
  if (fresh) {
    writeSysctl(name, value)
    return
  }
  const found = readSysctl(name)
  if (found === value || (found === undefined && optional)) return
  if (found === undefined) {
    throw new KernelError('sysctl', 'ENOENT', { target: name, message: 'there is no such sysctl' })
  }
  writeSysctl(name, value)
  transaction.onRollback(() => inside(() => writeSysctl(name, found)))
}

/** Visits each setting from inside its namespace; `inside` does so again later. */
function eachPlace<S extends { readonly namespace?: NamespaceRef }>(
  { places, host }: Transaction,
  namespaces: Namespaces,
  settings: readonly S[],
  visit: (setting: S, inside: (work: () => void) => void) => void,
): void {
  for (const list of byPlace(settings).values()) {
    const place = places.at(list[0]!.namespace)
    const inside = (work: () => void) => {
      if (place === host) work()
      else namespaces.enter(place.fd, work)
    }
    inside(() => {
      for (const setting of list) visit(setting, inside)
    })
  }
}

function bridgeSettings(bridge: BridgeResource): Setting[] {
  if (bridge.origin === 'adopt') return []
  return ipv6Settings(bridge.name, bridge.ipv6, { key: resourceKey(bridge) })
}

/**
 * Without IPv6 nothing is written here: a sysctl's path takes the longer to walk the more namespaces
 * there are. Such ends make no addresses for themselves (see bringUp), which does as well.
 */
function peerSettings(veth: VethResource, { before }: Plan): Setting[] {
  const { name, ipv6, namespace } = veth.peer
  if (!ipv6 || namespace === undefined) return []
  const key = resourceKey(veth)
  const settings = ipv6Settings(name, true, { namespace, key, fresh: !before.has(key) })
  // In a namespace of our own nobody has switched it off.
  const isOwn = namespace.cookie === undefined
  return isOwn ? settings.filter((it) => !it.name.endsWith('/disable_ipv6')) : settings
}

function ipv6Settings(
  link: string,
  ipv6: boolean,
  rest: Pick<Setting, 'namespace' | 'key' | 'fresh'>,
): Setting[] {
  const of = (what: string, value: string): Setting => ({
    ...rest,
    name: `net/ipv6/conf/${link}/${what}`,
    value,
    optional: !ipv6,
  })
  if (!ipv6) return [of('disable_ipv6', '1')]
  return [of('accept_ra', '0'), of('accept_dad', '0'), of('disable_ipv6', '0')]
}
