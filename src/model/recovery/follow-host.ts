import { ZONE_TABLES } from '../../kernel/kept-resource.ts'
import type { KernelEvent } from '../../kernel/kernel.ts'
import { resourceKey } from '../../kernel/resource.ts'
import { isToMove } from '../endpoint/plan.ts'
import type { Engine } from '../engine.ts'
import { DriftCorrector } from './drift-corrector.ts'
import { followKeeper } from './follow-keeper.ts'
import { refreshNetworks } from './take-over.ts'

const quietMs = 50

/**
 * Watches what others do to the host. When links, addresses and routes change that are not ours,
 * networks are described anew: an uplink that appears starts to forward for them. Many changes in a
 * row count as one. What is taken from us is put back.
 */
export function followHost(engine: Engine): void {
  const { signal } = engine.closing
  const corrector = new DriftCorrector(engine)
  let waiting = false
  const refresh = () => {
    waiting = false
    if (signal.aborted) return
    refreshNetworks(engine, (_, error) => engine.onProblem(error)).catch(engine.onProblem)
  }
  const follow = async () => {
    for await (const event of engine.kernel.events(signal)) {
      followKeeper(engine, event)
      corrector.look(threatened(engine, event))
      if (waiting || !matters(engine, event)) continue
      waiting = true
      setTimeout(refresh, quietMs).unref()
    }
  }
  follow().catch((error: unknown) => {
    if (!signal.aborted) engine.onProblem(error)
  })
}

/** Networks depend on the host's links and the ways outwards, not on what happens on our own links. */
function matters(engine: Engine, event: KernelEvent): boolean {
  const isForeign = (link: string) => engine.ledger.get(`link::${link}`) === undefined
  switch (event.type) {
    case 'link':
      return !isToMove(event.name) && (event.change === 'set' || isForeign(event.name))
    case 'address':
    case 'forwarding':
      return isForeign(event.link)
    case 'route':
      return isForeign(event.route.link)
    case 'ruleset':
      return filterFamily(event.table) !== undefined
    case 'resolv-conf':
      return true
    case 'keeper':
    case 'names':
    case 'counters':
    case 'problem':
      return false
    case 'resync':
      return true
  }
}

/** Keys of what may have been taken from us. */
function threatened({ ledger }: Engine, event: KernelEvent): string[] {
  switch (event.type) {
    case 'forwarding':
      if (event.on) return []
      return event.family === 4
        ? [`sysctl::net/ipv4/conf/${event.link}/forwarding`]
        : [
            `sysctl::net/ipv6/conf/${event.link}/force_forwarding`,
            'sysctl::net/ipv6/conf/all/forwarding',
          ]
    case 'ruleset': {
      const family = filterFamily(event.table)
      const key = `table:${event.table}`
      const ours = ledger.get(key) === undefined ? [] : [key, ...elementsOf(ledger, event.table)]
      const zone = zoneOf(event.table)
      return [
        ...(family === undefined ? [] : [`consent:${family}`]),
        ...(zone === undefined ? [] : [zone]),
        ...ours,
      ]
    }
    case 'resync':
      return ledger
        .all()
        .filter(({ kind }) => ['sysctl', 'consent', 'table', 'zone'].includes(kind))
        .map(resourceKey)
    default:
      return []
  }
}

/** Others can change what is in our tables only where the kernel doesn't let us own them. */
function elementsOf(ledger: Engine['ledger'], name: string): string[] {
  return ledger.all().flatMap((each) => {
    const isThere = each.kind === 'element' && `${each.family} ${each.table}` === name
    return isThere ? [resourceKey(each)] : []
  })
}

/** Key of the zone to which a table of that name would lead. */
function zoneOf(table: string): string | undefined {
  const prefix = `${ZONE_TABLES.family} ${ZONE_TABLES.prefix}`
  return table.startsWith(prefix) ? `zone:${table.slice(prefix.length)}` : undefined
}

/** The tables of iptables in which others may have to be asked. */
function filterFamily(table: string): 'ip' | 'ip6' | undefined {
  return table === 'ip filter' ? 'ip' : table === 'ip6 filter' ? 'ip6' : undefined
}
