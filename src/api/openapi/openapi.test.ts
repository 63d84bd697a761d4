import { describe, expect, it } from 'vitest'
import { parametersOf, type Route, statusOf } from '../route.ts'
import { routes } from '../routes.ts'
import { openapi } from './openapi.ts'

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: { readonly content: object }
  readonly responses: Record<string, { readonly description: string; readonly content?: object }>
}

interface Content {
  readonly 'application/json': {
    readonly schema: { readonly properties: Record<string, { readonly description?: string }> }
  }
}

const document = openapi('1.2.3') as {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Record<string, Record<string, Operation>>
}

const all = Object.values(document.paths).flatMap((path) => Object.values(path))

it('is a document of OpenAPI 3.1', () => {
  expect(document.openapi).toBe('3.1.0')
  expect(document.info).toMatchObject({ title: 'libcnm', version: '1.2.3' })
  expect(Object.keys(document.paths).every((path) => path.startsWith('/v1/'))).toBe(true)
})

it('has each route of the table, and no more', () => {
  expect(all.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(routes).sort())
})

describe.each(Object.entries(routes) as [string, Route][])('%s', (name, route) => {
  const operation = document.paths[route.path]?.[route.method.toLowerCase()]

  it('is what the table says', () => {
    expect(operation).toMatchObject({ operationId: name, summary: route.summary })
    const named = (operation?.parameters ?? []).filter((each) => each.in === 'path')
    expect(named.map((each) => each.name)).toEqual(parametersOf(route.path))
    expect(operation?.requestBody !== undefined).toBe(route.body !== undefined)
    const answer = operation?.responses[statusOf(route)]
    expect(answer?.description).not.toBe('')
    expect(answer?.content !== undefined).toBe(route.answer !== undefined)
  })
})

it('refers to nothing that there is not, and is JSON', () => {
  const text = JSON.stringify(document)
  expect(JSON.parse(text)).toEqual(document)
  const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path)
  expect(references.length).toBeGreaterThan(0)
  for (const path of references) {
    let at: unknown = document
    for (const key of path.split('/')) at = (at as Record<string, unknown>)[key]
    expect(at).toBeDefined()
  }
})

it('says what options mean, as editors do', () => {
  const schemaOf = (path: string) =>
    (document.paths[path]!.post!.requestBody!.content as Content)['application/json'].schema
  const { subnets, internal } = schemaOf('/v1/networks').properties
  expect(internal?.description).toMatch(/^Nothing gets in or out/)
  expect(JSON.stringify(subnets)).toContain('The part of the subnet that addresses are handed out')
  const { name, rate } = schemaOf('/v1/networks/{network}/endpoints').properties
  expect(name?.description).toBe('Unique on its network.')
  expect(JSON.stringify(rate)).toContain('What it may receive')
  for (const path of ['/v1/networks', '/v1/sandboxes', '/v1/sandboxes/{sandbox}/connect']) {
    for (const field of Object.values(schemaOf(path).properties))
      expect(field.description).toBeDefined()
  }
})

it('describes every body by a schema that says what it is', () => {
  for (const [path, method, type] of [
    ['/v1/networks', 'post', 'object'],
    ['/v1/sandboxes/{sandbox}/exec', 'post', 'object'],
    ['/v1/networks', 'get', 'array'],
  ] as const) {
    const operation = document.paths[path]?.[method]
    const described = method === 'get' ? operation?.responses[200] : operation?.requestBody
    expect(described?.content).toMatchObject({ 'application/json': { schema: { type } } })
  }
})
