import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { failuresOf } from '../src/base/check.ts'
import { activateCall, type PluginCall } from '../src/plugin/call.ts'
import { ipamDriverCalls } from '../src/plugin/ipam-driver-messages.ts'
import { networkDriverCalls } from '../src/plugin/network-driver-messages.ts'
import { root } from './support/documentation.ts'

const all: Readonly<Record<string, Readonly<Record<string, PluginCall>>>> = {
  Plugin: { Activate: activateCall },
  NetworkDriver: networkDriverCalls,
  IpamDriver: ipamDriverCalls,
}
const calls = Object.entries(all).flatMap(([side, methods]) =>
  Object.entries(methods).map(([method, call]) => [`${side}.${method}`, call] as const),
)

/** What the page says of each call: its section, and the examples in it. */
const page = readFileSync(join(root, 'docs/reference/plugin-protocol.md'), 'utf8')
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split('\n')[0] ?? '', section]),
)

function example(section: string, of: 'Request' | 'Answer'): unknown {
  const text = new RegExp(`^${of}:\\n\\n\`\`\`json\\n([^]*?)\`\`\``, 'm').exec(section)?.[1]
  return text === undefined ? undefined : JSON.parse(text)
}

/** All keys that a schema names, at whatever depth, as paths. */
function keysIn(schema: object | undefined, path = ''): string[] {
  const { properties = {}, items } = (schema ?? {}) as {
    properties?: Record<string, object>
    items?: object
  }
  return [
    ...Object.entries(properties).flatMap(([key, inner]) => {
      return [`${path}.${key}`, ...keysIn(inner, `${path}.${key}`)]
    }),
    ...(items === undefined ? [] : keysIn(items, path)),
  ]
}

function hasKey(value: unknown, [first, ...rest]: readonly string[]): boolean {
  if (first === undefined) return true
  if (Array.isArray(value)) return value.some((each) => hasKey(each, [first, ...rest]))
  return Object.hasOwn(Object(value), first) && hasKey(Object(value)[first], rest)
}

describe('the page of the plugin protocol', () => {
  it('has every call, and none that there is not', () => {
    expect([...sections.keys()]).toEqual(calls.map(([name]) => name))
  })

  it.each(calls)('shows %s as it is', (name, call) => {
    const section = sections.get(name) ?? ''
    for (const [of, schema] of [
      ['Request', call.request],
      ['Answer', call.answer],
    ] as const) {
      const shown = example(section, of)
      expect(shown === undefined, of).toBe(schema === undefined)
      if (schema === undefined) continue
      expect(failuresOf(schema, shown), of).toEqual([])
      const keys = keysIn(schema).map((path) => path.split('.').slice(1))
      expect(
        keys.filter((path) => !hasKey(shown, path)),
        of,
      ).toEqual([])
      const known = new Set(keysIn(schema).map((path) => path.split('.')[1]))
      expect(
        Object.keys(Object(shown)).filter((key) => !known.has(key)),
        of,
      ).toEqual([])
    }
    expect(section.includes('_Optional._')).toBe(call.optional === true)
  })
})
