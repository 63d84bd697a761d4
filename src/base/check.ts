/** Of a JSON schema what `schema.ts` makes; anything else in it says nothing here. */
interface Schema {
  readonly type?: string
  readonly const?: unknown
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: unknown
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly anyOf?: readonly Schema[]
}

export interface Failure {
  /** `/subnets/0/range` */
  readonly path: string
  /** `must be string` */
  readonly message: string
  /** The one value that it may be, by this schema. */
  readonly constant?: unknown
  /** Keys that there must not be. */
  readonly unknown?: readonly string[]
  /** Where there are such: those that there may be. */
  readonly known?: readonly string[]
}

/** All that is wrong with a value by a schema, in the order of the schema; none: it is as it should be. */
export function failuresOf(schema: object, value: unknown): readonly Failure[] {
  const failures: Failure[] = []
  check(schema as Schema, value, '', failures)
  return failures
}

function check(schema: Schema, value: unknown, path: string, failures: Failure[]): void {
  const fail = (message: string) => failures.push({ path, message })
  const { type } = schema
  if (type !== undefined && types[type]?.(value) !== true) fail(`must be ${type}`)
  if (types.object?.(value)) checkObject(schema, value as Fields, path, failures)
  else if (Array.isArray(value)) checkArray(schema, value, path, failures)
  else if (typeof value === 'string') checkString(schema, value, fail)
  else if (typeof value === 'number') checkNumber(schema, value, fail)
  if ('const' in schema && value !== schema.const) {
    failures.push({ path, message: 'must be equal to constant', constant: schema.const })
  }
  if (schema.anyOf !== undefined) checkAnyOf(schema.anyOf, value, path, failures)
}

type Fields = Readonly<Record<string, unknown>>

const types: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  number: Number.isFinite,
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  undefined: (value) => value === undefined,
}

function checkObject(schema: Schema, value: Fields, path: string, failures: Failure[]): void {
  const { required = [], properties = {}, patternProperties = {}, additionalProperties } = schema
  const missing = required.filter((key) => !Object.hasOwn(value, key))
  if (missing.length > 0) {
    failures.push({ path, message: `must have required properties ${missing.join(', ')}` })
  }
  const patterns = Object.entries(patternProperties).map(([pattern, schema]) => {
    return [patternOf(pattern), schema] as const
  })
  if (additionalProperties === false) {
    const unknown = Object.keys(value).filter((key) => {
      return !Object.hasOwn(properties, key) && !patterns.some(([pattern]) => pattern.test(key))
    })
    const message = 'must not have additional properties'
    const known = Object.keys(properties)
    if (unknown.length > 0) failures.push({ path, message, unknown, known })
  }
  for (const [pattern, schema] of patterns) {
    for (const key of Object.keys(value)) {
      if (pattern.test(key)) check(schema, value[key], below(path, key), failures)
    }
  }
  for (const [key, schema] of Object.entries(properties)) {
    if (!Object.hasOwn(value, key)) continue
    // What may be absent may be undefined, too.
    if (value[key] === undefined && !required.includes(key)) continue
    check(schema, value[key], below(path, key), failures)
  }
}

function checkArray(
  { items, minItems = 0, maxItems = Number.POSITIVE_INFINITY }: Schema,
  value: readonly unknown[],
  path: string,
  failures: Failure[],
): void {
  if (items !== undefined) {
    for (const [at, item] of value.entries()) check(items, item, `${path}/${at}`, failures)
  }
  if (value.length < minItems) {
    failures.push({ path, message: `must not have fewer than ${minItems} items` })
  }
  if (value.length > maxItems) {
    failures.push({ path, message: `must not have more than ${maxItems} items` })
  }
}

function checkString(
  { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern }: Schema,
  value: string,
  fail: (message: string) => void,
): void {
  if (value.length < minLength) fail(`must not have fewer than ${minLength} characters`)
  if (value.length > maxLength) fail(`must not have more than ${maxLength} characters`)
  if (pattern !== undefined && !patternOf(pattern).test(value)) {
    fail(`must match pattern "${pattern}"`)
  }
}

function checkNumber(
  { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY }: Schema,
  value: number,
  fail: (message: string) => void,
): void {
  if (value < minimum) fail(`must be >= ${minimum}`)
  if (value > maximum) fail(`must be <= ${maximum}`)
}

function checkAnyOf(
  anyOf: readonly Schema[],
  value: unknown,
  path: string,
  failures: Failure[],
): void {
  const tried: Failure[] = []
  for (const schema of anyOf) {
    const mine: Failure[] = []
    check(schema, value, path, mine)
    if (mine.length === 0) return
    tried.push(...mine)
  }
  failures.push(...tried, { path, message: 'must match a schema in anyOf' })
}

const patterns = new Map<string, RegExp>()

function patternOf(text: string): RegExp {
  const known = patterns.get(text)
  if (known !== undefined) return known
  const made = new RegExp(text, 'u')
  patterns.set(text, made)
  return made
}

function below(path: string, key: string): string {
  return `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
}
