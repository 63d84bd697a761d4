import type { TSchema } from '../../base/schema.ts'
import { ProblemShape } from '../problem.ts'
import { parametersOf, type Route, statusOf } from '../route.ts'
import { type RouteName, routes } from '../routes.ts'
import { describedBody } from './described-body.ts'

/** The native API as an OpenAPI 3.1 document. */
export function openapi(version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: operation(name, route),
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'libcnm',
      version,
      description: 'Networks, endpoints and sandboxes of one host, over a unix socket.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://localhost', description: 'the socket cnm.sock in the run folder' }],
    paths,
    components: { schemas: { Problem: plain(ProblemShape) } },
  }
}

function operation(name: string, route: Route): object {
  return {
    operationId: name,
    summary: route.summary,
    ...(parameters(route).length === 0 ? {} : { parameters: parameters(route) }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: { content: { 'application/json': { schema: describedBody(route.body) } } },
        }),
    responses: {
      [statusOf(route)]: answer(route),
      default: {
        description: 'What went wrong; the status is that of its kind',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}

function parameters({ path, query }: Route): object[] {
  const { properties = {}, required = [] } = (query ?? {}) as {
    readonly properties?: Record<string, TSchema>
    readonly required?: readonly string[]
  }
  return [
    ...parametersOf(path).map((name) => ({
      name,
      in: 'path',
      required: true,
      description: 'name, id, or the beginning of an id',
      schema: { type: 'string' },
    })),
    ...Object.entries(properties).map(([name, schema]) => ({
      name,
      in: 'query',
      required: required.includes(name),
      schema: plain(schema),
    })),
  ]
}

function answer({ answer: schema, summary, stream }: Route): object {
  if (schema === undefined) return { description: 'done' }
  if (!stream) return { description: summary, content: json(schema) }
  return {
    description: 'a line of JSON each, as long as anything comes',
    headers: {
      'cnm-instance': { description: 'whose numbers these are', schema: { type: 'string' } },
      'cnm-sequence': {
        description: 'the number of the event after which this begins',
        schema: { type: 'string' },
      },
    },
    content: { 'application/x-ndjson': { schema: plain(schema) } },
  }
}

function json(schema: TSchema): object {
  return { 'application/json': { schema: plain(schema) } }
}

/** Without what only typebox reads. */
function plain(schema: TSchema): unknown {
  return JSON.parse(JSON.stringify(schema))
}
