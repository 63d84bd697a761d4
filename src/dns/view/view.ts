import type { IpAddress } from '../../address/address.ts'
import type { Upstream } from '../../kernel/kept-resource.ts'
import type { Known } from '../answer/known-name.ts'
import type { ExtendedError } from '../answer/reply-writer.ts'
import type { ReverseName } from '../answer/reverse-name.ts'

/** Who is asked for what isn't known here. */
export type Upstreams =
  /** It is answered here. */
  | { readonly from: 'none' }
  /** The servers of the host's resolv.conf, from the host's namespace. */
  | { readonly from: 'host' }
  /** Those servers, from inside the sandbox. */
  | { readonly from: 'sandbox'; readonly servers: readonly Upstream[] }

/** What is said about a name that nothing here has. */
export type Verdict =
  /** There is such a name, without what was asked for; `owner`: where the zone begins in the key. */
  | { readonly say: 'no-data'; readonly owner: number }
  | { readonly say: 'no-name'; readonly owner: number }
  /** The zone's own SOA was asked for. */
  | { readonly say: 'authority' }
  | { readonly say: 'refused'; readonly why: ExtendedError }
  | { readonly say: 'forward' }

/** What a client may ask. Its content follows changes of the names. */
export interface View {
  readonly upstreams: Upstreams
  /** A number in [0, 1): which of several records is the first. */
  readonly random: () => number
  /** Keys as in name.ts, in lower case. */
  find(key: string): Known | undefined
  /** What is put behind `name.network` in an answer to that question: nothing, or the zone. */
  zoneBehind(key: string): string
  /** What the address is called, as keys; undefined if nothing it sees has it. */
  owners(address: IpAddress): readonly string[] | undefined
  /** Whether all of that is in a subnet it sees. */
  covers(reverse: ReverseName): boolean
  /** For names that aren't found, in whichever way. */
  verdict(key: string, type: number): Verdict
}

/** Whether it has one label. */
export function isSingle(key: string): boolean {
  return key.length > 0 && key.length === 1 + key.charCodeAt(0)
}
