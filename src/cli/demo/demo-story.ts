import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createController,
  type EngineOptions,
  type KnownLocalEndpoint,
  type LocalSandbox,
} from '../../linux/library.ts'
import { DemoHost, stranger } from './demo-host.ts'
import type { DemoLog } from './demo-log.ts'

type Cnm = Awaited<ReturnType<typeof createController>>

/** Networks, sandboxes, who reaches whom, what is collected, what is left: each shown to be true. */
export async function tellStory(
  log: DemoLog,
  host: DemoHost,
  options: EngineOptions,
): Promise<void> {
  log.chapter('Two networks, one of them internal, and sandboxes on one, the other and both')
  {
    await using cnm = await log.done('start the engine', () =>
      createController({ ...options, keeper: { stay: true } }),
    )
    await build(log, cnm)
    await segments(log, cnm)
    await names(log, cnm, host)
    await publishes(log, cnm, host)
    await collects(log, cnm)
    await constantRules(log, cnm, host)
  }
  log.chapter('The engine is gone, and comes back')
  const [inside = ''] = await readdir(join(options.runDir ?? '', 'netns'))
  await log.proved('names are answered while there is none', async () => {
    const netns = join(options.runDir ?? '', 'netns', inside)
    return (await host.resolves('both', '127.0.0.11', netns)) !== undefined
  })
  await using cnm = await log.done('start another engine on the same state', () =>
    createController(options),
  )
  await log.proved('it finds everything as it was recorded', async () => {
    const findings = await cnm.doctor()
    return findings.length === 0 && (await cnm.sandboxes()).length === 3
  })
  await log.proved('api still reaches both', () => reaches(cnm.sandbox('api'), 'both'))
  await removesAll(log, cnm, host)
}

async function build(log: DemoLog, cnm: Cnm): Promise<void> {
  await log.done('network web, 10.7.0.0/24', () =>
    cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] }),
  )
  await log.done('network back, 10.8.0.0/24, internal, IPv4 and IPv6', () =>
    cnm.createNetwork({ name: 'back', internal: true, subnets: ['10.8.0.0/24'], ipv6: true }),
  )
  const [api, db] = ['10.7.0.7', '10.8.0.7']
  await log.done('sandbox api on web, with the alias backend', () =>
    cnm.createSandbox({
      name: 'api',
      extraHosts: [`address-of-db:${db}`],
      connect: [{ network: 'web', ip: api, aliases: ['backend'] }],
    }),
  )
  await log.done('sandbox db on back', () =>
    cnm.createSandbox({
      name: 'db',
      extraHosts: [`address-of-api:${api}`],
      connect: [{ network: 'back', ip: db }],
    }),
  )
  await log.done('sandbox both on web and back', () =>
    cnm.createSandbox({ name: 'both', connect: [{ network: 'web' }, { network: 'back' }] }),
  )
}

async function segments(log: DemoLog, cnm: Cnm): Promise<void> {
  const [api, db, both] = trio(cnm)
  log.chapter('Who reaches whom, by name')
  await log.proved('api reaches both, on web', () => reaches(api, 'both'))
  await log.proved('db reaches both, on back', () => reaches(db, 'both'))
  await log.proved('db reaches both, on back, by IPv6', () => reaches(db, 'both', '-6'))
  await log.proved('api does not know db', async () => !(await reaches(api, 'db')))
  await log.proved('db does not know api', async () => !(await reaches(db, 'api')))
  await log.proved(
    'nor do they reach each other by the address',
    async () => !(await reaches(api, 'address-of-db')) && !(await reaches(db, 'address-of-api')),
  )
  await log.proved('api reaches the outside, behind the host', () => reaches(api, DemoHost.website))
  await log.proved('both reaches the outside too, through web', () =>
    reaches(both, DemoHost.website),
  )
  await log.proved(
    'db, on an internal network, does not',
    async () => !(await reaches(db, DemoHost.website)),
  )
}

async function names(log: DemoLog, cnm: Cnm, host: DemoHost): Promise<void> {
  const [api, , both] = trio(cnm)
  log.chapter('Other names')
  await log.proved('both reaches api by its alias backend', () => reaches(both, 'backend'))
  await log.proved('and as api.web, by its network', () => reaches(both, 'api.web'))
  await log.proved('api reaches the host as host.internal', () => reaches(api, 'host.internal'))
  let address: string | undefined
  await log.proved('the host finds api.web.cnm.internal at 127.0.0.153', async () => {
    address = await host.resolves('api.web.cnm.internal', '127.0.0.153')
    return address !== undefined
  })
  await log.proved(
    'the outside does not reach it there',
    async () => !(await host.outsideReaches(address ?? '')),
  )
  await log.proved('a name is gone with its sandbox', async () => {
    const brief = await cnm.createSandbox({ name: 'brief', connect: [{ network: 'web' }] })
    const wasThere = await reaches(api, 'brief')
    await brief.delete()
    return wasThere && !(await reaches(api, 'brief'))
  })
}

function trio(cnm: Cnm): [api: LocalSandbox, db: LocalSandbox, both: LocalSandbox] {
  return [cnm.sandbox('api'), cnm.sandbox('db'), cnm.sandbox('both')]
}

/** Answers every request with the address it came from. */
const server = `require('node:http')
  .createServer((request, response) => response.end(request.socket.remoteAddress))
  .listen(80, '0.0.0.0', () => console.log('ready'))`

async function publishes(log: DemoLog, cnm: Cnm, host: DemoHost): Promise<void> {
  log.chapter('Published ports, without a proxy')
  const api = cnm.sandbox('api')
  const [endpoint] = (await api.endpoints()) as [KnownLocalEndpoint]
  const program = await log.done('an HTTP server in api', async () => {
    const started = await api.spawn([process.execPath, '-e', server])
    await once(started.stdout!, 'data')
    return started
  })
  const url = `http://${DemoHost.inside}:8080/`
  await log.done('publish its port 80 at 8080 of the host', () => endpoint.publish(['8080:80']))
  await log.proved(
    'the outside reaches it, and api sees who it is',
    async () => (await host.outsideGets(url)) === DemoHost.outside,
  )
  await log.proved('the host reaches it at 127.0.0.1', async () =>
    Boolean(await host.gets('http://127.0.0.1:8080/')),
  )
  const rules = await host.rules()
  const range = '20000-29999:20000-29999'
  await log.done('publish 10,000 ports more', () => endpoint.publish([range]))
  await log.proved('not one rule more', async () => (await host.rules()) === rules)
  await log.done('unpublish all', () => endpoint.unpublish(['8080:80', range]))
  await log.proved(
    'the outside does not reach it any more',
    async () => (await host.outsideGets(url)) === undefined,
  )
  program.kill('SIGTERM')
  await program.ended
}

async function collects(log: DemoLog, cnm: Cnm): Promise<void> {
  log.chapter('Endpoints are collected')
  const process = await stranger()
  const adopted = await log.done('adopt the namespace of a running process and connect it', () =>
    cnm.createSandbox({ name: 'guest', pid: process.pid, connect: [{ network: 'web' }] }),
  )
  await log.proved('api reaches it', () => reaches(cnm.sandbox('api'), 'guest'))
  const gone = sandboxGone(cnm, adopted.id)
  await process.kill()
  await log.proved('its process is killed: sandbox and endpoint are gone', async () => {
    await gone
    return (await cnm.network('web').endpoints()).every(({ name }) => name !== 'guest')
  })
}

async function sandboxGone(cnm: Cnm, id: string): Promise<void> {
  for await (const event of await cnm.events({ signal: AbortSignal.timeout(5000) })) {
    if (event.type === 'sandbox' && event.action === 'delete' && event.id === id) return
  }
}

async function constantRules(log: DemoLog, cnm: Cnm, host: DemoHost): Promise<void> {
  log.chapter('The firewall does not grow')
  const before = await host.rules()
  const networks = await log.done('20 more networks', () =>
    Promise.all([...Array(20).keys()].map((n) => cnm.createNetwork({ name: `more${n}` }))),
  )
  await log.proved(
    `${before} rules before, and as many now`,
    async () => (await host.rules()) === before,
  )
  await log.done('delete them', () => Promise.all(networks.map((network) => network.delete())))
}

async function removesAll(log: DemoLog, cnm: Cnm, host: DemoHost): Promise<void> {
  log.chapter('Nothing is left')
  for (const name of ['api', 'db', 'both']) {
    await log.done(`delete ${name}`, () => cnm.sandbox(name).delete())
  }
  for (const name of ['web', 'back']) {
    await log.done(`delete ${name}`, () => cnm.network(name).delete())
  }
  await log.proved('no link and no rule of ours is left', async () => {
    await cnm.settled()
    return (await host.otherLinks()).length === 0 && (await host.rules()) === 0
  })
}

async function reaches(
  from: LocalSandbox,
  name: string,
  family: '-4' | '-6' = '-4',
): Promise<boolean> {
  return (await from.exec(['ping', family, '-c1', '-W2', name])).code === 0
}
