type Labels = Readonly<Record<string, string>>

/** Where a network keeps what only Docker's clients see. Users neither give nor see it. */
export const reservedLabel = 'libcnm.docker'

export function withoutReserved(labels: Labels): Labels {
  const { [reservedLabel]: _, ...rest } = labels
  return rest
}
