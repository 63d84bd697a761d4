import { CnmError } from '../../base/errors.ts'
import type { NetworkId } from '../../base/id.ts'
import { parser } from '../../base/parse.ts'
import { Type } from '../../base/schema.ts'
import type { HostView } from '../../kernel/kernel.ts'
import { NETWORK_NUMBERS } from '../../kernel/link-groups.ts'
import type { Write } from '../../store/store.ts'

const { first, last: end } = NETWORK_NUMBERS

/**
 * Each network has a number of this host's, by which its ports are told: from the first moment of its
 * making until it is gone, no other has it. Given out onwards, so that one is not soon another's.
 */
export class NetworkNumbers {
  readonly #holders = new Map<number, NetworkId>()
  #last = end

  /** Takes the next free one, and none by which there are ports already, those of another engine included. */
  take(network: NetworkId, { links }: HostView): number {
    const seen = new Set(links.map(({ portOf }) => portOf))
    let number = this.#last
    for (let tries = first; tries <= end; tries++) {
      number = number >= end ? first : number + 1
      if (this.#holders.has(number) || seen.has(number)) continue
      this.#holders.set(number, network)
      this.#last = number
      return number
    }
    throw new CnmError('NOT_ALLOWED', `there are ${end} networks on this host, and can't be more`, {
      hint: 'delete some that are not used',
    })
  }

  /** It is that network's already. false: it is another's. */
  hold(number: number, network: NetworkId): boolean {
    const holder = this.#holders.get(number)
    if (holder !== undefined && holder !== network) return false
    this.#holders.set(number, network)
    return true
  }

  release(number: number | undefined): void {
    if (number !== undefined) this.#holders.delete(number)
  }

  /** Where the search goes on, for the next start. */
  get write(): Write {
    return { kind: 'engine', id: recordId, value: { last: this.#last } }
  }

  goOnAfter(last: number): void {
    this.#last = last
  }
}

const recordId = 'numbers'

export function isNumbers(id: string): boolean {
  return id === recordId
}

const parse = parser(
  Type.Object({ last: Type.Integer({ minimum: first, maximum: end }) }),
  'stored numbers of networks',
  'INTERNAL',
)

export const readNumbers = (value: unknown) => parse(value).last
