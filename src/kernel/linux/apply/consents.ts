import { isKernelError } from '../../../base/errors.ts'
import { type ConsentResource, resourceKey } from '../../resource.ts'
import { deleteConsent, findConsents, insertConsent } from '../docker-user.ts'
import { NFNL_SUBSYS_NFTABLES } from '../netlink/netfilter.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import type { Ruleset } from '../ruleset.ts'
import type { Plan } from './plan.ts'
import type { Transaction } from './transaction.ts'

/** Our accepts in DOCKER-USER come and go; all else there stays. */
export function changeConsents(transaction: Transaction, ruleset: Ruleset, plan: Plan): void {
  const change = (consent: ConsentResource, wanted: boolean) =>
    transaction.attempt(resourceKey(consent), () => {
      const { socket } = ruleset
      const was = setConsent(socket, consent, wanted)
      if (was !== wanted) transaction.onRollback(() => setConsent(socket, consent, was))
    })
  for (const consent of plan.remove.consents) change(consent, false)
  for (const consent of plan.add.consents) {
    const before = plan.before.get(resourceKey(consent)) as ConsentResource | undefined
    if (before !== undefined && before.mark !== consent.mark) change(before, false)
    change(consent, true)
  }
}

/** Makes it one rule or none; answers whether there was any. */
function setConsent(socket: NetlinkSocket, consent: ConsentResource, wanted: boolean): boolean {
  const there = findConsents(socket, consent)
  const surplus = wanted ? there.slice(1) : there
  const messages = surplus.map(({ handle }) => deleteConsent(consent, handle))
  const isMissing = wanted && there.length === 0
  if (isMissing) messages.push(insertConsent(consent))
  const [failure] = socket.batch(NFNL_SUBSYS_NFTABLES, messages)
  // The chain has gone, and what was in it: there is nobody left who would have to be asked.
  if (failure !== undefined && !isKernelError(failure.error, 'ENOENT')) throw failure.error
  return there.length > 0
}
