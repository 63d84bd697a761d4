import {
  CnmError,
  cancelled,
  isCnmError,
  isKernelError,
  throwIfAborted,
} from '../../base/errors.ts'
import type { Change, Kernel } from '../../kernel/kernel.ts'
import type { Resource } from '../../kernel/resource.ts'
import type { Write } from '../../store/store.ts'
import { explain } from '../explain.ts'
import type { HostClaim, HostShare, Sharing } from './host-share.ts'
import { type Claim, ClaimConflict, type Ledger } from './ledger.ts'
import { Leftovers } from './leftovers.ts'
import type { RecordBook } from './record-book.ts'

/** One change of the model, as it goes: decide → record → do → record. */
export interface Step {
  /** In words, for messages: `connecting sandbox "api" to network "web"`. */
  readonly what: string
  readonly claims: readonly Claim[]
  /** Recorded before: enough to undo or finish the step after a crash. */
  readonly intent: readonly Write[]
  /** Recorded when it is done. A function is asked in that moment. */
  readonly done: readonly Write[] | (() => readonly Write[])
  /** Recorded if it could not be done: what was there before. */
  readonly undone: readonly Write[]
  /**
   * Called when the machine is changed, before that is recorded. Answers with what else is to be recorded;
   * if it fails, the machine is changed back.
   */
  readonly after?: () => Promise<readonly Write[]>
  /** How it is made true, where that may be in part. Default: by the kernel, all or nothing. */
  readonly make?: (change: Change) => Promise<void>
  readonly signal?: AbortSignal
}

/** One that concerns what all networks share. */
export interface SharedStep extends Step {
  readonly sharing: Sharing
}

/** A step that is true on the machine, but not recorded. */
interface Begun {
  readonly sharing: Sharing | undefined
  /** What the host has claimed for it. */
  readonly host: HostClaim | undefined
}

/** What transactions are made with. */
interface TransactionParts {
  readonly kernel: Kernel
  readonly store: RecordBook
  readonly ledger: Ledger
  readonly host: HostShare
  readonly onProblem: (problem: unknown) => void
  /** Who owns something, in words. */
  readonly nameOf: (owner: string) => string
}

/** The way every step goes: it is claimed, recorded, made true and recorded again, or taken back. */
export class Transactions {
  readonly leftovers: Leftovers
  /** Why nothing can be changed any more. */
  failure: CnmError | undefined
  readonly #parts: TransactionParts

  constructor(parts: TransactionParts) {
    this.#parts = parts
    this.leftovers = new Leftovers(parts.ledger)
  }

  /** Makes the step true and recorded, or leaves everything as it was and throws. */
  async perform(step: Step): Promise<void> {
    await this.#finish(step, await this.#begin(step, undefined))
  }

  /**
   * The same for a step that concerns what all networks share. It is planned when it is its turn, so that it
   * sees what those before it have done; what it waits for afterwards keeps no others.
   */
  async performShared(plan: () => SharedStep | undefined): Promise<void> {
    let step: SharedStep | undefined
    const begun = await this.#parts.host.inTurn(async () => {
      step = plan()
      return step && this.#begin(step, step.sharing)
    })
    if (step && begun) await this.#finish(step, begun)
  }

  /** Claims, records the intent, and changes the machine. */
  async #begin(step: Step, sharing: Sharing | undefined): Promise<Begun> {
    throwIfAborted(step.signal, step.what)
    if (this.failure !== undefined) throw this.failure
    const { change, host } = this.#claim(step, sharing)
    const begun: Begun = { sharing, host }
    try {
      await this.#commit(step.intent, sharing)
    } catch (error) {
      if (!isTornDown(step) || !isFull(error)) {
        this.#unclaim(step, begun)
        throw error
      }
      // What goes makes room, and so needs none: after a crash it is as it was before, and goes when asked again.
    }
    try {
      await (step.make ?? ((it) => this.#apply(it)))(change)
      if (sharing) this.#parts.host.settled()
      return begun
    } catch (error) {
      this.#unclaim(step, begun)
      // The kernel has taken back all of it, but others may have come to want some of it meanwhile.
      await this.#undone(step, begun, { remove: [], add: this.#parts.ledger.wanted(change.add) })
      throw explain(error, step.what)
    }
  }

  /** Does what is left to do, and records that it is done. */
  async #finish(step: Step, begun: Begun): Promise<void> {
    try {
      const more = (await step.after?.()) ?? []
      await this.#record(step, begun, more)
    } catch (error) {
      // What brings everything up to date has come so far, and is not worse than it was.
      if (begun.sharing && 'anew' in begun.sharing) throw explain(error, step.what)
      const takeBack = () => this.#undone(step, begun, this.#unclaim(step, begun))
      await (begun.sharing ? this.#parts.host.inTurn(takeBack) : takeBack())
      throw explain(error, step.what)
    }
  }

  /**
   * Makes the machine what it is to be without the step, and records that. What can't be taken back is left over;
   * what can't be recorded now is with the next that can.
   */
  async #undone(step: Step, { sharing }: Begun, back: Change): Promise<void> {
    const { onProblem, host } = this.#parts
    let left: readonly Write[] = []
    try {
      await this.#apply(back)
      if (sharing) host.settled()
    } catch (error) {
      onProblem(explain(error, `taking back: ${step.what}`))
      left = this.leftovers.add(back.remove)
    }
    await this.#settle([...step.undone, ...left], sharing).catch(() => {})
  }

  /**
   * Performs a step that tears something down. If what is to take its place can't be made, since others have
   * changed what it needs, that stays missing, which `doctor` tells and mends; the rest is done.
   */
  async performTeardown(step: Step): Promise<void> {
    try {
      await this.perform(step)
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#parts.onProblem(error)
      await this.#performRemoval(step)
    }
  }

  /**
   * Records the step, and does of it what takes away: what it adds stays missing until it is mended. What
   * can't be taken away is told; it has no owner from now on.
   */
  async #performRemoval(step: Pick<Step, 'what' | 'claims' | 'done' | 'after'>): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    const { remove } = this.#parts.ledger.claim(step.claims)
    try {
      const more = (await step.after?.()) ?? []
      await this.#parts.store.commit([...doneBy(step), ...more])
    } catch (error) {
      this.#parts.ledger.unclaim(step.claims)
      throw error
    }
    try {
      await this.#apply({ remove, add: [] })
    } catch (error) {
      this.#parts.onProblem(explain(error, step.what))
      await this.#settle(this.leftovers.add(remove), undefined).catch(this.#parts.onProblem)
    }
  }

  async #record(step: Step, { sharing }: Begun, more: readonly Write[]): Promise<void> {
    const isGone = isTornDown(step)
    if (!isGone && step.signal?.aborted) throw cancelled(step.what, step.signal)
    const done = [...doneBy(step), ...more]
    if (!isGone) return this.#commit(done, sharing)
    // What is torn down can't be put back as it was. The intent is recorded: the next start, at the latest,
    // finishes what can't be recorded until then.
    await this.#settle(done, sharing).catch(this.#parts.onProblem)
  }

  async #commit(writes: readonly Write[], sharing: Sharing | undefined): Promise<void> {
    const { store, host } = this.#parts
    if (sharing === undefined) return store.commit(writes)
    try {
      await store.commit([...writes, ...host.writes()])
    } catch (error) {
      host.unrecorded()
      throw error
    }
  }

  /** What is refused is recorded with the next commit. */
  async #settle(writes: readonly Write[], sharing: Sharing | undefined): Promise<void> {
    const { store, host } = this.#parts
    if (writes.length > 0 || sharing)
      await store.settle([...writes, ...(sharing ? host.writes() : [])])
  }

  async #apply(claimed: Change): Promise<void> {
    const change = this.#parts.ledger.asOfNow(claimed)
    if (change.add.length + change.remove.length > 0) await this.#parts.kernel.apply(change)
  }

  #claim(
    step: Step,
    sharing: Sharing | undefined,
  ): { change: Change; host: HostClaim | undefined } {
    const host = sharing && this.#parts.host.claim(sharing)
    try {
      return { change: this.#parts.ledger.claim([...(host ? [host] : []), ...step.claims]), host }
    } catch (error) {
      if (sharing && host) this.#parts.host.unclaim(sharing, host)
      if (!(error instanceof ClaimConflict)) throw error
      throw new CnmError(
        'LINK_EXISTS',
        `${step.what}: ${thing(error.resource)} belongs to ${error.owners.map((id) => this.#parts.nameOf(id)).join(', ')}`,
        { hint: `use another ${wordFor(error.resource)}` },
      )
    }
  }

  /** Answers with what has to change for that on a machine on which the step was made true. */
  #unclaim(step: Step, { sharing, host }: Begun): Change {
    const back = sharing && host && this.#parts.host.unclaim(sharing, host)
    // Backwards, as `from` is what comes.
    const shared = back === undefined ? [] : [{ owner: back.owner, from: back.to, to: back.from }]
    return this.#parts.ledger.unclaim([...shared, ...step.claims])
  }
}

/** What the kernel says where others have changed or removed the link by which a route is to lead. */
const damages: readonly string[] = ['ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN', 'ENODEV']

function isDamage(error: unknown): boolean {
  if (!isCnmError(error, 'KERNEL') || !isKernelError(error.cause)) return false
  return damages.includes(error.cause.errno)
}

function isTornDown({ claims }: Pick<Step, 'claims'>): boolean {
  return claims.length > 0 && claims.every(({ to }) => to.length === 0)
}

/** There is no room for what is to be recorded; for what only deletes there is. */
function isFull(error: unknown): boolean {
  if (!isCnmError(error, 'STORE_UNAVAILABLE')) return false
  return error.details.errno === 'ENOSPC' || error.details.errno === 'EDQUOT'
}

function doneBy({ done }: Pick<Step, 'done'>): readonly Write[] {
  return typeof done === 'function' ? done() : done
}

function wordFor({ kind }: Resource): string {
  return kind === 'fdb' ? 'MAC' : kind === 'neighbour' ? 'address' : 'name'
}

function thing(resource: Resource): string {
  switch (resource.kind) {
    case 'bridge':
      return `bridge "${resource.name}"`
    case 'veth':
    case 'lent-link':
      return `link "${resource.name}"`
    case 'neighbour':
      return `address ${resource.address}`
    case 'fdb':
      return `MAC ${resource.mac}`
    case 'element':
      return `"${resource.key.join(' . ')}"`
    default:
      return `what is wanted (${resource.kind})`
  }
}
