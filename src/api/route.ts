import type { Static, TSchema } from '../base/schema.ts'

/** One thing that can be asked over HTTP: what goes in and what comes out, for both ends. */
export interface Route<
  Body extends TSchema | undefined = TSchema | undefined,
  Query extends TSchema | undefined = TSchema | undefined,
  Answer extends TSchema | undefined = TSchema | undefined,
> {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** `/v1/networks/{network}`: what is in braces is a name, an id or the beginning of one. */
  readonly path: string
  readonly summary: string
  readonly body?: Body
  readonly query?: Query
  /** Absent: there is none, and the status is 204. */
  readonly answer?: Answer
  /** 201: something new is there. */
  readonly created?: true
  /** The answer is a line of JSON each, as long as anything comes. */
  readonly stream?: true
}

export type BodyOf<R> = R extends { readonly body: infer S extends TSchema } ? Static<S> : undefined
export type QueryOf<R> = R extends { readonly query: infer S extends TSchema }
  ? Static<S>
  : Record<never, never>
export type AnswerOf<R> = R extends { readonly answer: infer S extends TSchema }
  ? Static<S>
  : undefined
/** The names in braces of a path. */
export type ParametersOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParametersOf<Rest>
  : never

/** The status of an answer that is no error. */
export function statusOf({ answer, created }: Route): 200 | 201 | 204 {
  if (answer === undefined) return 204
  return created ? 201 : 200
}

/** The names in braces, in their order. */
export function parametersOf(path: string): readonly string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')
}

/** `/v1/networks/web?force=true` */
export function pathOf(
  { path }: Pick<Route, 'path'>,
  parameters: Readonly<Record<string, string>>,
  query: Readonly<Record<string, unknown>> = {},
): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    return encodeURIComponent(parameters[name] ?? '')
  })
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  if (given.length === 0) return filled
  const texts = given.map(([name, value]): [string, string] => [name, String(value)])
  return `${filled}?${new URLSearchParams(texts)}`
}
