import type { SurveyQuery } from '../../kernel.ts'
import type { Machinery } from '../apply/machinery.ts'
import { isOurs } from '../ours.ts'
import { type Link, listLinks } from '../rtnetlink/link.ts'

/** What all kinds need to look for what is ours on the host: its links, listed once. */
export interface SurveyContext {
  readonly machinery: Machinery
  readonly query: SurveyQuery
  /** Of ours. */
  readonly links: readonly Link[]
  /** Of all links, by index. */
  readonly names: ReadonlyMap<number, string>
}

export function surveyContext(machinery: Machinery, query: SurveyQuery): SurveyContext {
  const all = listLinks(machinery.host.socket)
  const names = new Map(all.map(({ index, name }) => [index, name]))
  return { machinery, query, links: all.filter(isOurs), names }
}
