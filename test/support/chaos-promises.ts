import type { EndpointInfo, RemoteController, SandboxInfo } from '#dist/client/client.js'

interface Held {
  readonly id: string
  readonly network: string
  readonly sandbox: string | undefined
  readonly address: string
}

/**
 * What clients were answered, and have not asked to end since: that lasts, whatever happens to the
 * daemon. A client that asks for an end says so here before; it counts from then on, done or not.
 */
export class Promises {
  /** What was broken, one sentence each. */
  readonly broken: string[] = []
  /** How many addresses were given. */
  given = 0
  readonly #ended = new Set<string>()
  readonly #networks = new Set<string>()
  readonly #sandboxes = new Set<string>()
  readonly #held = new Map<string, Held>()

  end(id: string): void {
    this.#ended.add(id)
    this.#networks.delete(id)
    this.#sandboxes.delete(id)
  }

  madeNetwork(id: string): void {
    if (!this.#ended.has(id)) this.#networks.add(id)
  }

  madeSandbox(id: string): void {
    if (!this.#ended.has(id)) this.#sandboxes.add(id)
  }

  madeEndpoint({ id, network, joined, ipv4, ipv6 }: EndpointInfo): void {
    for (const address of [ipv4, ipv6]) {
      if (address === undefined) continue
      this.given += 1
      const key = `${network} ${address}`
      const before = this.#held.get(key)
      if (before !== undefined && before.id !== id && this.#lasts(before)) {
        this.broken.push(`${address} of ${network} was given to ${before.id} and to ${id}`)
      }
      this.#held.set(key, { id, network, sandbox: joined?.sandbox, address })
    }
  }

  /** All endpoints at one moment. */
  seen(endpoints: readonly EndpointInfo[]): void {
    const owners = new Map<string, string>()
    for (const { id, network, ipv4, ipv6 } of endpoints) {
      for (const address of [ipv4, ipv6]) {
        if (address === undefined) continue
        const key = `${network} ${address}`
        const other = owners.get(key)
        if (other !== undefined) this.broken.push(`${id} and ${other} both have ${key}`)
        owners.set(key, id)
      }
    }
  }

  /** Once no client asks for anything any more. */
  async expectKept(cnm: RemoteController): Promise<void> {
    const idsOf = (all: readonly { readonly id: string }[]) => new Set(all.map(({ id }) => id))
    const networks = idsOf(await cnm.networks())
    const sandboxes = idsOf(await cnm.sandboxes())
    const endpoints = (await cnm.endpoints()).map(({ info }) => info)
    this.seen(endpoints)
    for (const id of this.#networks) if (!networks.has(id)) this.broken.push(`lost: network ${id}`)
    for (const id of this.#sandboxes)
      if (!sandboxes.has(id)) this.broken.push(`lost: sandbox ${id}`)
    const addresses = new Map(endpoints.map(({ id, ipv4, ipv6 }) => [id, [ipv4, ipv6]]))
    for (const held of this.#held.values()) {
      if (!this.#lasts(held) || addresses.get(held.id)?.includes(held.address)) continue
      this.broken.push(`lost: ${held.address} of endpoint ${held.id}`)
    }
  }

  #lasts({ id, network, sandbox }: Held): boolean {
    return ![id, network, sandbox].some((each) => each !== undefined && this.#ended.has(each))
  }
}

export function namespaceOf({ name, namespace }: SandboxInfo): string {
  if (namespace === undefined) throw new Error(`sandbox ${name} has no namespace`)
  return namespace.path
}
