import { resourceKey, type SysctlResource } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import { inEachNamespace } from '../apply/settings.ts'
import type { Comparison } from '../compare/comparison.ts'
import { linkOfSysctl } from '../compare/contents.ts'
import { different, type Finding, missing } from '../compare/finding.ts'
import { readSysctl, writeSysctl } from '../host/sysctl.ts'
import type { Kind } from './kind.ts'

const IP_FORWARD = 'net/ipv4/ip_forward'

export const sysctl: Kind<'sysctl'> = {
  apply: { set, restore },
  compare,
  on({ namespace, name }) {
    const link = linkOfSysctl(name)
    return link === undefined ? undefined : { namespace, name: link }
  },
}

function set({ plan, settings }: ApplyContext): void {
  const sysctls = lastForAll(plan.add.of('sysctl'))
  settings.push(...sysctls.map((sysctl) => ({ ...sysctl, key: resourceKey(sysctl) })))
}

/** Their former value is put back, where they still have ours. */
function restore({ transaction, machinery, plan }: ApplyContext): void {
  const sysctls = plan.remove
    .of('sysctl')
    .filter((it) => it.restore !== undefined && !plan.retired.has(it.namespace?.path ?? ''))
  const ordered = lastForAll(sysctls).reverse()
  inEachNamespace(transaction, machinery.namespaces, ordered, (sysctl, inside) => {
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

/** Another process has made a router of the whole host since we switched one link on. */
function isWantedByOthers(name: string): boolean {
  return /^net\/ipv4\/conf\/[^/]+\/forwarding$/.test(name) && readSysctl(IP_FORWARD) === '1'
}

function compare(comparison: Comparison, { namespace, name, value }: SysctlResource): Finding {
  const found = comparison.readSysctl(name, namespace)
  if (found === undefined) return missing(`no sysctl ${name}`)
  return found === value ? undefined : different(`${name} is ${found}, not ${value}`)
}
