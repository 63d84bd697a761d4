import { KernelError } from '../../../base/errors.ts'
import { LINK_GROUP } from '../../link-groups.ts'
import { type BridgeResource, resourceKey } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import { ipv6Settings } from '../apply/settings.ts'
import type { Transaction } from '../apply/transaction.ts'
import type { Comparison } from '../compare/comparison.ts'
import { differences, different, type Finding, missing } from '../compare/finding.ts'
import { adjustLink, foreignLink, type LinkWish, makeLinks } from '../links/make-links.ts'
import { findLink, ownLink } from '../links/own-link.ts'
import { retireLink } from '../links/retire.ts'
import { newBridge, setLink } from '../rtnetlink/link.ts'
import type { Kind } from './kind.ts'

export const bridge: Kind<'bridge'> = {
  apply: { 'make links': make, set, retire },
  compare,
  survey: ({ links }) => ({
    links: links
      .filter(({ kind }) => kind === 'bridge')
      .map(({ name }) => ({ name, type: 'bridge' })),
  }),
  links: ({ name }) => [{ name }],
}

/** Made, or found. */
function make({ transaction, plan }: ApplyContext): void {
  const { host } = transaction
  const bridges = plan.add.of('bridge')
  for (const bridge of bridges) if (bridge.origin === 'adopt') findAdopted(transaction, bridge)
  const own = bridges.filter(({ origin }) => origin === 'own')
  makeLinks(
    transaction,
    own.map((bridge) => wishFor(transaction, bridge)),
  )
  // Set after its birth, it stays; given at birth, the bridge follows its ports.
  const sized = own.flatMap(({ mtu, ...bridge }) => {
    if (mtu === undefined) return []
    return [{ key: resourceKey(bridge), message: setLink(host.index(bridge.name), { mtu }) }]
  })
  transaction.send(host.socket, sized)
}

function wishFor(transaction: Transaction, bridge: BridgeResource): LinkWish {
  const { name, mtu, mac, maxLearned = 0 } = bridge
  const key = resourceKey(bridge)
  const address = mac === undefined ? {} : { mac }
  return {
    name,
    kind: 'bridge',
    key,
    message: newBridge({ name, up: true, group: LINK_GROUP, maxLearned, ...address }),
    adjust(found) {
      const size = mtu === undefined ? {} : { mtu }
      adjustLink(transaction, transaction.host, found, { ...size, ...address, maxLearned }, key)
      return true
    },
  }
}

function findAdopted({ host }: Transaction, bridge: BridgeResource): void {
  const link = findLink(host, bridge.name)
  if (link?.kind === 'bridge') return
  if (link !== undefined) throw foreignLink(bridge.name, link)
  throw new KernelError('RTM_GETLINK', 'ENODEV', {
    target: `link ${bridge.name}`,
    message: 'there is no such bridge',
    resource: resourceKey(bridge),
  })
}

function set({ plan, settings }: ApplyContext): void {
  for (const bridge of plan.add.of('bridge')) {
    if (bridge.origin === 'adopt') continue
    settings.push(...ipv6Settings(bridge.name, bridge.ipv6, { key: resourceKey(bridge) }))
  }
}

function retire({ transaction, plan, steps }: ApplyContext): void {
  for (const bridge of plan.remove.of('bridge')) {
    const link = bridge.origin === 'own' && ownLink(transaction.host, bridge.name, 'bridge')
    if (link) steps.host.push(retireLink(transaction, link, resourceKey(bridge), true))
  }
}

function compare(comparison: Comparison, bridge: BridgeResource): Finding {
  const { name, origin, mtu, mac, maxLearned = 0, ipv6 } = bridge
  const link = comparison.host.links.get(name)
  if (link === undefined) return missing(`no link ${name}`)
  if (link.kind !== 'bridge') return different(`${name} is a ${link.kind}, not a bridge`)
  if (origin === 'adopt') return undefined
  return differences([
    link.group !== LINK_GROUP && `${name} isn't ours`,
    !link.up && `${name} is down`,
    mtu !== undefined && link.mtu !== mtu && `${name} has mtu ${link.mtu}, not ${mtu}`,
    mac !== undefined && link.mac !== mac && `${name} has address ${link.mac}, not ${mac}`,
    link.maxLearned !== undefined &&
      link.maxLearned !== maxLearned &&
      `${name} has fdb_max_learned ${link.maxLearned}, not ${maxLearned}`,
    comparison.ipv6Switch(name, ipv6),
  ])
}
