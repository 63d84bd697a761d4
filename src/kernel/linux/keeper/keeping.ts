import { CnmError, KernelError } from '../../../base/errors.ts'
import type { KeptAddition } from '../../../keeper/keeper.ts'
import type { KeptResource } from '../../kept-resource.ts'
import { resourceKey } from '../../resource.ts'
import type { Plan, ResourcesByKind } from '../apply/plan.ts'
import type { Transaction } from '../apply/transaction.ts'
import { faultPoint } from '../ffi/fault.ts'
import { close } from '../ffi/file.ts'
import { about } from '../thread/wire-error.ts'
import type { Keeper, ToldChange } from './keeper.ts'

/**
 * Sockets that go to the keeper with new resources, by their keys. The opener leaves none open
 * if it throws; Keeping, which gets them, closes them at the end, whatever becomes of the change.
 */
export type KeptSockets = ReadonlyMap<string, readonly number[]>

/** Runs `open`, which opens sockets one by one; if that fails, none stays open. */
export function openAll(open: (opened: Map<string, readonly number[]>) => void): KeptSockets {
  const opened = new Map<string, readonly number[]>()
  try {
    open(opened)
    return opened
  } catch (error) {
    for (const fd of [...opened.values()].flat()) close(fd)
    throw error
  }
}

/** The keeper has so long to know a name before the change is done without it. */
const KNOWN_MS = 100
/** The keeper has to say that it has closed a socket: only then is its port free, and nothing comes through it. */
const CLOSED_MS = 1000

/**
 * What one change means to the keeper. What comes, and names that go, it is told early, and works on it
 * meanwhile; sockets can't be brought back, so what holds some goes last.
 */
export class Keeping {
  readonly #transaction: Transaction
  readonly #keeper: Keeper | undefined
  readonly #plan: Plan
  readonly #sockets = new Map<string, readonly number[]>()
  #told: ToldChange | undefined
  #late: readonly string[] = []

  constructor(transaction: Transaction, keeper: Keeper | undefined, plan: Plan) {
    this.#transaction = transaction
    this.#keeper = keeper
    this.#plan = plan
  }

  /** Endpoints whose names may not be known everywhere yet. */
  get late(): readonly string[] {
    return this.#late
  }

  /** Refuses what would have to be kept where there is no keeper. */
  prepare(): void {
    const [first] = keptOf(this.#plan.add)
    if (first !== undefined && this.#keeper === undefined) throw noKeeper(first)
    if (first !== undefined || keptOf(this.#plan.remove).length > 0) this.#keeper?.link.ready()
  }

  /** Whether the sockets of a resource in `add` are kept already. */
  isKept(key: string): boolean {
    const resource = keptOf(this.#plan.add).find((each) => resourceKey(each) === key)
    return resource !== undefined && this.#keeper?.mirror.hasSocketsOf(resource) === true
  }

  take(sockets: KeptSockets): void {
    for (const [key, fds] of sockets) this.#sockets.set(key, fds)
  }

  /** Tells the keeper at once, where no sockets have to be opened for it. */
  tellEarly(): void {
    const isOpened = ({ kind }: KeptResource) => kind !== 'names'
    if (!keptOf(this.#plan.add).some(isOpened)) this.tell()
  }

  /** Tells the keeper what comes or is changed where it is, and which names go. Once. */
  tell(): void {
    const keeper = this.#keeper
    if (keeper === undefined || this.#told !== undefined) return
    const { mirror } = keeper
    const isInPlace = (each: KeptResource) =>
      mirror.get(resourceKey(each)) === undefined
        ? each.kind === 'names' || this.#sockets.has(resourceKey(each))
        : mirror.hasSocketsOf(each)
    const add = keptOf(this.#plan.add).filter((each) => isInPlace(each) && !mirror.hasSame(each))
    const remove = this.#there(this.#plan.remove.of('names'))
    const [first] = [...add.map(resourceKey), ...remove]
    if (first === undefined) return
    this.#transaction.attempt(first, () => faultPoint('keeper', first))
    const told = this.#change(keeper, remove, add)
    this.#told = told
    this.#transaction.onRollback(() => takeBack(keeper, told))
  }

  /** What the keeper says to that. */
  hear(): void {
    const told = this.#told
    if (told === undefined) return
    const isInTime = this.#keeper!.done(told, KNOWN_MS)
    const { error } = told.asked
    if (error === undefined) {
      if (!isInTime) this.#late = told.endpoints
      return
    }
    const [key] = told.before.keys()
    throw about(new KernelError('keeper', 'EPROTO', { message: error }), key!)
  }

  /** To be called before the first thing that can't be undone. */
  beforeRelease(): void {
    const [first] = this.#released()
    if (first !== undefined) this.#transaction.attempt(first, () => faultPoint('keeper', first))
  }

  /** What has sockets and goes, or comes to another place. Nothing may fail any more. */
  release(): void {
    const keeper = this.#keeper
    const keys = this.#released()
    if (keeper === undefined || keys.length === 0) return
    // With new sockets, or not at all where there are none to be had.
    const moved = this.#moved().filter((each) => this.#sockets.has(resourceKey(each)))
    if (keys.every((key) => this.#isRetired(key))) keeper.dropLater(keys)
    else keeper.done(this.#change(keeper, keys, moved), CLOSED_MS)
  }

  /** Goes with its sandbox: its names are gone already, and its port is not wanted. */
  #isRetired(key: string): boolean {
    const { remove, retired } = this.#plan
    const resolver = remove.of('resolver').find((each) => resourceKey(each) === key)
    return resolver !== undefined && retired.has(resolver.namespace.path)
  }

  /** The keeper has duplicates of what it was given. */
  close(): void {
    for (const fd of [...this.#sockets.values()].flat()) close(fd)
  }

  #change(
    keeper: Keeper,
    remove: readonly string[],
    resources: readonly KeptResource[],
  ): ToldChange {
    const sockets = resources.map((each) => this.#sockets.get(resourceKey(each)) ?? [])
    const add = resources.map((resource, index): KeptAddition => {
      return { resource, sockets: sockets[index]!.length }
    })
    return keeper.change(remove, add, sockets.flat())
  }

  #released(): readonly string[] {
    return [...this.#there(keptOf(this.#plan.remove)), ...this.#moved().map(resourceKey)]
  }

  #moved(): readonly KeptResource[] {
    const mirror = this.#keeper?.mirror
    if (mirror === undefined) return []
    return keptOf(this.#plan.add).filter(
      (each) => mirror.get(resourceKey(each)) !== undefined && !mirror.hasSocketsOf(each),
    )
  }

  #there(resources: readonly KeptResource[]): readonly string[] {
    return resources.map(resourceKey).filter((key) => this.#keeper?.mirror.get(key) !== undefined)
  }
}

/** Has the keeper keep what it kept before. */
function takeBack(keeper: Keeper, { asked, before }: ToldChange): void {
  if (asked.error !== undefined) return
  const remove: string[] = []
  const add: KeptAddition[] = []
  for (const [key, resource] of before) {
    const isThere = resource !== undefined && keeper.mirror.hasSocketsOf(resource)
    if (isThere || resource?.kind === 'names') add.push({ resource, sockets: 0 })
    else if (resource === undefined) remove.push(key)
  }
  keeper.done(keeper.change(remove, add), CLOSED_MS)
}

function keptOf(resources: ResourcesByKind): readonly KeptResource[] {
  return (['resolver', 'names', 'zone', 'relay'] as const).flatMap<KeptResource>((kind) => {
    return resources.of(kind)
  })
}

function noKeeper(resource: KeptResource): CnmError {
  const key = resourceKey(resource)
  return new CnmError('INVALID_ARGUMENT', `there is no keeper that could keep ${key}`, {
    details: { resource: key },
    hint: 'open the kernel with the option `keeper`',
  })
}
