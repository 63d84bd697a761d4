import { refuseBadNames } from '../api/option-fields.ts'
import { withoutReserved } from '../api/reserved-label.ts'
import type { BodyOf, ParametersOf, QueryOf, Route } from '../api/route.ts'
import { type RouteName, routes } from '../api/routes.ts'
import type { LocalController } from '../model/controller.ts'
import type { NetworkRecord } from '../model/records.ts'
import { given, taker } from './bodies.ts'

/** What the daemon tells of itself. */
export interface About {
  readonly version: string
  readonly stateDir: string
  readonly runDir: string
}

interface Question<R extends Route = Route> {
  readonly parameters: { readonly [Name in ParametersOf<R['path']>]: string }
  readonly query: QueryOf<R>
  /** As it came: the model parses what is its own. */
  readonly body: BodyOf<R>
  /** Fires when who asked has gone away. */
  readonly signal: AbortSignal
}

/** It is all in memory before it is answered. */
const mostOutputBytes = 16 * 1024 * 1024

type Streams = 'events' | 'queries'
type Routes = typeof routes
export type Answers = {
  readonly [Name in Exclude<RouteName, Streams>]: (
    question: Question<Routes[Name]>,
  ) => Promise<unknown>
}

/** What is answered to each route that isn't a stream. */
export function answers(controller: LocalController, about: About): Answers {
  return {
    ...networkAnswers(controller),
    ...endpointAnswers(controller),
    ...portAnswers(controller),
    ...sandboxAnswers(controller),
    ...engineAnswers(controller, about),
  }
}

function networkAnswers(cnm: LocalController) {
  return {
    listNetworks: async () => cnm.now.networks().map(({ info }) => shown(info)),
    createNetwork: async ({ query, body, signal }) => {
      const options = given(body, signal)
      const make = query.ensure ? cnm.ensureNetwork(options) : cnm.createNetwork(options)
      return shown((await make).info)
    },
    inspectNetwork: async ({ parameters }) => shown(cnm.now.network(parameters.network).info),
    deleteNetwork: async ({ parameters, query, signal }) => {
      await cnm.now.network(parameters.network).delete({ force: query.force ?? false, signal })
    },
    pruneNetworks: async ({ signal }) => cnm.prune({ signal }),
  } satisfies Partial<Answers>
}

function endpointAnswers(cnm: LocalController) {
  const takeJoin = taker(routes.joinSandbox.body)
  return {
    listEndpoints: async ({ query }) => infosOf(await cnm.endpoints(query)),
    listEndpointsOf: async ({ parameters }) => infosOf(await cnm.endpoints(parameters)),
    createEndpoint: async ({ parameters, body, signal }) => {
      const network = cnm.now.network(parameters.network)
      return (await network.createEndpoint(given(body, signal))).info
    },
    inspectEndpoint: async ({ parameters }) => cnm.now.endpoint(parameters.endpoint).info,
    updateEndpoint: async ({ parameters, body, signal }) => {
      return cnm.now.endpoint(parameters.endpoint).update(given(body, signal))
    },
    deleteEndpoint: async ({ parameters, signal }) => {
      await cnm.now.endpoint(parameters.endpoint).delete({ signal })
    },
    joinSandbox: async ({ parameters, body, signal }) => {
      return cnm.now.endpoint(parameters.endpoint).join(takeJoin(body).sandbox, { signal })
    },
    leaveSandbox: async ({ parameters, signal }) => {
      await cnm.now.endpoint(parameters.endpoint).leave({ signal })
    },
  } satisfies Partial<Answers>
}

function portAnswers(cnm: LocalController) {
  const takePublish = taker(routes.publishPorts.body, 'ports to publish')
  const takeUnpublish = taker(routes.unpublishPorts.body, 'ports to unpublish')
  return {
    publishPorts: async ({ parameters, body, signal }) => {
      const { ports } = takePublish(body)
      return cnm.now.endpoint(parameters.endpoint).publish(ports, { signal })
    },
    unpublishPorts: async ({ parameters, body, signal }) => {
      const { ports } = takeUnpublish(body)
      // What has a family and a state is what `inspect` tells: it is as precise as a wish.
      await cnm.now.endpoint(parameters.endpoint).unpublish(ports, { signal })
    },
  } satisfies Partial<Answers>
}

function sandboxAnswers(cnm: LocalController) {
  const takeConnect = taker(routes.connectSandbox.body, 'endpoint options')
  const takeExec = taker(routes.execInSandbox.body, 'program options')
  const takeProgram = taker(routes.bindProgram.body)
  return {
    listSandboxes: async () => infosOf(cnm.now.sandboxes()),
    createSandbox: async ({ body, signal }) => {
      return (await cnm.createSandbox(given(body, signal))).info
    },
    inspectSandbox: async ({ parameters }) => cnm.now.sandbox(parameters.sandbox).info,
    deleteSandbox: async ({ parameters, signal }) => {
      await cnm.now.sandbox(parameters.sandbox).delete({ signal })
    },
    connectSandbox: async ({ parameters, body, signal }) => {
      const sandbox = cnm.now.sandbox(parameters.sandbox)
      refuseBadNames(body)
      const { network, ...options } = takeConnect(body)
      return (await sandbox.connect(network, { ...options, signal })).info
    },
    execInSandbox: async ({ parameters, body, signal }) => {
      const { argv, maxOutputBytes = mostOutputBytes, ...options } = takeExec(body)
      const [program = '', ...rest] = argv
      const sandbox = cnm.now.sandbox(parameters.sandbox)
      const env = plainEnvironment()
      const most = { maxOutputBytes: Math.min(maxOutputBytes, mostOutputBytes) }
      return sandbox.exec([program, ...rest], { env, ...options, ...most, signal })
    },
    bindProgram: async ({ parameters, body, signal }) => {
      await cnm.now.sandbox(parameters.sandbox).bindProgram(takeProgram(body).pid, { signal })
    },
  } satisfies Partial<Answers>
}

function engineAnswers(cnm: LocalController, about: About) {
  const takeDoctor = taker(routes.doctor.body, 'doctor options')
  const started = new Date().toISOString()
  return {
    status: async () => ({
      ...about,
      pid: process.pid,
      instance: cnm.instance,
      started,
      networks: cnm.now.networks().length,
      endpoints: cnm.now.endpoints().length,
      sandboxes: cnm.now.sandboxes().length,
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

function infosOf<T>(all: readonly { readonly info: T }[]): T[] {
  return all.map(({ info }) => info)
}

/** The daemon's own is not passed on. */
function plainEnvironment(): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG'] as const
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}
