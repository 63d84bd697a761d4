import { resourceKey, type VethResource } from '../../../resource.ts'
import type { ApplyContext } from '../../apply/context.ts'
import { ipv6Settings, type Setting } from '../../apply/settings.ts'
import type { Step } from '../../apply/transaction.ts'
import { portSettings } from '../../links/port-settings.ts'
import { setLink, settleCarrier } from '../../rtnetlink/link.ts'
import type { Kind } from '../kind.ts'
import { compareVeth } from './compare-veth.ts'
import { leave, retire } from './leaving.ts'
import { make } from './make-veth.ts'

export const veth: Kind<'veth'> = {
  apply: {
    leave,
    retire,
    'make links': make,
    'settle ports': settle,
    set,
    'bring up': bringUp,
    await: settleCarriers,
  },
  compare: compareVeth,
  survey: ({ links, names }) => ({
    links: links.flatMap(({ kind: type, name, master }) => {
      if (type !== 'veth') return []
      const bridge = master === undefined ? undefined : names.get(master)
      return [{ name, type, ...(bridge === undefined ? {} : { bridge }) }]
    }),
  }),
  isMadeAnew({ peer: was }, { peer: is }) {
    return was.namespace?.path !== is.namespace?.path || was.name !== is.name
  },
  links: ({ name, peer }) => [{ name }, { namespace: peer.namespace, name: peer.name }],
}

/**
 * Whose they are is told to bridge and host. By index and not by name: only now is it certain that the link
 * is ours.
 */
function settle({ transaction, plan, steps }: ApplyContext): void {
  const { host } = transaction
  for (const veth of plan.add.of('veth')) {
    const index = steps.host.index(veth.name)
    const key = resourceKey(veth)
    const port = { ...portSettings, learning: veth.learning ?? true }
    const was = plan.before.get(key)
    const learned = was?.kind === 'veth' ? (was.learning ?? true) : port.learning
    const undo = () => host.socket.request(setLink(index, { learning: learned }))
    steps.host.push({
      key,
      message: setLink(index, { ...port, ipv6AddressGeneration: 'none' }),
      ...(learned === port.learning ? {} : { undo }),
      // A kernel without IPv6 has no such setting.
      refused: ({ errno }) => {
        if (errno !== 'EAFNOSUPPORT') return false
        host.socket.request(setLink(index, port))
        return true
      },
    })
  }
}

function set({ plan, settings }: ApplyContext): void {
  for (const veth of plan.add.of('veth')) {
    settings.push(...peerSettings(veth, !plan.before.has(resourceKey(veth))))
  }
}

/**
 * Without IPv6 nothing is written here: a sysctl's path takes the longer to walk the more namespaces
 * there are. Such ends make no addresses for themselves (see bringUp), which does as well.
 */
function peerSettings(veth: VethResource, fresh: boolean): Setting[] {
  const { name, ipv6, namespace } = veth.peer
  if (!ipv6 || namespace === undefined) return []
  const settings = ipv6Settings(name, true, { namespace, key: resourceKey(veth), fresh })
  // In a namespace of our own it has not been switched off.
  const isOwn = namespace.cookie === undefined
  return isOwn ? settings.filter((it) => !it.name.endsWith('/disable_ipv6')) : settings
}

/** The sandboxes' ends. */
function bringUp({ transaction, plan, steps }: ApplyContext): void {
  const ends = plan.add.of('veth').flatMap((veth) => {
    const { namespace } = veth.peer
    const key = resourceKey(veth)
    return namespace === undefined ? [] : [{ key, ...veth.peer, there: steps.at(namespace, key) }]
  })
  const push = (end: (typeof ends)[number], step: (index: number) => Omit<Step, 'key'>) => {
    const index = transaction.attempt(end.key, () => end.there.index(end.name))
    end.there.push({ key: end.key, ...step(index) })
  }
  for (const end of ends) {
    if (end.ipv6) continue
    push(end, (index) => ({
      // Before it is up, or it would make a link-local address at once.
      message: setLink(index, { ipv6AddressGeneration: 'none' }),
      // A kernel without IPv6 has nothing to be switched off.
      refused: ({ errno }) => errno === 'EAFNOSUPPORT',
    }))
  }
  for (const end of ends) push(end, (index) => ({ message: setLink(index, { up: true }) }))
}

/**
 * Only when the other ends are up do these have a carrier, and a bridge with its first port. Otherwise the
 * first packets would be lost, and IPv6 asks again only after a second.
 */
function settleCarriers({ transaction: { host }, plan }: ApplyContext): void {
  const veths = plan.add.of('veth')
  const ends = veths.map(({ name }) => name)
  for (const link of new Set([...ends, ...veths.map(({ bridge }) => bridge)])) {
    settleCarrier(host.socket, host.index(link))
  }
}
