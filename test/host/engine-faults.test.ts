import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { bridge } from '#dist/driver/bridge/bridge.js'
import { type Controller, createController } from '#dist/index.js'
import { local as localIpam } from '#dist/ipam/local/local.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import { local as localStore } from '#dist/store/local/local.js'
import { throwAwayHost } from '../support/host.ts'
import { hostState } from '../support/host-state.ts'

interface Story {
  readonly name: string
  prepare?(cnm: Controller): Promise<unknown>
  act(cnm: Controller): Promise<unknown>
  /** Takes it back, so that the next call can be tried. */
  undo(cnm: Controller): Promise<unknown>
}

const web = { name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] }
const back = { name: 'back', internal: true, options: { icc: false } }

async function hostWithSandbox(cnm: Controller): Promise<void> {
  await cnm.createNetwork(web)
  await cnm.createNetwork(back)
  await cnm.createSandbox({ name: 'api', connect: [{ network: 'back' }] })
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
]

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
  await story.prepare?.(cnm)
  // How many kernel calls there are, is counted in a first, undisturbed run.
  await kernel.armFault(Number.MAX_SAFE_INTEGER)
  await story.act(cnm)
  const calls = await kernel.faultCalls()
  expect(calls).toBeGreaterThan(0)
  await story.undo(cnm)
  await kernel.settled()
  let before = (await hostState(host)).join('\n')
  for (let k = 1; k <= calls; k += 1) {
    await kernel.armFault(k)
    const failure = await story.act(cnm).then(
      () => undefined,
      (error: unknown) => error,
    )
    await kernel.armFault(Number.MAX_SAFE_INTEGER)
    await kernel.settled()
    if (failure !== undefined) {
      expect((await hostState(host)).join('\n')).toBe(before)
    } else {
      // A call whose failure does no harm: deleting in the background.
      await story.undo(cnm)
      await kernel.settled()
      before = (await hostState(host)).join('\n')
    }
    expect(await cnm.doctor()).toEqual([])
  }
})
