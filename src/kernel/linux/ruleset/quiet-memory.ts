import type { FlowsResource } from '../../resource.ts'

type Sender = Pick<FlowsResource, 'address' | 'protocol' | 'quiet'>

/**
 * Which senders may have something quiet: of all others the kernel needn't be asked. It knows what this
 * engine has made quiet, and what it finds in the sets when they are first used.
 */
export class QuietMemory {
  readonly #sets = new Map<string, Set<string>>()

  /** `read` answers with the keys of both sets' elements. */
  mayHave(sender: Sender, read: () => readonly (readonly string[])[]): boolean {
    const name = setsName(sender)
    let known = this.#sets.get(name)
    if (known === undefined) {
      known = new Set(read().map(([address, protocol]) => `${address} ${protocol}`))
      this.#sets.set(name, known)
    }
    return known.has(senderName(sender))
  }

  note(sender: Sender): void {
    this.#sets.get(setsName(sender))?.add(senderName(sender))
  }
}

function setsName({ quiet: { family, table, set, ranges } }: Sender): string {
  return [family, table, set, ranges].join(' ')
}

function senderName({ address, protocol }: Sender): string {
  return `${address} ${protocol}`
}
