import { namesElsewhere } from '../../elsewhere.ts'
import { type FdbResource, resourceKey } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import type { Step, Transaction } from '../apply/transaction.ts'
import type { Comparison } from '../compare/comparison.ts'
import { type Finding, missing } from '../compare/finding.ts'
import { deleteFdb, type FdbEntry, listFdb, newFdb, replaceFdb } from '../rtnetlink/fdb.ts'
import type { Kind } from './kind.ts'

export const fdb: Kind<'fdb'> = {
  apply: { 'settle ports': addAll, retire },
  compare,
}

/** Whose MAC is where: sent together with the settings of the ports they are about. */
function addAll({ transaction, plan, steps: { host } }: ApplyContext): void {
  for (const fdb of plan.add.of('fdb')) {
    host.push(
      transaction.attempt(resourceKey(fdb), () => add(transaction, fdb, host.index(fdb.link))),
    )
  }
}

/** What goes by itself, with its port, is only put back. */
function retire({ transaction, plan, steps: { host } }: ApplyContext): void {
  const going = new Set(plan.remove.of('veth').map(({ name }) => name))
  for (const fdb of plan.remove.of('fdb')) {
    host.push(...remove(transaction, fdb, going.has(fdb.link)))
  }
}

function add(transaction: Transaction, fdb: FdbResource, port: number): Step {
  const { host } = transaction
  const { mac } = fdb
  const key = resourceKey(fdb)
  const undo = () => host.socket.request(deleteFdb(port, mac))
  return {
    key,
    message: newFdb(port, mac),
    undo,
    refused: ({ errno }) => {
      if (errno !== 'EEXIST') return false
      const all = listFdb(host.socket, host.index(fdb.bridge))
      const found = all.find((it) => it.mac === mac)
      if (found?.fixed && found.port === port) return true
      const back = () => (found?.fixed ? host.socket.request(replaceFdb(found.port, mac)) : undo())
      transaction.send(host.socket, [{ key, message: replaceFdb(port, mac), undo: back }])
      return true
    },
  }
}

function remove(transaction: Transaction, fdb: FdbResource, goesWithPort: boolean): Step[] {
  const { host } = transaction
  const port = host.findIndex(fdb.link)
  if (port === undefined) return []
  const undo = () => host.socket.request(replaceFdb(port, fdb.mac))
  if (goesWithPort) {
    transaction.onRollback(undo)
    return []
  }
  return [
    {
      key: resourceKey(fdb),
      message: deleteFdb(port, fdb.mac),
      refused: ({ errno }) => errno === 'ENOENT' || errno === 'ENODEV' || errno === 'EOPNOTSUPP',
      undo,
    },
  ]
}

function compare(comparison: Comparison, { link, bridge, mac }: FdbResource): Finding {
  const { links } = comparison.host
  const port = links.get(link)
  // It has gone with its other end, which is another engine's.
  if (port === undefined && comparison.once(elsewhere).has(link)) return undefined
  const master = links.get(bridge)?.index
  const isPort = master !== undefined && port?.master === master
  const found = isPort ? entriesOf(comparison, master).get(mac) : undefined
  if (found !== undefined && found.port === port?.index && found.fixed) return undefined
  return missing(`bridge ${bridge} has no fixed entry for ${mac} at ${link}`)
}

function elsewhere({ resources }: Comparison): ReadonlySet<string> {
  return namesElsewhere(resources)
}

/** By MAC. */
type Entries = ReadonlyMap<string, FdbEntry>

function entriesOf(comparison: Comparison, bridge: number): Entries {
  const known = comparison.once(entriesByBridge)
  const entries =
    known.get(bridge) ??
    new Map(listFdb(comparison.host.netns.socket, bridge).map((entry) => [entry.mac, entry]))
  known.set(bridge, entries)
  return entries
}

function entriesByBridge(): Map<number, Entries> {
  return new Map()
}
