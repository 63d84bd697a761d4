import { isCnmError, isKernelError } from '../../base/errors.ts'
import type { Change, HostView } from '../../kernel/kernel.ts'
import { type Resource, resourceKey } from '../../kernel/resource.ts'
import { isSame } from '../../kernel/same-resource.ts'
import type { Write } from '../../store/store.ts'
import { applied } from '../change/applied.ts'
import type { Claim } from '../change/ledger.ts'
import type { SharedStep } from '../change/transaction.ts'
import { type MembersChange, planMembers } from '../endpoint/members.ts'
import { networkSpec } from '../endpoint/specs.ts'
import type { Engine } from '../engine.ts'
import { explain } from '../explain.ts'
import { isPredefined, queueKeys } from '../network/networks.ts'
import { enqueue } from '../plugins/pending-calls.ts'
import type { NetworkRecord, SandboxRecord } from '../records.ts'
import type { NetworkState } from '../state.ts'

/** Told of what can't be done; the rest is done. */
type OnFailure = (what: string, error: unknown) => void

/**
 * Describes the host and every network anew (uplinks come and go) and applies what is different, in one
 * step. What can't be described, or can't be made true, stays as it is, and keeps nothing else from it.
 */
export async function refreshNetworks(engine: Engine, onFailure: OnFailure): Promise<void> {
  await engine.changes.turn(queueKeys, async () => {
    const view = await engine.lookAgain()
    await bringUpToDate(engine, view, undefined, onFailure)
  })
}

/** What a sandbox's endpoints come to. */
interface Renewed extends MembersChange {
  readonly sandbox: SandboxRecord
}

/**
 * The same at a start, with the endpoints of these sandboxes, of which nothing else may be done meanwhile: a
 * changed table comes with all that its rules look up, so no packet of what runs is lost. The tables become
 * this engine's own. Answers with those that are different now.
 */
export async function bringUpToDate(
  engine: Engine,
  view: HostView,
  sandboxes: readonly SandboxRecord[] | undefined,
  onFailure: OnFailure,
): Promise<readonly Renewed[]> {
  let renewed: readonly Renewed[] = []
  let shared: readonly Resource[] | undefined
  const make = (change: Change) =>
    sandboxes === undefined
      ? makeWhatCan(engine, change, onFailure)
      : // What is missing is mended, or told, when all of it is compared.
        makeWhatCan(engine, withTables(engine, change), onFailure, ({ add }) => add)
  const attempt = (isShared: boolean) =>
    engine.changes.transactions.performShared(() => {
      const networks = describeNetworks(engine, view, onFailure)
      renewed = describeSandboxes(engine, sandboxes ?? [], onFailure)
      shared = isShared ? describeShared(engine, view, networks, onFailure) : undefined
      return { ...stepOf(engine, { networks, shared, view }, renewed), make }
    })
  try {
    await attempt(true)
  } catch (error) {
    if (isCnmError(error, 'STORE_UNAVAILABLE')) throw error
    if (shared !== undefined && !engine.host.is(shared)) onFailure('what networks share', error)
    // Else there is nothing yet on which anything could stand.
    const isThere = engine.state.networks.all().some(({ resources }) => resources.length > 0)
    if (!isThere) return []
    try {
      await attempt(false)
    } catch (again) {
      if (isCnmError(again, 'STORE_UNAVAILABLE')) throw again
      onFailure('networks', again)
      return []
    }
  }
  return renewed
}

interface Described {
  readonly network: NetworkState
  /** undefined: its driver failed. */
  readonly to: readonly Resource[] | undefined
}

function describeNetworks(engine: Engine, view: HostView, onFailure: OnFailure): Described[] {
  return engine.state.networks
    .all()
    .filter(({ state, record }) => state === 'ready' && !isPredefined(engine, record))
    .map((network) => {
      const { record } = network
      try {
        const driver = engine.driver(record.driver)
        return { network, to: driver.describeNetwork(networkSpec(record), view) }
      } catch (error) {
        onFailure(`network "${record.name}"`, error)
        return { network, to: undefined }
      }
    })
}

/** undefined: a driver failed. */
function describeShared(
  engine: Engine,
  view: HostView,
  networks: readonly Described[],
  onFailure: OnFailure,
): readonly Resource[] | undefined {
  try {
    return engine.host.describe(recordsOf(networks), view)
  } catch (error) {
    onFailure('what networks share', error)
    return undefined
  }
}

function recordsOf(networks: readonly Described[]): readonly NetworkRecord[] {
  return networks.map(({ network }) => network.record)
}

function describeSandboxes(
  engine: Engine,
  sandboxes: readonly SandboxRecord[],
  onFailure: OnFailure,
): Renewed[] {
  return sandboxes.flatMap((sandbox) => {
    try {
      const change = planMembers(engine, sandbox, [], [])
      return change.records.length === 0 ? [] : [{ ...change, sandbox }]
    } catch (error) {
      onFailure(`sandbox "${sandbox.name}"`, error)
      return []
    }
  })
}

interface Wanted {
  readonly networks: readonly Described[]
  /** undefined: as it is. */
  readonly shared: readonly Resource[] | undefined
  readonly view: HostView
}

function stepOf(
  engine: Engine,
  { networks, shared, view }: Wanted,
  renewed: readonly Renewed[],
): SharedStep {
  const ofHost = shared ?? engine.host.resources
  const sharing = { anew: recordsOf(networks), resources: ofHost, view }
  const changes = networks.flatMap(({ network, to = network.resources }) => {
    const { resources: from } = network
    // A network of an earlier version has what all share for itself. That is the host's from now on.
    const own = [...to, ...(shared ? [] : without(from, to))]
    const is = without(own, ofHost)
    return isSame(from, is) ? [] : [{ network, from, to: is }]
  })
  const claims: readonly Claim[] = [
    ...changes.map(({ network, from, to }) => ({ owner: network.record.id, from, to })),
    ...renewed.flatMap((it) => it.claims),
  ]
  return {
    what: 'bringing networks up to date',
    sharing,
    claims,
    intent: [],
    // One that is being deleted by now, or is gone, must not come back by its record.
    done: () => [
      ...changes
        .filter(({ network }) => engine.state.networks.get(network.record.id)?.state === 'ready')
        .map(({ network, to }): Write => applied('ready', network.record, to)),
      ...renewed.flatMap((it) => it.done),
    ],
    undone: [],
    after: async () => {
      for (const { network, to } of changes) putResources(engine, network.record, to)
      for (const { records, pending } of renewed) {
        for (const each of records) engine.state.putEndpoint(each)
        enqueue(engine, pending)
      }
      return []
    },
  }
}

/** It may be about to be deleted by now. */
function putResources(engine: Engine, { id }: NetworkRecord, resources: readonly Resource[]): void {
  const network = engine.state.networks.get(id)
  if (network !== undefined) engine.state.putNetwork({ ...network, resources })
}

/** From what is recorded to the same: what is so already, and ours, is left alone. */
function withTables({ host }: Engine, { remove, add }: Change): Change {
  const tables = host.resources.filter(({ kind }) => kind === 'table')
  const more = without(tables, add)
  return { remove: [...remove, ...more], add: [...add, ...more] }
}

/** More refusals than that are no matter of single resources. */
const mostRefusals = 32

/** What the kernel refuses is left out, and told; of a table nothing can be left out. */
async function makeWhatCan(
  engine: Engine,
  change: Change,
  onFailure: OnFailure,
  toldLater: (change: Change) => readonly Resource[] = () => [],
): Promise<void> {
  const told = new Set<string>()
  let now = change
  for (let refusals = 0; ; refusals += 1) {
    try {
      if (now.remove.length + now.add.length > 0) await engine.kernel.apply(now)
      return
    } catch (error) {
      const refused = refusedBy(error, now)
      if (refused === undefined || refusals === mostRefusals) throw error
      const whose = ownersOf(engine, refused)
      const name = whose.map((id) => engine.nameOf(id)).join(', ') || resourceKey(refused)
      const isTold = told.has(name) || toldLater(now).includes(refused)
      if (!isTold) onFailure(name, explain(error, 'bringing networks up to date'))
      told.add(name)
      now = withoutIt(engine, now, refused, whose)
    }
  }
}

function refusedBy(error: unknown, { remove, add }: Change): Resource | undefined {
  const key = keyOf(error)
  const refused = [...add, ...remove].find((each) => resourceKey(each) === key)
  return refused?.kind === 'table' ? undefined : refused
}

/** Nor is a link made that lacks something of its firewall. */
function withoutIt(
  engine: Engine,
  { remove, add }: Change,
  refused: Resource,
  owners: readonly string[],
): Change {
  const isOther = (each: Resource) => resourceKey(each) !== resourceKey(refused)
  const isUnguarded = (each: Resource) =>
    refused.kind === 'element' &&
    (each.kind === 'bridge' || each.kind === 'veth') &&
    owners.some((id) => engine.ledger.isOwner(each, id))
  return {
    remove: remove.filter(isOther),
    add: add.filter((each) => isOther(each) && !isUnguarded(each)),
  }
}

function keyOf(error: unknown): unknown {
  return isKernelError(error)
    ? error.resource
    : isCnmError(error)
      ? error.details.resource
      : undefined
}

function ownersOf({ ledger }: Engine, resource: Resource): readonly string[] {
  return [...ledger.owners()].filter((id) => ledger.isOwner(resource, id))
}

function without(resources: readonly Resource[], others: readonly Resource[]): Resource[] {
  const keys = new Set(others.map(resourceKey))
  return resources.filter((each) => !keys.has(resourceKey(each)))
}
