import type { KindName } from '../apply/plan.ts'

/** A kind, or what all kinds have in common that the keeper holds. */
export type ParticipantName = KindName | 'kept'

/**
 * The order in which a change is made: each phase, and the kinds that take part in it, in their order. What
 * they have to be sent goes out together at its end. What comes goes from the outside in, so that nothing
 * can be reached before its firewall is there; what goes, the other way.
 */
export const phases = [
  ['check', 'kept', 'reservation'],
  ['tell early', 'kept'],
  // Before their ports are reserved, which would keep us off as well.
  ['listen first', 'relay'],
  // Inside the sandboxes first, so that they have their new default route before the old one fails; then
  // the host's ends of their links. Nothing is deleted that the kernel would have to wait for.
  ['leave', 'route', 'address', 'veth'],
  ['give back', 'lent-link'],
  ['retire', 'neighbour', 'fdb', 'route', 'address', 'veth', 'bridge'],
  // Forwarding ends before the firewall forgets what it is for.
  ['restore', 'sysctl'],
  ['reserve', 'reservation'],
  // In one transaction, so that no packet meets rules without the elements they need.
  ['firewall', 'table', 'element', 'flows'],
  ['make namespaces', 'namespace'],
  ['listen', 'resolver', 'zone'],
  ['tell', 'kept'],
  ['write', 'file', 'hosts-entry'],
  ['make links', 'bridge', 'veth'],
  ['settle ports', 'veth', 'fdb', 'neighbour'],
  ['borrow', 'lent-link'],
  // Before any of the links goes up.
  ['set', 'bridge', 'veth', 'sysctl'],
  ['bring up', 'veth', 'lent-link', 'address', 'route'],
  ['limit', 'rate'],
  ['await', 'veth', 'address'],
  ['announce', 'announcement'],
  ['consent', 'consent'],
  ['hear', 'kept'],
  // When nothing is forwarded any more.
  ['unreserve', 'reservation'],
  ['unmount', 'namespace'],
  ['delete files', 'file'],
  // What follows can't be undone.
  ['last check', 'kept'],
  ['drop', 'table', 'zone'],
  ['release', 'kept'],
] as const satisfies readonly (readonly [string, ...ParticipantName[]])[]

type Row = (typeof phases)[number]

export type Phase = Row[0]

/** The phases that a kind takes part in, according to the table. */
export type PhasesOf<N extends ParticipantName> = PhaseWith<Row, N>

type PhaseWith<R, N> = R extends readonly [infer P extends string, ...infer Names]
  ? N extends Names[number]
    ? P
    : never
  : never
