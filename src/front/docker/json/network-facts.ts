import { reservedLabel } from '../../../api/reserved-label.ts'
import { parser } from '../../../base/parse.ts'
import { Type } from '../../../base/schema.ts'

/**
 * What Docker's clients said of a network and see again, though the model has no use for it. It is kept in
 * a label of the network, so that it lives as long.
 */
export interface NetworkFacts {
  /** Driver options as they were given. */
  readonly options: Readonly<Record<string, string>>
  readonly attachable?: boolean
  /** Absent: none were given, which isn't the same as an empty object. */
  readonly ipamOptions?: Readonly<Record<string, string>>
}

type Labels = Readonly<Record<string, string>>

const Texts = Type.Record(Type.String(), Type.String())
const parseFacts = parser(
  Type.Object({
    options: Texts,
    attachable: Type.Optional(Type.Boolean()),
    ipamOptions: Type.Optional(Texts),
  }),
  `label ${reservedLabel}`,
)

export function withFacts(labels: Labels, facts: NetworkFacts): Labels {
  return { ...labels, [reservedLabel]: JSON.stringify(facts) }
}

/** Absent: the network was made in another way, or there is nonsense there. */
export function factsOf(labels: Labels): NetworkFacts | undefined {
  const text = labels[reservedLabel]
  if (text === undefined) return undefined
  try {
    return parseFacts(JSON.parse(text)) as NetworkFacts
  } catch {
    return undefined
  }
}
