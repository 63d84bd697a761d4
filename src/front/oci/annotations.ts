import { CnmError } from '../../base/errors.ts'

/**
 * What a container's annotations can say, each by the name of the option of `cnm run` that means the same:
 * `cnm.dns-search: example.org,corp.example`.
 */
const kinds = {
  network: 'list',
  name: 'text',
  ip: 'text',
  ip6: 'text',
  'mac-address': 'text',
  publish: 'list',
  'publish-all': 'flag',
  expose: 'list',
  addresses: 'list',
  macs: 'list',
  'rate-in': 'text',
  'rate-out': 'text',
  'gw-priority': 'number',
  alias: 'list',
  hostname: 'text',
  dns: 'list',
  'dns-search': 'list',
  'dns-option': 'list',
  'add-host': 'list',
  'mount-etc': 'flag',
  sandbox: 'text',
} as const

type Kinds = typeof kinds
type Name = keyof Kinds
type Value = { list: readonly string[]; text: string; flag: boolean; number: number }
type Camel<Text extends string> = Text extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<Camel<Rest>>}`
  : Text
type ListName = { [Each in Name]: Kinds[Each] extends 'list' ? Each : never }[Name]

/** How a container is attached. With `sandbox`, only `mountEtc` says more. */
export type OciOptions = {
  readonly [Each in ListName as Camel<Each>]: readonly string[]
} & {
  readonly [Each in Exclude<Name, ListName> as Camel<Each>]?: Value[Kinds[Each]]
}

type Annotations = Readonly<Record<string, string>>

const prefix = 'cnm.'

export const isOurs = (key: string): boolean => key.startsWith(prefix)

/** Undefined: they say nothing, so the container is none of our business. Errors: INVALID_ARGUMENT. */
export function optionsOf(annotations: Annotations): OciOptions | undefined {
  const given = Object.entries(annotations).filter(([key]) => isOurs(key))
  if (given.length === 0) return undefined
  const options: Record<string, unknown> = {}
  for (const [name, kind] of Object.entries(kinds)) {
    if (kind === 'list') options[camel(name)] = []
  }
  for (const [key, text] of given) {
    const name = key.slice(prefix.length)
    if (!isName(name)) throw unknown(key)
    options[camel(name)] = valueOfAnnotation(name, text)
  }
  const parsed = options as unknown as OciOptions
  refuseContradictions(parsed)
  return parsed
}

/** What isn't said has no annotation; of `options` only what has one counts. Errors: INVALID_ARGUMENT. */
export function annotationsOf(options: OciOptions): Annotations {
  refuseContradictions(options)
  const entries = Object.keys(kinds).flatMap((name) => {
    const text = textOf(options, name)
    return text === undefined ? [] : [[prefix + name, text] as const]
  })
  return Object.fromEntries(entries)
}

/** Undefined: it isn't said. */
function textOf(options: OciOptions, name: string): string | undefined {
  const value = (options as Readonly<Record<string, unknown>>)[camel(name)]
  if (!Array.isArray(value)) return value === undefined ? undefined : String(value)
  return value.length === 0 ? undefined : value.map((each) => listed(name, each)).join(',')
}

function listed(name: string, text: string): string {
  if (!text.includes(',') && text.trim() === text && text !== '') return text
  throw invalid(`${JSON.stringify(text)} can't be in a list of ${prefix}${name}`, {
    hint: 'commas separate what is in such a list',
  })
}

function isName(name: string): name is Name {
  return Object.hasOwn(kinds, name)
}

function valueOfAnnotation(name: Name, text: string): unknown {
  const kind = kinds[name]
  if (kind === 'list') {
    return text
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '')
  }
  if (kind === 'text') return text
  if (kind === 'number' && /^-?\d{1,9}$/.test(text)) return Number(text)
  if (kind === 'flag' && /^(true|false)$/.test(text)) return text === 'true'
  const expected = kind === 'flag' ? '"true" or "false"' : 'a whole number'
  throw invalid(`annotation ${prefix}${name} is ${JSON.stringify(text)}; it must be ${expected}`)
}

function refuseContradictions(options: OciOptions): void {
  const { sandbox, network } = options
  const other = Object.keys(kinds).find((name) => {
    return name !== 'sandbox' && name !== 'mount-etc' && textOf(options, name) !== undefined
  })
  if (sandbox !== undefined && other !== undefined) {
    throw invalid(`${prefix}${other} can't be given with ${prefix}sandbox`, {
      hint: `sandbox "${sandbox}" has its networks and names already: change them there`,
    })
  }
  if (sandbox === undefined && network.length === 0) {
    throw invalid('annotations of the container say how it is attached, and not to what', {
      hint: `give a network with ${prefix}network, or a sandbox with ${prefix}sandbox`,
    })
  }
  if (network.includes('host')) {
    throw invalid('the network "host" is the host\'s own, and the container has one of its own', {
      hint: 'leave cnm out, and { "type": "network" } out of linux.namespaces in config.json',
    })
  }
}

function unknown(key: string): CnmError {
  const names = Object.keys(kinds).map((name) => prefix + name)
  return invalid(`there is no annotation ${key}`, { hint: `there are ${names.join(', ')}` })
}

function invalid(message: string, options: { readonly hint?: string } = {}): CnmError {
  return new CnmError('INVALID_ARGUMENT', message, options)
}

function camel(name: string): string {
  return name.replace(/-[a-z]/g, ([, letter = '']) => letter.toUpperCase())
}
