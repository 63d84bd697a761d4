import type { Controller } from '../../src/api/controller.ts'
import type { ConnectOptions } from '../../src/api/endpoint-options.ts'
import type { NetworkOptions } from '../../src/api/options.ts'
import type { ErrorCode } from '../../src/base/errors.ts'

/** What is done, with what comes of it: nothing wrong, or which error. */
export type Step = readonly [
  what: string,
  comes: 'done' | ErrorCode,
  act: (cnm: Controller) => Promise<unknown>,
  /** Why the two say the same error in other words. */
  otherWords?: string,
]

const connected = (network: string, more: Omit<ConnectOptions, 'network'> = {}) => ({
  network,
  ...more,
})
const web: NetworkOptions = {
  name: 'web',
  subnets: ['10.7.0.0/24', { subnet: 'fd07::/64', gateway: 'fd07::1' }],
  labels: { tier: 'front', 'ü "': '\n' },
  options: { icc: true, mtu: 1400 },
}
const wrong = (value: unknown) => value as never
const only = async (cnm: Controller, name: string) => {
  const all = await cnm.endpoints()
  const found = all.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no endpoint ${name}`)
  return found
}

const networkSteps: readonly Step[] = [
  ['a network is made', 'done', (cnm) => cnm.createNetwork(web)],
  ['another with that name', 'NETWORK_EXISTS', (cnm) => cnm.createNetwork(web)],
  ['it is made sure of', 'done', (cnm) => cnm.ensureNetwork(web)],
  ['not another', 'NETWORK_EXISTS', (cnm) => cnm.ensureNetwork({ name: 'web', internal: true })],
  ['a name that is none', 'INVALID_NAME', (cnm) => cnm.createNetwork({ name: 'a/b' })],
  ['the longest name', 'done', (cnm) => cnm.createNetwork({ name: 'n'.repeat(128) })],
  ['and is found by it', 'done', async (cnm) => cnm.network('n'.repeat(128))],
  ['a name too long', 'INVALID_NAME', (cnm) => cnm.createNetwork({ name: 'n'.repeat(129) })],
  ['no name', 'INVALID_ARGUMENT', (cnm) => cnm.createNetwork(wrong({}))],
  ['an unknown key', 'INVALID_ARGUMENT', (cnm) => cnm.createNetwork(wrong({ name: 'a', b: 1 }))],
  [
    'a wrong value deep inside',
    'INVALID_ARGUMENT',
    (cnm) => cnm.createNetwork(wrong({ name: 'a', subnets: [{ subnet: 1 }] })),
  ],
  ['no subnet', 'INVALID_ADDRESS', (cnm) => cnm.createNetwork({ name: 'a', subnets: ['x'] })],
  [
    'a subnet that is taken',
    'POOL_OVERLAP',
    (cnm) => cnm.createNetwork({ name: 'a', subnets: ['10.7.0.0/16'] }),
  ],
  ['an unknown driver', 'UNKNOWN_DRIVER', (cnm) => cnm.createNetwork({ name: 'a', driver: 'b' })],
  ['there are no plugins', 'done', (cnm) => cnm.plugins()],
  ['so not that one', 'PLUGIN_NOT_FOUND', (cnm) => cnm.plugin('weave')],
  ['an unknown IPAM', 'UNKNOWN_IPAM', (cnm) => cnm.createNetwork({ name: 'a', ipam: 'b' })],
  [
    'an option with no such value',
    'INVALID_OPTION',
    (cnm) => cnm.createNetwork({ name: 'a', options: { mtu: 'wide' } }),
  ],
  ['the default networks stay', 'NOT_ALLOWED', async (cnm) => cnm.network('host').delete()],
  ['by name', 'done', async (cnm) => cnm.network('web')],
  ['by id', 'done', async (cnm) => cnm.network((await cnm.network('web').inspect()).id)],
  [
    'by the beginning of an id',
    'done',
    async (cnm) => cnm.network((await cnm.network('web').inspect()).id.slice(0, 20)),
  ],
  ...['nope', '', '.', '..', '../networks', 'prune', 'a b', '%2e', 'ü', 'x'.repeat(5000)].map(
    (name): Step => [
      `an unknown name: ${JSON.stringify(name.slice(0, 20))}`,
      'NETWORK_NOT_FOUND',
      async (cnm) => cnm.network(name),
    ],
  ),
  ['all of them', 'done', async (cnm) => cnm.networks()],
]

const sandboxSteps: readonly Step[] = [
  ['a sandbox is made', 'done', (cnm) => cnm.createSandbox({ name: 'plain' })],
  ['one without a name', 'done', async (cnm) => (await cnm.createSandbox()).delete()],
  [
    'one that is connected',
    'done',
    (cnm) =>
      cnm.createSandbox({
        name: 'box',
        hostname: 'box.example',
        dns: ['10.7.0.5:5353'],
        extraHosts: ['db:10.7.0.9'],
        connect: [connected('web', { ip: '10.7.0.7', publish: ['8080:80'], expose: ['9000/udp'] })],
      }),
  ],
  ['another with that name', 'SANDBOX_EXISTS', (cnm) => cnm.createSandbox({ name: 'box' })],
  ['two ways at once', 'INVALID_ARGUMENT', (cnm) => cnm.createSandbox({ host: true, pid: 1 })],
  [
    'a namespace that is not there',
    'NAMESPACE_NOT_FOUND',
    (cnm) => cnm.createSandbox({ netns: '/nowhere/ns' }),
  ],
  [
    'a network that is not there',
    'NETWORK_NOT_FOUND',
    (cnm) => cnm.createSandbox({ connect: [connected('nope')] }),
  ],
  ['by name', 'done', async (cnm) => cnm.sandbox('box')],
  ['an unknown name', 'SANDBOX_NOT_FOUND', async (cnm) => cnm.sandbox('nope')],
  ['no name', 'SANDBOX_NOT_FOUND', async (cnm) => cnm.sandbox('')],
  ['all of them', 'done', async (cnm) => cnm.sandboxes()],
  ['its endpoints', 'done', async (cnm) => cnm.sandbox('box').endpoints()],
  [
    'a program that no kernel starts',
    'UNSUPPORTED_KERNEL',
    async (cnm) => cnm.sandbox('box').exec(['true']),
  ],
  ['no program', 'INVALID_ARGUMENT', async (cnm) => cnm.sandbox('box').exec(wrong(['a\0b']))],
  [
    'a program that is no process',
    'INVALID_ARGUMENT',
    async (cnm) => cnm.sandbox('box').bindProgram(0),
    'the pid is in a body',
  ],
]

const endpointSteps: readonly Step[] = [
  [
    'connected twice',
    'ALREADY_CONNECTED',
    async (cnm) => cnm.sandbox('box').connect(cnm.network('web'), { name: 'b' }),
  ],
  [
    'an address in use',
    'ADDRESS_IN_USE',
    async (cnm) => cnm.sandbox('plain').connect(cnm.network('web'), { ip: '10.7.0.7' }),
  ],
  [
    'a port in use',
    'PORT_IN_USE',
    async (cnm) => cnm.sandbox('plain').connect(cnm.network('web'), { publish: ['8080:81'] }),
  ],
  [
    'a network that is none',
    'INVALID_ARGUMENT',
    async (cnm) => cnm.sandbox('plain').connect(wrong(1)),
  ],
  [
    'one is made on its own',
    'done',
    async (cnm) =>
      cnm.network('web').createEndpoint({
        name: 'db',
        aliases: ['store'],
        persistent: true,
        rate: { toSandbox: '100mbit' },
      }),
  ],
  [
    'and another so',
    'ENDPOINT_EXISTS',
    async (cnm) => cnm.network('web').createEndpoint({ name: 'db' }),
  ],
  ['by id', 'done', async (cnm) => cnm.endpoint((await only(cnm, 'db')).id)],
  ['an unknown id', 'ENDPOINT_NOT_FOUND', async (cnm) => cnm.endpoint('0'.repeat(64))],
  ['leaves nothing', 'ENDPOINT_NOT_JOINED', async (cnm) => (await only(cnm, 'db')).leave()],
  [
    'joins what it has joined before',
    'ALREADY_CONNECTED',
    async (cnm) => (await only(cnm, 'db')).join(cnm.sandbox('box')),
  ],
  [
    'joins nothing',
    'INVALID_ARGUMENT',
    async (cnm) => (await only(cnm, 'db')).join(wrong(undefined)),
  ],
  ['joins', 'done', async (cnm) => (await only(cnm, 'db')).join(cnm.sandbox('plain'))],
  [
    'joins again',
    'ENDPOINT_IN_USE',
    async (cnm) => (await only(cnm, 'db')).join(cnm.sandbox('box')),
  ],
  [
    'publishes',
    'done',
    async (cnm) => (await only(cnm, 'db')).publish(['9090:90', { ports: 91, hostPorts: 9191 }]),
  ],
  [
    'publishes what is taken',
    'PORT_IN_USE',
    async (cnm) => (await only(cnm, 'db')).publish(['8080:80']),
  ],
  ['publishes no port', 'INVALID_PORT', async (cnm) => (await only(cnm, 'db')).publish(['x'])],
  ['is looked at', 'done', async (cnm) => (await only(cnm, 'db')).inspect()],
  ['unpublishes', 'done', async (cnm) => (await only(cnm, 'db')).unpublish(['9090:90'])],
  [
    'unpublishes what it does not publish',
    'INVALID_ARGUMENT',
    async (cnm) => (await only(cnm, 'db')).unpublish(['9090:90']),
  ],
  [
    'unpublishes nothing sensible',
    'INVALID_ARGUMENT',
    async (cnm) => (await only(cnm, 'db')).unpublish(wrong([1])),
    'the list is in a body',
  ],
  [
    'is changed',
    'done',
    async (cnm) => (await only(cnm, 'db')).update({ rate: { toSandbox: 8e6 } }),
  ],
  [
    'is changed wrongly',
    'INVALID_ARGUMENT',
    async (cnm) => (await only(cnm, 'db')).update(wrong({ speed: 1 })),
  ],
  ['all of a network', 'done', async (cnm) => cnm.network('web').endpoints()],
  ['all there are', 'done', async (cnm) => cnm.endpoints()],
  ['leaves', 'done', async (cnm) => (await only(cnm, 'db')).leave()],
]

const signal = AbortSignal.abort('enough')
const endSteps: readonly Step[] = [
  ['cancelled before it begins', 'CANCELLED', (cnm) => cnm.createNetwork({ name: 'c', signal })],
  ['cancelled, too', 'CANCELLED', (cnm) => cnm.doctor({ signal })],
  ['cancelled likewise', 'CANCELLED', async (cnm) => (await only(cnm, 'db')).delete({ signal })],
  ['a stream that was ended before', 'done', async (cnm) => all(await cnm.queries({ signal }))],
  ['a network with endpoints', 'NETWORK_IN_USE', async (cnm) => cnm.network('web').delete()],
  ['the machine is compared', 'done', (cnm) => cnm.doctor()],
  ['and mended', 'done', (cnm) => cnm.doctor({ fix: true })],
  [
    'gone, and then still used',
    'ENDPOINT_NOT_FOUND',
    async (cnm) => {
      const endpoint = await only(cnm, 'db')
      await endpoint.delete()
      return endpoint.delete()
    },
  ],
  [
    'gone twice is no error where it is disposed of',
    'done',
    async (cnm) => {
      const sandbox = cnm.sandbox('plain')
      await sandbox.delete()
      await sandbox[Symbol.asyncDispose]()
    },
  ],
  [
    'a network with all that is on it',
    'done',
    async (cnm) => cnm.network('web').delete({ force: true }),
  ],
  ['networks without endpoints', 'done', (cnm) => cnm.prune()],
  ['everything', 'done', (cnm) => cnm.down()],
  ['what is left', 'done', async (cnm) => [await cnm.networks(), await cnm.sandboxes()]],
  ['it is closed', 'done', (cnm) => cnm.close()],
  ['and closed again', 'done', (cnm) => cnm.close()],
  ['and can do nothing more', 'CLOSED', (cnm) => cnm.createNetwork({ name: 'late' })],
]

async function all(stream: AsyncIterable<object>): Promise<object[]> {
  const seen: object[] = []
  for await (const each of stream) seen.push(each)
  return seen
}

/** One step after the other: each stands on what those before it have made. */
export const verbStory = [...networkSteps, ...sandboxSteps, ...endpointSteps, ...endSteps]
