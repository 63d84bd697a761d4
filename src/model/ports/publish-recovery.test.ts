import { it } from 'vitest'
import { failsCleanly, type Story, survivesCrashes } from '../../../test/support/stories.ts'
import type { LocalController } from '../controller.ts'

async function prepare(cnm: LocalController): Promise<void> {
  await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] })
  await cnm.createNetwork({ name: 'back', subnets: ['10.8.0.0/24'] })
  const publish = ['8000-8009:8000-8009', '7000:80', '53:53/udp']
  await cnm.createSandbox({ name: 'api', connect: [{ network: 'web', publish }] })
  await cnm.createSandbox({ name: 'idle', connect: [{ network: 'back' }] })
  const db = { name: 'db', persistent: true, publish: ['5432:5432', '80'] }
  await cnm.network('web').createEndpoint(db)
}

async function endpointOf(cnm: LocalController, name: string, network = 'web') {
  const found = (await cnm.network(network).endpoints()).find((each) => each.name === name)
  if (found === undefined) throw new Error(`there is no endpoint ${name}`)
  return found
}

async function joinDb(cnm: LocalController): Promise<void> {
  await prepare(cnm)
  await (await endpointOf(cnm, 'db')).join(cnm.sandbox('idle'))
}

const gateway = { gwPriority: 1, publish: ['9000:90'] }

const stories: readonly Story[] = [
  {
    name: 'connecting with ports',
    prepare,
    act: (cnm) =>
      cnm.createSandbox({
        connect: [{ network: 'web', publish: ['1000:1', '2000-2009:2000-2009'] }],
      }),
  },
  {
    name: 'publishing',
    prepare,
    act: async (cnm) =>
      (await endpointOf(cnm, 'api')).publish(['8080:80', '81', '9000-9009:9000-9009']),
  },
  {
    name: 'unpublishing',
    prepare,
    act: async (cnm) => (await endpointOf(cnm, 'api')).unpublish(['7000:80', '53/udp']),
  },
  {
    name: 'unpublishing a part',
    prepare,
    act: async (cnm) =>
      (await endpointOf(cnm, 'api')).unpublish(['8003-8004:8003-8004', '0.0.0.0:7000:80']),
  },
  {
    name: 'changing the rate',
    prepare,
    act: async (cnm) => {
      const rate = { toSandbox: '10mbit' }
      if ((await (await endpointOf(cnm, 'api')).inspect()).rate)
        throw new Error('it has a rate already')
      await (await endpointOf(cnm, 'api')).update({ rate })
    },
  },
  {
    name: 'joining with ports',
    prepare,
    act: async (cnm) => (await endpointOf(cnm, 'db')).join(cnm.sandbox('idle')),
  },
  {
    name: 'leaving with ports',
    prepare: joinDb,
    act: async (cnm) => (await endpointOf(cnm, 'db')).leave(),
  },
  {
    name: 'connecting where the ports of another become pending',
    prepare,
    act: (cnm) => cnm.sandbox('api').connect(cnm.network('back'), gateway),
  },
  {
    name: 'leaving where the ports of another become active',
    prepare: async (cnm) => {
      await prepare(cnm)
      await cnm.sandbox('api').connect(cnm.network('back'), gateway)
    },
    act: async (cnm) => (await endpointOf(cnm, 'api', 'back')).leave(),
  },
]

it.each(stories)('$name: a failure at any step leaves everything as it was', failsCleanly)

it.each(stories)(
  '$name: a crash at any call is undone or finished at the next start',
  survivesCrashes,
)
