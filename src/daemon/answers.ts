import { refuseBadNames } from '../api/option-fields.ts'
import { withoutReserved } from '../api/reserved-label.ts'
import type { BodyOf, ParametersOf, QueryOf, Route } from '../api/route.ts'
import { type RouteName, routes } from '../api/routes.ts'
import { isCnmError } from '../base/errors.ts'
import type { Controller } from '../model/controller.ts'
import type { Endpoint } from '../model/endpoint/endpoint.ts'
import type { NetworkRecord } from '../model/records.ts'
import { given, taker } from './bodies.ts'

/** What the daemon tells of itself. */
export interface About {
  readonly version: string
  readonly stateDir: string
  readonly runDir: string
}

export interface Question<R extends Route = Route> {
  readonly parameters: { readonly [Name in ParametersOf<R['path']>]: string }
  readonly query: QueryOf<R>
  /** As it came: the model parses what is its own. */
  readonly body: BodyOf<R>
  /** Fires when who asked has gone away. */
  readonly signal: AbortSignal
}

/** It is all in memory before it is answered. */
const maxOutputBytes = 16 * 1024 * 1024

type Streams = 'events' | 'queries'
type Routes = typeof routes
export type Answers = {
  readonly [Name in Exclude<RouteName, Streams>]: (
    question: Question<Routes[Name]>,
  ) => Promise<unknown>
}

/** What is answered to each route that isn't a stream. */
export function answers(controller: Controller, about: About): Answers {
  return {
    ...networkAnswers(controller),
    ...endpointAnswers(controller),
    ...portAnswers(controller),
    ...sandboxAnswers(controller),
    ...engineAnswers(controller, about),
  }
}

function networkAnswers(cnm: Controller) {
  return {
    listNetworks: async () => seen(cnm.networks()).map(shown),
    createNetwork: async ({ query, body, signal }) => {
      const options = given(body, signal)
      const make = query.ensure ? cnm.ensureNetwork(options) : cnm.createNetwork(options)
      return shown((await make).inspect())
    },
    inspectNetwork: async ({ parameters }) => shown(cnm.network(parameters.network).inspect()),
    deleteNetwork: async ({ parameters, query, signal }) => {
      await cnm.network(parameters.network).delete({ force: query.force ?? false, signal })
    },
    pruneNetworks: async ({ signal }) => cnm.prune({ signal }),
  } satisfies Partial<Answers>
}

function endpointAnswers(cnm: Controller) {
  const takeJoin = taker(routes.joinSandbox.body)
  return {
    listEndpoints: async ({ query }) => seen(listed(cnm, query)),
    listEndpointsOf: async ({ parameters }) => seen(cnm.network(parameters.network).endpoints()),
    createEndpoint: async ({ parameters, body, signal }) => {
      const network = cnm.network(parameters.network)
      return (await network.createEndpoint(given(body, signal))).inspect()
    },
    inspectEndpoint: async ({ parameters }) => cnm.endpoint(parameters.endpoint).inspect(),
    updateEndpoint: async ({ parameters, body, signal }) => {
      const endpoint = cnm.endpoint(parameters.endpoint)
      await endpoint.update(given(body, signal))
      return endpoint.inspect()
    },
    deleteEndpoint: async ({ parameters, signal }) => {
      await cnm.endpoint(parameters.endpoint).delete({ signal })
    },
    joinSandbox: async ({ parameters, body, signal }) => {
      const endpoint = cnm.endpoint(parameters.endpoint)
      await endpoint.join(cnm.sandbox(takeJoin(body).sandbox), { signal })
      return endpoint.inspect()
    },
    leaveSandbox: async ({ parameters, signal }) => {
      await cnm.endpoint(parameters.endpoint).leave({ signal })
    },
  } satisfies Partial<Answers>
}

function portAnswers(cnm: Controller) {
  const takePublish = taker(routes.publishPorts.body, 'ports to publish')
  const takeUnpublish = taker(routes.unpublishPorts.body, 'ports to unpublish')
  return {
    publishPorts: async ({ parameters, body, signal }) => {
      const { ports } = takePublish(body)
      return cnm.endpoint(parameters.endpoint).publish(ports, { signal })
    },
    unpublishPorts: async ({ parameters, body, signal }) => {
      const { ports } = takeUnpublish(body)
      // What has a family and a state is what `inspect` tells: it is as precise as a wish.
      await cnm.endpoint(parameters.endpoint).unpublish(ports, { signal })
    },
  } satisfies Partial<Answers>
}

function sandboxAnswers(cnm: Controller) {
  const takeConnect = taker(routes.connectSandbox.body, 'endpoint options')
  const takeExec = taker(routes.execInSandbox.body, 'program options')
  const takeProgram = taker(routes.bindProgram.body)
  return {
    listSandboxes: async () => seen(cnm.sandboxes()),
    createSandbox: async ({ body, signal }) => {
      return (await cnm.createSandbox(given(body, signal))).inspect()
    },
    inspectSandbox: async ({ parameters }) => cnm.sandbox(parameters.sandbox).inspect(),
    deleteSandbox: async ({ parameters, signal }) => {
      await cnm.sandbox(parameters.sandbox).delete({ signal })
    },
    connectSandbox: async ({ parameters, body, signal }) => {
      const sandbox = cnm.sandbox(parameters.sandbox)
      refuseBadNames(body)
      const { network, ...options } = takeConnect(body)
      return (await sandbox.connect(cnm.network(network), { ...options, signal })).inspect()
    },
    execInSandbox: async ({ parameters, body, signal }) => {
      const { argv, ...options } = takeExec(body)
      const [program = '', ...rest] = argv
      const sandbox = cnm.sandbox(parameters.sandbox)
      const defaults = { env: plainEnvironment(), maxOutputBytes }
      return sandbox.exec([program, ...rest], { ...defaults, ...options, signal })
    },
    bindProgram: async ({ parameters, body, signal }) => {
      await cnm.sandbox(parameters.sandbox).bindProgram(takeProgram(body).pid, { signal })
    },
  } satisfies Partial<Answers>
}

function engineAnswers(cnm: Controller, about: About) {
  const takeDoctor = taker(routes.doctor.body, 'doctor options')
  const started = new Date().toISOString()
  return {
    status: async () => ({
      ...about,
      pid: process.pid,
      instance: cnm.instance,
      started,
      networks: cnm.networks().length,
      endpoints: cnm.endpoints().length,
      sandboxes: cnm.sandboxes().length,
      sequence: cnm.sequence,
    }),
    listPlugins: async ({ signal }) => cnm.plugins({ signal }),
    inspectPlugin: async ({ parameters, signal }) => cnm.plugin(parameters.plugin, { signal }),
    statistics: async ({ signal }) => cnm.statistics({ signal }),
    doctor: async ({ body, signal }) => cnm.doctor({ fix: takeDoctor(body).fix ?? false, signal }),
    down: async ({ signal }) => cnm.down({ signal }),
  } satisfies Partial<Answers>
}

/** Without what is only for clients of Docker's API. */
function shown(network: NetworkRecord): NetworkRecord {
  return { ...network, labels: withoutReserved(network.labels) }
}

/** What is gone by the time that it is looked at was there when it was asked for, and is left out. */
function seen<T>(all: readonly { inspect(): T }[]): T[] {
  return all.flatMap((each) => {
    try {
      return [each.inspect()]
    } catch (error) {
      if (isCnmError(error) && error.kind === 'not-found') return []
      throw error
    }
  })
}

function listed(
  cnm: Controller,
  query: { readonly network?: string; readonly sandbox?: string },
): Endpoint[] {
  const inSandbox = query.sandbox === undefined ? undefined : cnm.sandbox(query.sandbox).endpoints()
  if (query.network === undefined) return inSandbox ?? cnm.endpoints()
  const { id } = cnm.network(query.network)
  if (inSandbox === undefined) return cnm.network(id).endpoints()
  return inSandbox.filter((endpoint) => endpoint.inspect().network === id)
}

/** The daemon's own is nobody's business. */
function plainEnvironment(): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG'] as const
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}
