import type { Survey } from '../../kernel.ts'
import type { ApplyContext } from '../apply/context.ts'
import type { KindName, LinkAt, ResourceOf } from '../apply/plan.ts'
import type { Comparison } from '../compare/comparison.ts'
import type { Finding } from '../compare/finding.ts'
import type { SurveyContext } from '../survey/survey-context.ts'
import type { ParticipantName, PhasesOf } from './phases.ts'

/** One phase of a change. What has to be undone it registers with the transaction, as it does it. */
export type Work = (context: ApplyContext) => void

/** What takes part in changes: in just those phases that the table (phases.ts) has it in. */
export interface Participant<N extends ParticipantName> {
  readonly apply: { readonly [P in PhasesOf<N>]: Work }
  /** What there is of it that may be ours. */
  survey?(context: SurveyContext): Partial<Survey>
}

/** One kind of resource: everything that this kernel knows of it. */
export interface Kind<K extends KindName> extends Participant<K> {
  /** How the machine differs from it. */
  compare(comparison: Comparison, resource: ResourceOf<K>): Finding
  /** Whether one that is changed goes and comes again. Default: it is changed where it is. */
  isMadeAnew?(from: ResourceOf<K>, to: ResourceOf<K>): boolean
  /** Links that come into being with it. */
  links?(resource: ResourceOf<K>): readonly LinkAt[]
  /** The link it is on, which has to be looked for to compare it. */
  on?(resource: ResourceOf<K>): LinkAt | undefined
}
