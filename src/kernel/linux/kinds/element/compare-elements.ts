import { isCnmError } from '../../../../base/errors.ts'
import { type ElementResource, elementAt } from '../../../resource.ts'
import type { TableDefinition } from '../../../ruleset.ts'
import { different, type Finding, missing } from '../../compare/finding.ts'
import type { NetlinkSocket } from '../../netlink/netlink-socket.ts'
import type { Element } from '../../nftables/elements/element.ts'
import { type PresenceVisit, PresentElements } from '../../nftables/elements/present-elements.ts'

/** Compares elements and runs of them; each set is listed once. */
export class ElementComparison {
  readonly #socket: () => NetlinkSocket
  readonly #tables: readonly TableDefinition[]
  readonly #sets = new Map<string, PresentElements | undefined>()

  constructor(socket: () => NetlinkSocket, tables: readonly TableDefinition[]) {
    this.#socket = socket
    this.#tables = tables
  }

  /** Of the elements of a run that have the same trouble, only the first is described. */
  of(element: ElementResource): Finding {
    const absent: number[] = []
    const changed: number[] = []
    let detail = ''
    const isPossible = this.#look(element, (presence, index, key, present) => {
      if (presence === 'gone') absent.push(index)
      if (presence !== 'other') return
      if (changed.length === 0) detail = findingOf(one(element, index), present.at(key))
      changed.push(index)
    })
    if (!isPossible) return gone(element, 0, element.run ?? 1)
    if (absent.length > 0) return gone(element, absent[0]!, absent.length)
    if (changed.length === 0) return undefined
    return different(`${detail}${more(changed.length)}`)
  }

  /** false: there is no such set, or none that this could be in. */
  #look(element: ElementResource, visit: PresenceVisit): boolean {
    const present = this.#presentIn(element)
    try {
      present?.look(element, visit)
      return present !== undefined
    } catch (error) {
      if (isCnmError(error, 'INVALID_ARGUMENT')) return false
      throw error
    }
  }

  #presentIn({ family, table, set }: ElementResource): PresentElements | undefined {
    const name = `${family} ${table} ${set}`
    if (!this.#sets.has(name)) {
      const isDefined = this.#tables.some(
        (it) =>
          it.family === family && it.name === table && it.sets.some((its) => its.name === set),
      )
      const list = () => PresentElements.all(this.#socket(), this.#tables, { family, table, set })
      this.#sets.set(name, isDefined ? list() : undefined)
    }
    return this.#sets.get(name)
  }
}

function gone(element: ElementResource, first: number, count: number): Finding {
  return missing(`no element ${nameOf(one(element, first))}${more(count)}`)
}

/** What is wrong with one that is there, but not just so. */
function findingOf(element: ElementResource, found: Element | undefined): string {
  const name = `element ${nameOf(element)}`
  const [is, wanted] = [found?.value?.join(' . '), element.value?.join(' . ')]
  const findings = [
    is !== wanted && `${name} has the value ${is}, not ${wanted}`,
    isLimitOther(element, found) && `${name} has another limit`,
    found?.owner !== element.owner && `${name} belongs to ${found?.owner}, not ${element.owner}`,
  ]
  return findings.filter((finding) => finding !== false).join('; ')
}

function isLimitOther({ limit }: ElementResource, found: Element | undefined): boolean {
  if (limit === undefined) return false
  return found?.limit?.rate !== limit.rate || found.limit.burst !== limit.burst
}

function one(element: ElementResource, index: number): ElementResource {
  return element.run === undefined ? element : elementAt(element, index)
}

function nameOf({ family, table, set, key }: ElementResource): string {
  return `${family} ${table} ${set} { ${key.join(' . ')} }`
}

function more(count: number): string {
  return count === 1 ? '' : `, and ${count - 1} more`
}
