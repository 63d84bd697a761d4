import { resourceKey } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import { isLinked } from '../conntrack/forgotten.ts'
import type { Kind } from './kind.ts'

/** Senders are made quiet here; what conntrack has to forget it forgets on another thread (see forgottenBy). */
export const flows: Kind<'flows'> = {
  apply: { firewall },
  // There is nothing of them to be seen.
  compare: () => undefined,
}

/** Of those that end, the ones whose sandbox can go on sending. */
function firewall({ plan, ruleset }: ApplyContext): void {
  ruleset.ended.push(...plan.remove.of('flows').filter((flows) => isLinked(plan, flows)))
  const begun = plan.add.of('flows').filter((flows) => !plan.before.has(resourceKey(flows)))
  ruleset.begun.push(...begun)
}
