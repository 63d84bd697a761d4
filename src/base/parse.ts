import { type Failure, failuresOf } from './check.ts'
import { didYouMean } from './did-you-mean.ts'
import { CnmError, type ErrorCode } from './errors.ts'
import type { Static, TSchema } from './schema.ts'

/**
 * Makes a parser from a schema: a typed value, or one CnmError whose message names `what`, the path
 * and what was expected. Unknown keys are errors where the schema says `additionalProperties: false`.
 */
export function parser<Schema extends TSchema>(
  schema: Schema,
  what: string,
  code: ErrorCode = 'INVALID_ARGUMENT',
): (value: unknown) => Static<Schema> {
  return (value) => {
    const failures = failuresOf(schema, value)
    if (failures.length === 0) return value as Static<Schema>
    const failure = failures.find(({ unknown }) => unknown !== undefined) ?? failures[0]
    const path = (failure?.path ?? '').replaceAll('/', '.').replace(/^\./, '')
    if (failure?.unknown !== undefined) {
      const where = path === '' ? '' : ` in ${path}`
      const hint = didYouMean(failure.unknown[0] ?? '', failure.known ?? [])
      throw new CnmError(code, `${what}: unknown key ${quoteAll(failure.unknown)}${where}`, {
        details: { path, unknown: failure.unknown },
        ...(hint === undefined ? {} : { hint }),
      })
    }
    const where = path === '' ? '' : `${path} `
    throw new CnmError(code, `${what}: ${where}${expectation(failures, failure)}`, {
      details: { path },
    })
  }
}

/** Of values that are told one by one, all of them. */
function expectation(failures: readonly Failure[], failure: Failure | undefined): string {
  const values = failures.filter(({ path }) => path === failure?.path).filter(isConstant)
  if (failure === undefined || values.length === 0) return failure?.message ?? 'is not valid'
  const all = quoteAll(values.map(({ constant }) => constant))
  if (!isConstant(failure)) return `${failure.message}, or ${all}`
  return values.length === 1 ? `must be ${all}` : `must be one of ${all}`
}

function isConstant(failure: Failure): boolean {
  return 'constant' in failure
}

function quoteAll(keys: readonly unknown[]): string {
  return keys.map((key) => JSON.stringify(key)).join(', ')
}
