import { it } from 'vitest'
import type { LocalController } from '#dist/index.js'
import { type FaultStory, survivesFaults } from '../support/fault-story.ts'
import type { ThrowAwayHost } from '../support/host.ts'

const web = { name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] }
const back = { name: 'back', internal: true, options: { icc: false } }

async function hostWithSandbox(cnm: LocalController): Promise<void> {
  await cnm.createNetwork(web)
  await cnm.createNetwork(back)
  await cnm.createSandbox({ name: 'api', connect: [{ network: 'back' }] })
}

const stories: readonly FaultStory[] = [
  {
    name: 'the first network',
    act: (cnm) => cnm.createNetwork(web),
    undo: (cnm) => cnm.network('web').delete(),
  },
  {
    name: 'a network deleted',
    prepare: (cnm) => cnm.createNetwork(web),
    act: (cnm) => cnm.network('web').delete(),
    undo: (cnm) => cnm.createNetwork(web),
  },
  {
    name: 'a connected sandbox',
    prepare: hostWithSandbox,
    act: (cnm) =>
      cnm.createSandbox({ name: 'new', connect: [{ network: 'web' }, { network: 'back' }] }),
    undo: (cnm) => cnm.sandbox('new').delete(),
  },
  {
    name: 'a sandbox deleted',
    prepare: hostWithSandbox,
    act: (cnm) => cnm.sandbox('api').delete(),
    undo: (cnm) => cnm.createSandbox({ name: 'api', connect: [{ network: 'back' }] }),
  },
  {
    name: 'a second connection, with the default route',
    prepare: hostWithSandbox,
    act: (cnm) => cnm.sandbox('api').connect(cnm.network('web')),
    undo: async (cnm) => (await cnm.sandbox('api').endpoints())[1]?.leave(),
  },
  {
    name: 'a disconnection',
    prepare: async (cnm) => {
      await hostWithSandbox(cnm)
      await cnm.sandbox('api').connect(cnm.network('web'))
    },
    act: async (cnm) => (await cnm.sandbox('api').endpoints())[1]?.leave(),
    undo: (cnm) => cnm.sandbox('api').connect(cnm.network('web')),
  },
  {
    name: 'an endpoint of its own that joins',
    prepare: async (cnm) => {
      await hostWithSandbox(cnm)
      await cnm.network('web').createEndpoint({ name: 'db', persistent: true })
    },
    act: async (cnm) => (await cnm.network('web').endpoints())[0]?.join(cnm.sandbox('api')),
    undo: async (cnm) => (await cnm.network('web').endpoints())[0]?.leave(),
  },
  {
    name: 'an adopted sandbox',
    prepare: async (cnm, host) => {
      await hostWithSandbox(cnm)
      await host.createNamespace('theirs')
    },
    act: (cnm, host) =>
      cnm.createSandbox({
        name: 'theirs',
        netns: `${host.folder}/theirs`,
        connect: [{ network: 'web' }, { network: 'back' }],
      }),
    undo: (cnm) => cnm.sandbox('theirs').delete(),
  },
  {
    name: 'mending a bridge that somebody deleted',
    broken: true,
    prepare: async (cnm, host) => {
      await cnm.createNetwork({ name: 'web', ipv6: true, options: { bridge: 'web0' } })
      await cnm.createSandbox({ connect: [{ network: 'web' }] })
      await breakBridge(cnm, host)
    },
    act: (cnm) => cnm.doctor({ fix: true }),
    undo: breakBridge,
  },
]

async function breakBridge(_: LocalController, host: ThrowAwayHost): Promise<void> {
  await host.ip('link del web0')
}

it.each(stories)(
  '$name: whichever kernel call fails, nothing has changed',
  // A busy machine needs a while for each of some dozens of failures.
  { timeout: 180_000 },
  survivesFaults,
)
