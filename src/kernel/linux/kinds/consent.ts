import { isKernelError } from '../../../base/errors.ts'
import { type ConsentResource, resourceKey } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import { different, type Finding, missing } from '../compare/finding.ts'
import { NFNL_SUBSYS_NFTABLES } from '../netlink/netfilter.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import {
  consentMessages,
  consentTarget,
  dockerUserFamilies,
  hasUserChain,
  isAsWanted,
  isConsent,
  listUserRules,
} from '../ruleset/docker-user.ts'
import type { Kind } from './kind.ts'

/** How often another process may be quicker. */
const MOST_TRIES = 5

/** Our accepts in DOCKER-USER come and go; all else there stays. */
export const consent: Kind<'consent'> = {
  apply: { consent: changeAll },
  compare: ({ machinery }, resource) => compareConsent(machinery.ruleset.socket, resource),
}

function changeAll({ transaction, machinery, plan }: ApplyContext): void {
  const { socket } = machinery.ruleset
  const change = (consent: ConsentResource, wanted: boolean) =>
    transaction.attempt(resourceKey(consent), () => {
      const was = setConsent(socket, consent, wanted)
      if (was !== wanted) transaction.onRollback(() => setConsent(socket, consent, was))
    })
  for (const consent of plan.remove.of('consent')) change(consent, false)
  for (const consent of plan.add.of('consent')) change(consent, true)
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
    // A rule that was just listed has gone; or the chain, and then no other program has to be asked.
    if (!isKernelError(failure.error, 'ENOENT')) throw failure.error
    if (!hasUserChain(socket, family)) return was
    if (tries === MOST_TRIES) throw failure.error
  }
}

/** Where no other program has to be asked, nothing is missing. */
function compareConsent(socket: NetlinkSocket, consent: ConsentResource): Finding {
  const { family } = consent
  const rules = listUserRules(socket, family)
  const [ours, ...surplus] = rules.filter(isConsent)
  const isRight = ours !== undefined && surplus.length === 0 && isAsWanted(consent, rules, ours)
  if (isRight || !dockerUserFamilies(socket).includes(family)) return undefined
  const place = consentTarget(family)
  if (ours === undefined) return missing(`no accept of ours in ${place}`)
  const detail =
    surplus.length > 0
      ? `${place} has our accept ${surplus.length + 1} times`
      : `our accept in ${place} is not as it was made, behind the rules of others`
  return different(detail)
}
