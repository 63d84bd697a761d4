import { PORT_GROUPS, PORT_GROUPS_MASK } from '../kernel/link-groups.ts'
import type { RuleDefinition, Statement } from '../kernel/ruleset.ts'

/**
 * The bit of the packet mark that says: our tables have let this packet pass, and it is to or between
 * bridges of ours, to the world, or part of a known flow. A filter behind us that would drop it
 * otherwise can ask for it (see ConsentResource). It is set, never cleared; other bits are others'.
 */
export const ACCEPTED_MARK = 0x01000000

/** Accepts a packet that is forwarded, so that others can tell, and do so too. */
export const pass: readonly Statement[] = [
  { setMark: 'meta mark', value: ACCEPTED_MARK, mask: ACCEPTED_MARK },
  { verdict: 'accept' },
]
export const accept: Statement = { verdict: 'accept' }
export const drop: Statement = { verdict: 'drop' }
export const leave: Statement = { verdict: 'return' }

export const ipv4: Statement = { match: 'meta nfproto', value: 'ipv4' }
export const ipv6: Statement = { match: 'meta nfproto', value: 'ipv6' }
export const established: Statement = { match: 'ct state', value: ['established', 'related'] }
/** Its destination was changed: it came to a published port. */
export const translated: Statement = { match: 'ct status', value: 'dnat' }

/** A port of a network, of whichever and in whatever state. */
const aPort = { mask: PORT_GROUPS_MASK, value: PORT_GROUPS }
export const fromPort = { bits: 'iifgroup', ...aPort } as const satisfies Statement
export const toPort: Statement = { bits: 'oifgroup', ...aPort }

export function rule(...statements: (Statement | readonly Statement[])[]): RuleDefinition {
  return { statements: statements.flat() }
}
