import { createHash, randomBytes } from 'node:crypto'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

export type NetworkId = Branded<'NetworkId'>
export type EndpointId = Branded<'EndpointId'>
export type SandboxId = Branded<'SandboxId'>

/** 64 hexadecimal digits, as Docker's. */
export function newId<Id extends NetworkId | EndpointId | SandboxId>(): Id {
  return randomBytes(32).toString('hex') as Id
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
