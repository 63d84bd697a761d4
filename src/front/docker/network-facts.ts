import { parser } from '../../base/parse.ts'
import { Type } from '../../base/schema.ts'

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

/** No label that clients give or see. */
export const factsLabel = 'libcnm.docker'

type Labels = Readonly<Record<string, string>>

const Texts = Type.Record(Type.String(), Type.String())
const parseFacts = parser(
  Type.Object({
    options: Texts,
    attachable: Type.Optional(Type.Boolean()),
    ipamOptions: Type.Optional(Texts),
  }),
  `label ${factsLabel}`,
)

export function withFacts(labels: Labels, facts: NetworkFacts): Labels {
  return { ...labels, [factsLabel]: JSON.stringify(facts) }
}

/** Absent: the network was made in another way, or somebody has written nonsense there. */
export function factsOf(labels: Labels): NetworkFacts | undefined {
  const text = labels[factsLabel]
  if (text === undefined) return undefined
  try {
    return parseFacts(JSON.parse(text)) as NetworkFacts
  } catch {
    return undefined
  }
}

export function withoutFacts(labels: Labels): Labels {
  const { [factsLabel]: _, ...rest } = labels
  return rest
}
