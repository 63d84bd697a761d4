import type { ChainDefinition, Family } from '../../../ruleset.ts'
import type { ValueOf } from '../../netlink/schema.ts'
import type { chainBody } from '../message.ts'

type HookName = NonNullable<ChainDefinition['hook']>['hook']

/** NF_INET_…; the bridge has the same numbers (NF_BR_…). */
const HOOKS: Readonly<Partial<Record<HookName, number>>> = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
  ingress: 5,
}
const NETDEV_HOOKS: typeof HOOKS = { ingress: 0, egress: 1 }
const ARP_HOOKS: typeof HOOKS = { input: 0, output: 1 }

/** Where a base chain hangs and what it does in the end; nothing for others. */
export function chainAttributes(
  family: Family,
  chain: ChainDefinition,
): ValueOf<typeof chainBody>['attributes'] {
  if (chain.hook === undefined) return {}
  const { type, hook, priority, policy = 'accept', device } = chain.hook
  const hooks = family === 'netdev' ? NETDEV_HOOKS : family === 'arp' ? ARP_HOOKS : HOOKS
  return {
    type,
    hook: {
      number: hooks[hook],
      priority: priority >>> 0,
      ...(device === undefined ? {} : { device }),
    },
    policy: policy === 'accept' ? 1 : 0,
  }
}
