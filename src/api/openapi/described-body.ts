import type { TSchema } from '../../base/schema.ts'
import { ConnectBody, EndpointBody, UpdateBody } from '../endpoint-options.ts'
import { NetworkBody, SandboxBody } from '../options.ts'
import { ExecBody } from '../reports.ts'
import { descriptions } from './descriptions.ts'

type Name = keyof typeof descriptions

/** Whose comments say what is in a body. */
const bodies = new Map<TSchema, readonly Name[]>([
  [NetworkBody, ['NetworkOptions']],
  [SandboxBody, ['SandboxOptions']],
  [EndpointBody, ['StandaloneEndpointOptions', 'EndpointOptions']],
  [ConnectBody, ['ConnectOptions', 'EndpointOptions']],
  [UpdateBody, ['UpdateOptions']],
  [ExecBody, ['ExecOptions']],
])

/** And in what is below these keys. */
const below: Readonly<Record<string, readonly Name[]>> = {
  subnets: ['SubnetOptions'],
  connect: ['ConnectOptions', 'EndpointOptions'],
  publish: ['PublishOptions'],
  rate: ['RateOptions'],
}

interface Schema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}

/** A body's schema as plain JSON, in which each option has the description that editors show. */
export function describedBody(body: TSchema): object {
  return described(JSON.parse(JSON.stringify(body)), bodies.get(body) ?? [])
}

function described(schema: Schema, names: readonly Name[]): Schema {
  const { properties, items, anyOf } = schema
  return {
    ...schema,
    ...(items === undefined ? {} : { items: described(items, names) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map((each) => described(each, names)) }),
    ...(properties === undefined ? {} : { properties: describedFields(properties, names) }),
  }
}

function describedFields(
  fields: Readonly<Record<string, Schema>>,
  names: readonly Name[],
): Readonly<Record<string, Schema>> {
  const entries = Object.entries(fields).map(([key, schema]) => {
    const description = textOf(key, names)
    const inner = described(schema, below[key] ?? [])
    return [key, description === undefined ? inner : { ...inner, description }] as const
  })
  return Object.fromEntries(entries)
}

function textOf(key: string, names: readonly Name[]): string | undefined {
  for (const name of names) {
    const texts: Readonly<Record<string, string>> = descriptions[name]
    if (Object.hasOwn(texts, key)) return texts[key]
  }
  return undefined
}
