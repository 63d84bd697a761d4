import type { Survey, SurveyQuery } from '../../kernel.ts'
import type { Machinery } from '../apply/machinery.ts'
import { participants } from '../kinds/kinds.ts'
import { surveyContext } from './survey-context.ts'

/** What there is that may be ours, recorded or not: each kind looks for its own. */
export function survey(machinery: Machinery, query: SurveyQuery): Survey {
  const context = surveyContext(machinery, query)
  const found = Object.values(participants).map((each) => each.survey?.(context) ?? {})
  const kept = found.flatMap((each) => each.kept ?? [])
  return {
    links: found.flatMap((each) => each.links ?? []),
    namespaces: found.flatMap((each) => each.namespaces ?? []),
    neighbours: found.flatMap((each) => each.neighbours ?? []),
    elements: found.flatMap((each) => each.elements ?? []),
    ...(kept.length === 0 ? {} : { kept }),
  }
}
