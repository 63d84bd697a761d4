import type { Plan, Work } from '../change/change.ts'
import type { Taken } from '../change/taken.ts'
import type { Parts } from '../parts.ts'
import { joinOnDriver, mistaken } from '../plugins/on-driver.ts'
import { HostPortChoice, publicationOf, withPorts } from '../ports/host-ports.ts'
import type { EndpointRecord, SandboxRecord } from '../records.ts'
import { planJoin, planMembers, settleMembers } from './members.ts'
import type { PlannedEndpoint } from './planned-endpoint.ts'

/** Endpoints that are about to join a sandbox. */
export interface Joining {
  readonly sandbox: SandboxRecord
  readonly drafts: readonly EndpointRecord[]
  readonly ports: HostPortChoice
  /** What a driver is to blame for, of what the machine says. */
  readonly blame: (error: unknown) => unknown
  /** The same with their ports, and with what drivers have answered. */
  readonly known: readonly EndpointRecord[]
}

export function joiningOf(
  parts: Parts,
  sandbox: SandboxRecord,
  drafts: readonly EndpointRecord[],
): Joining {
  const ports = new HostPortChoice(parts, drafts.map(publicationOf))
  const blame = (error: unknown) =>
    drafts.reduce((known, draft) => mistaken(parts, draft, known), error)
  return { sandbox, drafts, ports, blame, known: [] }
}

/** How one endpoint joins, once it is known which. Answers with it as it is then. */
export function joinWork(
  signal: AbortSignal | undefined,
): Omit<Work<Parts, Joining, EndpointRecord>, 'gather'> {
  return {
    choose: (joining, parts, taken) => choosePorts(joining, parts, taken, signal),
    again: againWith,
    plan: planJoining,
  }
}

/** Takes host ports, and lets drivers know. */
export async function choosePorts(
  joining: Joining,
  parts: Parts,
  taken: Taken,
  signal: AbortSignal | undefined,
): Promise<Joining> {
  const bindings = joining.ports.take(taken)
  const known: EndpointRecord[] = []
  for (const [at, draft] of joining.drafts.entries()) {
    const record = withPorts(draft, bindings[at])
    known.push(await joinOnDriver(parts, joining.sandbox, record, taken, signal))
  }
  return { ...joining, known }
}

export function againWith(error: unknown, { blame, ports }: Joining): boolean {
  const blamed = blame(error)
  if (blamed !== error) throw blamed
  return ports.again(error)
}

/** What all of them come to. */
export function planAll({ sandbox, known }: Joining, parts: Parts) {
  const joining: PlannedEndpoint[] = []
  for (const record of known) joining.push(planJoin(parts, sandbox, record, joining))
  return { joining, members: planMembers(parts, sandbox, joining, []) }
}

export function planJoining(gathered: Joining, parts: Parts): Plan<EndpointRecord> {
  const { sandbox, known } = gathered
  const { joining, members } = planAll(gathered, parts)
  const { records, pending, ...step } = members
  return {
    step,
    settle: async (touched) => {
      await settleMembers(parts, touched, sandbox, { records, pending }, joining, [])
      return parts.state.endpoints.need(known[0]!.id)
    },
  }
}
