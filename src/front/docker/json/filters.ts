import { invalid } from './docker-error.ts'

type Labels = Readonly<Record<string, string>>

/** The `filters` of a request: values by key, of which one has to match (of labels all). */
export class Filters {
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor(values: Readonly<Record<string, readonly string[]>> = {}) {
    this.#values = new Map(Object.entries(values))
  }

  /** `{"name":["a","b"]}`, or the older `{"name":{"a":true,"b":true}}`. */
  static parse(text: string | null, known?: readonly string[]): Filters {
    if (text === null || text === '') return new Filters()
    const filters = new Filters(parseValues(text))
    for (const key of filters.#values.keys()) {
      if (known !== undefined && !known.includes(key)) throw invalid(`invalid filter '${key}'`)
    }
    return filters
  }

  has(key: string): boolean {
    return this.values(key).length > 0
  }

  values(key: string): readonly string[] {
    return this.#values.get(key) ?? []
  }

  exact(key: string, value: string): boolean {
    return !this.has(key) || this.values(key).includes(value)
  }

  /** The value itself, or an expression that matches a part of it. */
  matches(key: string, value: string): boolean {
    if (this.exact(key, value)) return true
    return this.values(key).some((pattern) => expression(pattern)?.test(value) ?? false)
  }

  /** The value itself or its beginning. */
  begins(key: string, value: string): boolean {
    return !this.has(key) || this.values(key).some((start) => value.startsWith(start))
  }

  /** `k` or `k=v`, each of them. */
  labels(key: string, labels: Labels): boolean {
    return this.values(key).every((wanted) => {
      const [name = '', ...value] = wanted.split('=')
      if (!Object.hasOwn(labels, name)) return false
      return value.length === 0 || labels[name] === value.join('=')
    })
  }
}

function parseValues(text: string): Record<string, readonly string[]> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw invalid(`invalid filter: ${(error as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('invalid filter: filters must be an object')
  }
  const entries = Object.entries(value).map(([key, given]): [string, readonly string[]] => {
    const values = Array.isArray(given) ? given : Object.keys(given ?? {})
    const isTexts = typeof given === 'object' && values.every((each) => typeof each === 'string')
    if (!isTexts) throw invalid(`invalid filter: values of "${key}" must be a list of strings`)
    return [key, values]
  })
  return Object.fromEntries(entries)
}

const mostRepetitions = 3

/** JavaScript's expressions may take for ever where Docker's can't: then they are refused. */
function expression(pattern: string): RegExp | undefined {
  const repetitions = pattern.match(/[*+?{]/g)?.length ?? 0
  if (repetitions > mostRepetitions || /\)[*+{]/.test(pattern)) {
    const most = `at most ${mostRepetitions} repetitions, and none of a group`
    throw invalid(`invalid filter: the expression ${JSON.stringify(pattern)} may have ${most}`)
  }
  try {
    return new RegExp(pattern)
  } catch {
    return undefined
  }
}
