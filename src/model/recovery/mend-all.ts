import { type CnmError, isCnmError } from '../../base/errors.ts'
import type { Difference } from '../../kernel/kernel.ts'
import { resourceKey } from '../../kernel/resource.ts'
import type { Engine } from '../engine.ts'
import { type Drift, mend } from './drift.ts'

/** A reservation that can't be made: a process of the host has the port. */
interface TakenAway {
  readonly difference: Difference
  readonly error: CnmError
}

/**
 * Mends what is missing or different; what can't be mended of one network doesn't keep the others from
 * it. What has no owner stays: it may be that of another engine, with other folders. For a start,
 * which has just made the tables that are ours alone what they should be.
 */
export async function mendAll(engine: Engine, problems: string[]): Promise<void> {
  const all = engine.ledger.all().filter((it) => it.kind !== 'table' || !it.definition.owned)
  const [differences, { kept = [] }] = await Promise.all([
    engine.kernel.compare(all),
    engine.kernel.survey({ tables: [] }),
  ])
  // The keeper is this folder's: names that no record has would lead to the next holder of their address.
  const names = kept.filter((it) => it.kind === 'names' && !engine.ledger.has(it))
  if (names.length > 0) {
    await engine.kernel.apply({ remove: names, add: [] }).catch((error: unknown) => {
      problems.push(`names without an owner can't be removed: ${String(error)}`)
    })
  }
  await mendDifferences(engine, differences, problems)
}

/** The same for these differences. */
export async function mendDifferences(
  engine: Engine,
  differences: readonly Difference[],
  problems: string[],
): Promise<void> {
  const mendThese = async (these: readonly Difference[]) => {
    const taken = await mendOthers(engine, { differences: these, orphans: [] })
    for (const each of taken) problems.push(sentence(engine, each))
  }
  try {
    await mendThese(differences)
  } catch {
    for (const owner of engine.ledger.owners()) {
      const own = differences.filter(({ resource }) => engine.ledger.isOwner(resource, owner))
      await mendThese(own).catch((error: unknown) => {
        problems.push(`${engine.nameOf(owner)} can't be brought back: ${String(error)}`)
      })
    }
  }
}

/** Mends everything but ports that a process of the host has taken meanwhile; answers with those. */
export async function mendOthers(engine: Engine, drift: Drift): Promise<readonly TakenAway[]> {
  const taken: TakenAway[] = []
  let differences = drift.differences
  for (;;) {
    try {
      await mend(engine, { ...drift, differences })
      return taken
    } catch (error) {
      if (!isCnmError(error, 'PORT_IN_USE')) throw error
      const key = error.details.resource
      const difference = differences.find(({ resource }) => resourceKey(resource) === key)
      if (difference === undefined) throw error
      taken.push({ difference, error })
      differences = differences.filter((each) => each !== difference)
    }
  }
}

function sentence(engine: Engine, { difference, error }: TakenAway): string {
  const owner = [...engine.ledger.owners()].find((id) => {
    return engine.ledger.isOwner(difference.resource, id)
  })
  const whose = owner === undefined ? 'published ports' : engine.nameOf(owner)
  return `${whose}: ${error.message}, which hears nothing of what is published there`
}
