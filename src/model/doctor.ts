import { findDrift, mend, orphanText } from './drift.ts'
import { type Engine, explain } from './engine.ts'

/** One way in which the machine is not as the records say. */
export interface Finding {
  /** `lost`: something about what runs could not be recovered; it can't be mended. */
  readonly kind: 'missing' | 'different' | 'orphan' | 'lost'
  /** One sentence, in the words of `ip` and `nft`. */
  readonly detail: string
  readonly mended: boolean
}

/**
 * Lists every difference between records and machine, and with `fix` makes the machine as the records
 * say. Nothing else happens meanwhile.
 */
export async function doctor(
  engine: Engine,
  problems: readonly string[],
  fix: boolean,
): Promise<Finding[]> {
  return engine.queue.runAlone(async () => {
    await engine.kernel.settled()
    const drift = await findDrift(engine)
    if (fix) {
      await mend(engine, drift).catch((error: unknown) => {
        throw explain(error, 'mending')
      })
    }
    return [
      ...drift.differences.map(
        ({ state, detail }): Finding => ({ kind: state, detail, mended: fix }),
      ),
      ...drift.orphans.map(
        (resource): Finding => ({ kind: 'orphan', detail: orphanText(resource), mended: fix }),
      ),
      ...problems.map((detail): Finding => ({ kind: 'lost', detail, mended: false })),
    ]
  })
}
