import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { bridge } from '#dist/driver/bridge/bridge.js'
import { type Controller, createController } from '#dist/index.js'
import { local as localIpam } from '#dist/ipam/local/local.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import { local as localStore } from '#dist/store/local/local.js'
import { type ThrowAwayHost, throwAwayHost } from '../support/host.ts'
import { hostState } from '../support/host-state.ts'

interface Story {
  readonly name: string
  prepare?(cnm: Controller, host: ThrowAwayHost): Promise<unknown>
  act(cnm: Controller, host: ThrowAwayHost): Promise<unknown>
  /** Takes it back, so that the next call can be tried. */
  undo(cnm: Controller, host: ThrowAwayHost): Promise<unknown>
  /** What is there before counts as a finding, too. */
  readonly broken?: boolean
}

const web = { name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] }
const back = { name: 'back', internal: true, options: { icc: false } }

async function hostWithSandbox(cnm: Controller): Promise<void> {
  await cnm.createNetwork(web)
  await cnm.createNetwork(back)
  await cnm.createNetwork({ name: 'more', ipv6: true })
  await cnm.createSandbox({ name: 'api', connect: [{ network: 'back' }] })
}

const published = ['8000-8009:8000-8009', '7000:80/udp', '9000-9001:90-91']

async function hostWithPorts(cnm: Controller): Promise<void> {
  await hostWithSandbox(cnm)
  await cnm.sandbox('api').connect(cnm.network('web'), { publish: published })
}

const stories: readonly Story[] = [
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
    undo: async (cnm) => cnm.sandbox('api').endpoints()[1]?.leave(),
  },
  {
    name: 'a disconnection',
    prepare: async (cnm) => {
      await hostWithSandbox(cnm)
      await cnm.sandbox('api').connect(cnm.network('web'))
    },
    act: async (cnm) => cnm.sandbox('api').endpoints()[1]?.leave(),
    undo: (cnm) => cnm.sandbox('api').connect(cnm.network('web')),
  },
  {
    name: 'an endpoint of its own that joins',
    prepare: async (cnm) => {
      await hostWithSandbox(cnm)
      await cnm.network('web').createEndpoint({ name: 'db', persistent: true })
    },
    act: async (cnm) => cnm.network('web').endpoints()[0]?.join(cnm.sandbox('api')),
    undo: async (cnm) => cnm.network('web').endpoints()[0]?.leave(),
  },
  {
    name: 'a connection with ports',
    prepare: hostWithSandbox,
    act: (cnm) => cnm.sandbox('api').connect(cnm.network('web'), { publish: published }),
    undo: async (cnm) => cnm.sandbox('api').endpoints()[1]?.leave(),
  },
  {
    name: 'ports published',
    prepare: hostWithPorts,
    act: async (cnm) =>
      cnm.sandbox('api').endpoints()[1]?.publish(['1000:80', '2000-2009:2000-2009']),
    undo: async (cnm) => cnm.sandbox('api').endpoints()[1]?.unpublish(['1000:80', '2000-2009']),
  },
  {
    name: 'a part of published ports unpublished',
    prepare: hostWithPorts,
    act: async (cnm) =>
      cnm.sandbox('api').endpoints()[1]?.unpublish(['8004-8005:8004-8005', '0.0.0.0:9000:90']),
    undo: async (cnm) => {
      const endpoint = cnm.sandbox('api').endpoints()[1]
      await endpoint?.unpublish(endpoint.inspect().ports)
      await endpoint?.publish(published)
    },
  },
  {
    name: 'ports that become pending, with a rate',
    prepare: hostWithPorts,
    act: (cnm) =>
      cnm.sandbox('api').connect(cnm.network('more'), {
        gwPriority: 1,
        publish: ['7000:80', '7001:80/udp'],
        rate: { toSandbox: '10mbit', fromSandbox: '10mbit' },
      }),
    undo: async (cnm) => cnm.sandbox('api').endpoints()[2]?.leave(),
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

async function breakBridge(_: Controller, host: ThrowAwayHost): Promise<void> {
  await host.ip('link del web0')
}

it.each(stories)('$name: whichever kernel call fails, nothing has changed', async (story) => {
  await using host = await throwAwayHost({ internet: true })
  const namespaceDir = join(host.folder, 'run/netns')
  await mkdir(namespaceDir, { recursive: true })
  const kernel = await linuxKernel({ host: host.netns })
  await using cnm = await createController({
    kernel,
    store: localStore({ stateDir: join(host.folder, 'state'), runDir: join(host.folder, 'run') }),
    drivers: [bridge()],
    ipams: [localIpam({ seed: 'test' })],
    namespaceDir,
  })
  await story.prepare?.(cnm, host)
  // How many kernel calls there are, is counted in a first, undisturbed run.
  await kernel.armFault(Number.MAX_SAFE_INTEGER)
  await story.act(cnm, host)
  const calls = await kernel.faultCalls()
  expect(calls).toBeGreaterThan(0)
  await story.undo(cnm, host)
  await kernel.settled()
  let before = (await hostState(host)).join('\n')
  for (let k = 1; k <= calls; k += 1) {
    await kernel.armFault(k)
    const failure = await story.act(cnm, host).then(
      () => undefined,
      (error: unknown) => error,
    )
    await kernel.armFault(Number.MAX_SAFE_INTEGER)
    await kernel.settled()
    if (failure !== undefined) {
      expect((await hostState(host)).join('\n')).toBe(before)
    } else {
      // A call whose failure does no harm: deleting in the background.
      await story.undo(cnm, host)
      await kernel.settled()
      before = (await hostState(host)).join('\n')
    }
    if (!story.broken) expect(await cnm.doctor()).toEqual([])
  }
})
