import { createHash, randomFillSync } from 'node:crypto'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

export type NetworkId = Branded<'NetworkId'>
export type EndpointId = Branded<'EndpointId'>
export type SandboxId = Branded<'SandboxId'>

/** Random bytes are fetched for many ids at once: a call for each costs more than all else here. */
const entropy = Buffer.alloc(32 * 64)
let used = entropy.length

/** 64 hexadecimal digits, as Docker's. */
export function newId<Id extends NetworkId | EndpointId | SandboxId>(): Id {
  if (used === entropy.length) {
    randomFillSync(entropy)
    used = 0
  }
  used += 32
  return entropy.toString('hex', used - 32, used) as Id
}

/** The id of a thing of which only the beginning is known (adopted after records were lost). */
export function idFromPrefix<Id extends NetworkId | EndpointId | SandboxId>(prefix: string): Id {
  const rest = createHash('sha256').update(prefix).digest('hex')
  return (prefix + rest.slice(prefix.length)) as Id
}

/** How ids are shown, and what file and link names are made of. */
export function shortId(id: string, length: 10 | 12 = 12): string {
  return id.slice(0, length)
}
