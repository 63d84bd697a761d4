import { Type } from '../base/schema.ts'
import {
  ConnectBody,
  EndpointBody,
  PublishList,
  UnpublishList,
  UpdateBody,
} from './endpoint-options.ts'
import { NetworkBody, SandboxBody } from './options.ts'
import {
  EventShape,
  ExecBody,
  ExecShape,
  FindingShape,
  PluginShape,
  QueryShape,
  StatisticsShape,
  StatusShape,
} from './reports.ts'
import type { Route } from './route.ts'
import { BindingShape, EndpointShape, NetworkShape, SandboxShape } from './shapes.ts'

const strict = { additionalProperties: false }
const Force = Type.Object({ force: Type.Optional(Type.Boolean()) }, strict)
const Names = Type.Array(Type.String())

const networks = {
  listNetworks: {
    method: 'GET',
    path: '/v1/networks',
    summary: 'All networks',
    answer: Type.Array(NetworkShape),
  },
  createNetwork: {
    method: 'POST',
    path: '/v1/networks',
    summary:
      'Make a network; with `ensure` one that is there already will do, if it is as asked for',
    query: Type.Object({ ensure: Type.Optional(Type.Boolean()) }, strict),
    body: NetworkBody,
    answer: NetworkShape,
    created: true,
  },
  inspectNetwork: {
    method: 'GET',
    path: '/v1/networks/{network}',
    summary: 'A network',
    answer: NetworkShape,
  },
  deleteNetwork: {
    method: 'DELETE',
    path: '/v1/networks/{network}',
    summary: 'Delete a network; with `force` its endpoints first',
    query: Force,
  },
  pruneNetworks: {
    method: 'POST',
    path: '/v1/networks/prune',
    summary: 'Delete all networks without endpoints; answers with their names',
    answer: Names,
  },
} as const satisfies Record<string, Route>

const endpoints = {
  listEndpoints: {
    method: 'GET',
    path: '/v1/endpoints',
    summary: 'All endpoints, or those of a network or sandbox',
    query: Type.Object(
      { network: Type.Optional(Type.String()), sandbox: Type.Optional(Type.String()) },
      strict,
    ),
    answer: Type.Array(EndpointShape),
  },
  listEndpointsOf: {
    method: 'GET',
    path: '/v1/networks/{network}/endpoints',
    summary: 'The endpoints of a network',
    answer: Type.Array(EndpointShape),
  },
  createEndpoint: {
    method: 'POST',
    path: '/v1/networks/{network}/endpoints',
    summary: 'Make an endpoint that no sandbox has joined yet',
    body: EndpointBody,
    answer: EndpointShape,
    created: true,
  },
  inspectEndpoint: {
    method: 'GET',
    path: '/v1/endpoints/{endpoint}',
    summary: 'An endpoint',
    answer: EndpointShape,
  },
  updateEndpoint: {
    method: 'PATCH',
    path: '/v1/endpoints/{endpoint}',
    summary: 'Change an endpoint while its programs run on',
    body: UpdateBody,
    answer: EndpointShape,
  },
  deleteEndpoint: {
    method: 'DELETE',
    path: '/v1/endpoints/{endpoint}',
    summary: 'Delete an endpoint; it leaves its sandbox first',
  },
  joinSandbox: {
    method: 'POST',
    path: '/v1/endpoints/{endpoint}/join',
    summary: 'Join a sandbox',
    body: Type.Object({ sandbox: Type.String() }, strict),
    answer: EndpointShape,
  },
  leaveSandbox: {
    method: 'POST',
    path: '/v1/endpoints/{endpoint}/leave',
    summary: 'Leave the sandbox; an endpoint that was made by connecting is gone afterwards',
  },
  publishPorts: {
    method: 'POST',
    path: '/v1/endpoints/{endpoint}/publish',
    summary: 'Publish more ports; answers with what is published by that',
    body: Type.Object({ ports: PublishList }, strict),
    answer: Type.Array(BindingShape),
  },
  unpublishPorts: {
    method: 'POST',
    path: '/v1/endpoints/{endpoint}/unpublish',
    summary: 'End that',
    body: Type.Object({ ports: UnpublishList }, strict),
  },
} as const satisfies Record<string, Route>

const sandboxes = {
  listSandboxes: {
    method: 'GET',
    path: '/v1/sandboxes',
    summary: 'All sandboxes',
    answer: Type.Array(SandboxShape),
  },
  createSandbox: {
    method: 'POST',
    path: '/v1/sandboxes',
    summary: 'Make or adopt a sandbox, and connect it to networks in the same step',
    body: SandboxBody,
    answer: SandboxShape,
    created: true,
  },
  inspectSandbox: {
    method: 'GET',
    path: '/v1/sandboxes/{sandbox}',
    summary: 'A sandbox',
    answer: SandboxShape,
  },
  deleteSandbox: {
    method: 'DELETE',
    path: '/v1/sandboxes/{sandbox}',
    summary: 'Delete a sandbox with its endpoints',
  },
  connectSandbox: {
    method: 'POST',
    path: '/v1/sandboxes/{sandbox}/connect',
    summary: 'Make an endpoint on a network and join it, in one step',
    body: ConnectBody,
    answer: EndpointShape,
    created: true,
  },
  execInSandbox: {
    method: 'POST',
    path: '/v1/sandboxes/{sandbox}/exec',
    summary: 'Run a program inside, to its end',
    body: ExecBody,
    answer: ExecShape,
  },
  bindProgram: {
    method: 'POST',
    path: '/v1/sandboxes/{sandbox}/program',
    summary: 'Say which process an ephemeral sandbox goes with',
    body: Type.Object({ pid: Type.Integer({ minimum: 1 }) }, strict),
  },
} as const satisfies Record<string, Route>

const engine = {
  events: {
    method: 'GET',
    path: '/v1/events',
    summary:
      'What happens from now on, or after the event with the number `since` of that instance',
    query: Type.Object(
      {
        since: Type.Optional(Type.Integer({ minimum: 0 })),
        instance: Type.Optional(Type.String()),
      },
      strict,
    ),
    answer: EventShape,
    stream: true,
  },
  queries: {
    method: 'GET',
    path: '/v1/queries',
    summary: 'What resolvers of sandboxes are asked from now on',
    answer: QueryShape,
    stream: true,
  },
  status: {
    method: 'GET',
    path: '/v1/status',
    summary: 'The daemon itself',
    answer: StatusShape,
  },
  listPlugins: {
    method: 'GET',
    path: '/v1/plugins',
    summary: 'Network drivers and IPAMs that are other programs, and how they are',
    answer: Type.Array(PluginShape),
  },
  inspectPlugin: {
    method: 'GET',
    path: '/v1/plugins/{plugin}',
    summary: 'A plugin, by its whole name',
    answer: PluginShape,
  },
  statistics: {
    method: 'GET',
    path: '/v1/statistics',
    summary:
      'Bytes, packets, drops and errors of all endpoints and networks since their links were made',
    answer: StatisticsShape,
  },
  doctor: {
    method: 'POST',
    path: '/v1/doctor',
    summary: 'How the machine differs from the records; with `fix` it is mended',
    body: Type.Object({ fix: Type.Optional(Type.Boolean()) }, strict),
    answer: Type.Array(FindingShape),
  },
  down: {
    method: 'POST',
    path: '/v1/down',
    summary: 'Delete all sandboxes, endpoints and networks',
  },
} as const satisfies Record<string, Route>

/** The native API: all that is asked and answered as JSON. */
export const routes = { ...networks, ...endpoints, ...sandboxes, ...engine } as const

export type RouteName = keyof typeof routes
