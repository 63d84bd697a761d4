import { describe } from 'vitest'
import { applyCases, changeCases } from './kernel-cases/apply-cases.ts'
import { consentCases, consentFaultCases, forwardingCases } from './kernel-cases/coexist-cases.ts'
import { failureCases, faultCases } from './kernel-cases/failure-cases.ts'
import { fileCases, fileFaultCases } from './kernel-cases/file-cases.ts'
import { keptCases, keptFaultCases, reopenedCases } from './kernel-cases/keeper-cases.ts'
import { lentLinkCases, lentLinkFaultCases } from './kernel-cases/lent-link-cases.ts'
import { closeCases, eventCases, goneCases } from './kernel-cases/life-cases.ts'
import { dependentCases, elsewhereCases, foreignCases } from './kernel-cases/link-cases.ts'
import { neighbourCases, neighbourFaultCases } from './kernel-cases/neighbour-cases.ts'
import { adoptCases, observeCases } from './kernel-cases/observe-cases.ts'
import { flowsCases, portFaultCases, runCases } from './kernel-cases/port-cases.ts'
import { programCases, socketCases } from './kernel-cases/program-cases.ts'
import { rateCases, rateFaultCases } from './kernel-cases/rate-cases.ts'
import { announcementCases, relayCases } from './kernel-cases/relay-cases.ts'
import {
  portConflictCases,
  reservationCases,
  reservationFaultCases,
} from './kernel-cases/reservation-cases.ts'
import { addressCases, rulesetCases, sysctlCases } from './kernel-cases/setting-cases.ts'
import { statisticsCases } from './kernel-cases/statistics-cases.ts'
import { type Case, casesIn, type KernelWorld } from './kernel-cases/world.ts'

export type { KernelWorld, OthersInWorld } from './kernel-cases/world.ts'

/** What a kernel may by its nature be unable to do. */
export type KernelFeature = 'faults' | 'programs' | 'sockets' | 'reservations' | 'reopening'

export interface KernelContractOptions {
  /**
   * Called for each case; the world is disposed of after it. `keeps`: whether relays, resolvers and names
   * are made in it; where these need a process of their own, other cases can do without that.
   */
  open(keeps: boolean): Promise<KernelWorld>
  /** Features it doesn't have, each with the reason, which is shown beside the skipped cases. */
  readonly skips?: Readonly<Partial<Record<KernelFeature, string>>>
}

/** What every kernel must do, as tests. To be called at the top level of a vitest file. */
export function kernelContract(name: string, { open, skips = {} }: KernelContractOptions): void {
  const define = (keeps: boolean) => {
    return (title: string, cases: (test: Case) => void, feature?: KernelFeature) => {
      describe(title, () => cases(casesIn(() => open(keeps), feature && skips[feature])))
    }
  }
  const [group, keeping] = [define(false), define(true)]
  describe(`${name} keeps the kernel contract`, () => {
    group('apply', applyCases)
    group('changing', changeCases)
    group('all or nothing', failureCases)
    group('faults', faultCases, 'faults')
    group('what is not ours', foreignCases)
    group('what goes together', dependentCases)
    group('what others move', elsewhereCases)
    group('lent links', lentLinkCases)
    group('faults of lent links', lentLinkFaultCases, 'faults')
    group('addresses and routes', addressCases)
    group('neighbours', neighbourCases)
    group('faults of neighbours', neighbourFaultCases, 'faults')
    group('sysctls', sysctlCases)
    group('tables and elements', rulesetCases)
    group('runs of elements', runCases)
    group('flows', flowsCases)
    group('faults of ports', portFaultCases, 'faults')
    group('reservations', reservationCases, 'reservations')
    group('faults of reservations', reservationFaultCases, 'reservations')
    group('ports of others', portConflictCases)
    keeping('relays', relayCases)
    keeping('what is kept', keptCases)
    keeping('faults of what is kept', keptFaultCases, 'faults')
    keeping('what is kept when a kernel ends', reopenedCases, 'reopening')
    group('announcements', announcementCases)
    group('rates', rateCases)
    group('faults of rates', rateFaultCases, 'faults')
    group('files', fileCases)
    group('faults of files', fileFaultCases, 'faults')
    group('consents', consentCases)
    group('faults of consents', consentFaultCases, 'faults')
    group('forwarding', forwardingCases)
    group('observing', observeCases)
    group('statistics', statisticsCases)
    group('adopting', adoptCases)
    group('gone', goneCases)
    group('events', eventCases)
    group('programs', programCases, 'programs')
    group('sockets', socketCases, 'sockets')
    group('closing', closeCases)
  })
}
