import { isKernelError } from '../../../../base/errors.ts'
import { type ConsentResource, resourceKey } from '../../../resource.ts'
import type { Plan } from '../../apply/plan.ts'
import type { Transaction } from '../../apply/transaction.ts'
import { NFNL_SUBSYS_NFTABLES } from '../../netlink/netfilter.ts'
import type { NetlinkSocket } from '../../netlink/netlink-socket.ts'
import type { Ruleset } from '../../ruleset/ruleset.ts'
import { consentMessages, hasUserChain, isConsent, listUserRules } from './docker-user.ts'

/** How often another process may be quicker. */
const MOST_TRIES = 5

/** Our accepts in DOCKER-USER come and go; all else there stays. */
export function changeConsents(transaction: Transaction, ruleset: Ruleset, plan: Plan): void {
  const change = (consent: ConsentResource, wanted: boolean) =>
    transaction.attempt(resourceKey(consent), () => {
      const { socket } = ruleset
      const was = setConsent(socket, consent, wanted)
      if (was !== wanted) transaction.onRollback(() => setConsent(socket, consent, was))
    })
  for (const consent of plan.remove.consents) change(consent, false)
  for (const consent of plan.add.consents) change(consent, true)
}

/** Makes it one rule in its place or none; answers whether there was any. */
function setConsent(socket: NetlinkSocket, consent: ConsentResource, wanted: boolean): boolean {
  const { family } = consent
  for (let tries = 1; ; tries += 1) {
    const rules = listUserRules(socket, family)
    const messages = consentMessages(consent, rules, wanted)
    const was = rules.some(isConsent)
    if (messages.length === 0) return was
    const [failure] = socket.batch(NFNL_SUBSYS_NFTABLES, messages)
    if (failure === undefined) return was
    // A rule that was just listed has gone; or the chain, and nobody is left who would have to be asked.
    if (!isKernelError(failure.error, 'ENOENT')) throw failure.error
    if (!hasUserChain(socket, family)) return was
    if (tries === MOST_TRIES) throw failure.error
  }
}
