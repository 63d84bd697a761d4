import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './documentation.ts'

// What the comments of options say, which editors show, for the HTTP API's document and the pages.

/** The files that have options of users, and which of their interfaces. */
const sources: readonly (readonly [file: string, names: readonly string[]])[] = [
  ['options', ['NetworkOptions', 'SubnetOptions', 'SandboxOptions']],
  ['driver-options', ['BridgeNetworkOptions']],
  [
    'endpoint-options',
    [
      'EndpointOptions',
      'StandaloneEndpointOptions',
      'ConnectOptions',
      'UpdateOptions',
      'PublishOptions',
      'RateOptions',
    ],
  ],
  ['programs', ['ExecOptions']],
]

export type Descriptions = Readonly<Record<string, Readonly<Record<string, string>>>>

export const descriptionsFile = join(root, 'src/api/openapi/descriptions.ts')

/** By interface and key. Fails where an option has no comment. */
export function optionDescriptions(): Descriptions {
  const entries = sources.flatMap(([file, names]) => {
    const text = readFileSync(join(root, `src/api/${file}.ts`), 'utf8')
    return names.map((name) => [name, fieldsOf(text, name)] as const)
  })
  return Object.fromEntries(entries)
}

function fieldsOf(text: string, name: string): Readonly<Record<string, string>> {
  const begin = new RegExp(`^export (?:interface|type) ${name}\\b[^{]*\\{$`, 'm').exec(text)
  if (begin === null) throw new Error(`there is no ${name}`)
  const body = text.slice(begin.index + begin[0].length)
  const fields = body.slice(0, body.search(/^\}/m))
  const pattern = /^ {2}(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n {2})?readonly (\w+)\??:/gm
  return Object.fromEntries(
    [...fields.matchAll(pattern)].map(([, comment, key]) => {
      if (comment === undefined) throw new Error(`${name}.${key} has no comment`)
      return [key, plain(comment)] as const
    }),
  )
}

function plain(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\*?\s?/, '').trim())
    .join(' ')
    .trim()
}

/** The module that has them. */
export function descriptionsModule(): string {
  const lines = Object.entries(optionDescriptions()).map(([name, fields]) => {
    const inside = Object.entries(fields).map(
      ([key, text]) => `    ${key}: ${JSON.stringify(text)},`,
    )
    return [`  ${name}: {`, ...inside, '  },'].join('\n')
  })
  return `// biome-ignore-all format: it is written as it comes
// Made of the comments in src/api by test/docs.test.ts (\`vitest run -u\` renews it).

/** What each option means, for who has no editor that shows comments. */
export const descriptions = {
${lines.join('\n')}
} as const
`
}

export const optionsPage = join(root, 'docs/reference/options.md')

const titles: Readonly<Record<string, string>> = {
  NetworkOptions: '`createNetwork`, `ensureNetwork`',
  SubnetOptions: 'An entry of `subnets`',
  BridgeNetworkOptions: '`options` of a network of the driver `bridge`',
  SandboxOptions: '`createSandbox`',
  EndpointOptions: '`connect`, and with more `createEndpoint`',
  StandaloneEndpointOptions: '`createEndpoint`',
  ConnectOptions: 'An entry of `connect` of a sandbox: as `connect`, and',
  UpdateOptions: '`update` of an endpoint',
  PublishOptions: 'An entry of `publish`, where it is no text',
  RateOptions: '`rate`',
  ExecOptions: '`exec`',
}

/** All options on a page. */
export function optionsPageText(): string {
  const sections = Object.entries(optionDescriptions()).map(([name, fields]) => {
    const lines = Object.entries(fields).map(([key, text]) => `- \`${key}\`: ${text}`)
    return [`## ${titles[name]}`, '', `\`${name}\``, '', ...lines].join('\n')
  })
  return `# Options

What editors show and \`GET /v1/openapi.json\` says, in one place; test/docs.test.ts writes this page. Every call takes a
\`signal\` besides. The [guide](../guide.md) tells what they are good for.

${sections.join('\n\n')}
`
}
