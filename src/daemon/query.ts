import { CnmError } from '../base/errors.ts'
import { parser } from '../base/parse.ts'
import { type TSchema, Type } from '../base/schema.ts'

type Parse = (query: Readonly<Record<string, unknown>>) => Record<string, unknown>

/** Makes a parser for what is behind the `?`: texts become what the schema says they are. */
export function queryParser(
  schema: TSchema = Type.Object({}, { additionalProperties: false }),
): Parse {
  const parse = parser(schema, 'query')
  const { properties = {} } = schema as { readonly properties?: Record<string, { type?: string }> }
  return (query) => {
    const values = Object.entries(query).map(([key, value]) => [
      key,
      typeof value === 'string' ? typed(value, properties[key]?.type) : onlyOnce(key),
    ])
    return parse(Object.fromEntries(values)) as Record<string, unknown>
  }
}

/** What isn't of that type stays a text, and is refused as such. */
function typed(text: string, type: string | undefined): unknown {
  if (type === 'boolean' && ['true', '1'].includes(text)) return true
  if (type === 'boolean' && ['false', '0'].includes(text)) return false
  if (type === 'integer' && /^\d{1,15}$/.test(text)) return Number(text)
  return text
}

function onlyOnce(key: string): never {
  throw new CnmError('INVALID_ARGUMENT', `query: ${JSON.stringify(key)} is given more than once`)
}
