import { invalid } from './docker-error.ts'

type Labelled = Readonly<Record<string, string>>

/**
 * An object of a request, read as Docker reads it: names of fields in any case, null as if absent, and
 * what isn't known is ignored. A field of another type is an error that names it.
 */
export class Fields {
  readonly #values: ReadonlyMap<string, unknown>
  readonly #path: string

  constructor(value: unknown, path = '') {
    if (!isObject(value)) throw invalid(`invalid JSON: ${path || 'the body'} must be an object`)
    const given = Object.entries(value).filter(([, each]) => each !== null)
    this.#values = new Map(given.map(([key, each]) => [key.toLowerCase(), each]))
    this.#path = path
  }

  text(name: string): string {
    return this.optionalText(name) ?? ''
  }

  optionalText(name: string): string | undefined {
    return this.#read(name, 'a string', (value) => typeof value === 'string') as string | undefined
  }

  flag(name: string): boolean | undefined {
    return this.#read(name, 'a boolean', (value) => typeof value === 'boolean') as
      | boolean
      | undefined
  }

  integer(name: string): number | undefined {
    return this.#read(name, 'an integer', Number.isInteger) as number | undefined
  }

  texts(name: string): readonly string[] {
    const isTexts = (value: unknown) =>
      Array.isArray(value) && value.every((each) => typeof each === 'string')
    return (this.#read(name, 'a list of strings', isTexts) ?? []) as readonly string[]
  }

  /** Absent is not the same as empty: Docker shows it again. */
  labels(name: string): Labelled | undefined {
    const isLabels = (value: unknown) =>
      isObject(value) && Object.values(value).every((each) => typeof each === 'string')
    return this.#read(name, 'an object of strings', isLabels) as Labelled | undefined
  }

  object(name: string): Fields {
    return new Fields(this.#value(name) ?? {}, this.#named(name))
  }

  objects(name: string): readonly Fields[] {
    const values = this.#read(name, 'a list', Array.isArray) as readonly unknown[] | undefined
    return (values ?? []).map((value, at) => new Fields(value, `${this.#named(name)}[${at}]`))
  }

  #read(name: string, what: string, accepts: (value: unknown) => boolean): unknown {
    const value = this.#value(name)
    if (value === undefined || accepts(value)) return value
    throw invalid(`invalid JSON: ${this.#named(name)} must be ${what}`)
  }

  #value(name: string): unknown {
    return this.#values.get(name.toLowerCase())
  }

  #named(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
