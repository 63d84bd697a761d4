import { CnmError } from '../base/errors.ts'

/** Docker's labels for what is a field of every network, whatever its driver. */
const labels = {
  'com.docker.network.enable_ipv4': 'ipv4',
  'com.docker.network.enable_ipv6': 'ipv6',
  'com.docker.network.internal': 'internal',
} as const

type Field = (typeof labels)[keyof typeof labels]

interface Labelled extends Partial<Readonly<Record<Field, boolean>>> {
  readonly name: string
  readonly options?: Readonly<Record<string, string | number | boolean>>
}

/**
 * Makes fields of generic labels, so that drivers only see options of their own. Errors: INVALID_OPTION
 * (no boolean, or other than the field).
 */
export function withoutGenericLabels<T extends Labelled>(network: T): T {
  if (network.options === undefined) return network
  const options = { ...network.options }
  const fields: Partial<Record<Field, boolean>> = {}
  for (const [label, field] of Object.entries(labels)) {
    const value = options[label]
    if (value === undefined) continue
    delete options[label]
    fields[field] = booleanOf(network, label, value)
    if ((network[field] ?? fields[field]) === fields[field]) continue
    throw invalid(network, `option "${label}" is ${value}, but ${field} is ${network[field]}`)
  }
  return { ...network, ...fields, options }
}

function booleanOf(network: Labelled, label: string, value: string | number | boolean): boolean {
  if (['true', '1'].includes(String(value))) return true
  if (['false', '0'].includes(String(value))) return false
  throw invalid(network, `option "${label}" is ${JSON.stringify(value)}`, 'give true or false')
}

function invalid(network: Labelled, what: string, hint = 'give one of them'): CnmError {
  return new CnmError('INVALID_OPTION', `network "${network.name}": ${what}`, {
    details: { network: network.name },
    hint,
  })
}
