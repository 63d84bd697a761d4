import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/schema'
import { CnmError, type ErrorCode } from './errors.ts'

interface Failure {
  readonly keyword: string
  readonly instancePath: string
  readonly message: string
  readonly params: Record<string, unknown>
}

/**
 * Makes a parser from a schema: a typed value, or one CnmError whose message names `what`, the path
 * and what was expected. Unknown keys are errors where the schema says `additionalProperties: false`.
 */
export function parser<Schema extends TSchema>(
  schema: Schema,
  what: string,
  code: ErrorCode = 'INVALID_ARGUMENT',
): (value: unknown) => Static<Schema> {
  const check = Compile(schema)
  return (value) => {
    if (check.Check(value)) return value as Static<Schema>
    const [, failures] = check.Errors(value) as unknown as [boolean, Failure[]]
    const failure = failures.find((f) => f.keyword === 'additionalProperties') ?? failures[0]
    const path = (failure?.instancePath ?? '').replaceAll('/', '.').replace(/^\./, '')
    const unknown = failure?.params?.additionalProperties
    if (Array.isArray(unknown) && unknown.length > 0) {
      const where = path === '' ? '' : ` in ${path}`
      throw new CnmError(code, `${what}: unknown key ${quoteAll(unknown)}${where}`, {
        details: { path, unknown },
      })
    }
    const where = path === '' ? '' : `${path} `
    throw new CnmError(code, `${what}: ${where}${failure?.message ?? 'is not valid'}`, {
      details: { path },
    })
  }
}

function quoteAll(keys: readonly unknown[]): string {
  return keys.map((key) => JSON.stringify(key)).join(', ')
}
