import { expect, it } from 'vitest'
import { MemoryRig } from '../../test/support/memory-rig.ts'
import type { LocalController } from './controller.ts'

type Attempt = (cnm: LocalController) => Promise<unknown>

const attempts: readonly [string, Attempt, object][] = [
  [
    'a name that is taken',
    (cnm) => cnm.createNetwork({ name: 'web' }),
    { code: 'NETWORK_EXISTS', message: 'network "web" exists already' },
  ],
  [
    'no name',
    (cnm) => cnm.createNetwork({ name: 'no spaces' }),
    { code: 'INVALID_NAME', message: '"no spaces" is not a name' },
  ],
  [
    'an unknown driver',
    (cnm) => cnm.createNetwork({ name: 'x', driver: 'magic' }),
    { code: 'UNKNOWN_DRIVER', message: 'there is no driver "magic"' },
  ],
  [
    'an unknown key',
    (cnm) => cnm.createNetwork({ name: 'x', subnet: '10.0.0.0/24' } as never),
    { code: 'INVALID_ARGUMENT', message: 'network options: unknown key "subnet"' },
  ],
  [
    'an unknown driver option',
    (cnm) => cnm.createNetwork({ name: 'x', options: { mtuu: 1500 } }),
    { code: 'INVALID_OPTION', message: 'network "x": unknown option "mtuu"' },
  ],
  [
    'an MTU that is none',
    (cnm) => cnm.createNetwork({ name: 'x', options: { mtu: 12 } }),
    { code: 'INVALID_OPTION', message: 'network "x": option "mtu" is 12' },
  ],
  [
    'two spellings of one option that differ',
    (cnm) =>
      cnm.createNetwork({
        name: 'x',
        options: { icc: true, 'com.docker.network.bridge.enable_icc': 'false' },
      }),
    {
      code: 'INVALID_OPTION',
      message: 'network "x": option "icc" is given twice with different values',
    },
  ],
  [
    'an overlapping subnet',
    (cnm) => cnm.createNetwork({ name: 'x', subnets: ['10.7.0.128/25'] }),
    { code: 'POOL_OVERLAP', message: expect.stringContaining('"web"') },
  ],
  [
    'host bits',
    (cnm) => cnm.createNetwork({ name: 'x', subnets: ['10.8.0.1/24'] }),
    { code: 'INVALID_ADDRESS', hint: expect.stringContaining('10.8.0.0/24') },
  ],
  [
    'two IPv4 subnets',
    (cnm) => cnm.createNetwork({ name: 'x', subnets: ['10.8.0.0/24', '10.9.0.0/24'] }),
    { code: 'INVALID_POOL' },
  ],
  [
    'a gateway outside the subnet',
    (cnm) =>
      cnm.createNetwork({ name: 'x', subnets: [{ subnet: '10.8.0.0/24', gateway: '10.9.0.1' }] }),
    { code: 'INVALID_ADDRESS' },
  ],
  [
    'neither family',
    (cnm) => cnm.createNetwork({ name: 'x', ipv4: false }),
    { code: 'INVALID_ARGUMENT' },
  ],
  [
    "another program's device",
    (cnm) => cnm.createNetwork({ name: 'x', options: { bridge: 'uplink' } }),
    { code: 'INVALID_OPTION', message: 'network "x": "uplink" is a device, not a bridge' },
  ],
  [
    "another network's bridge",
    (cnm) => cnm.createNetwork({ name: 'x', options: { bridge: 'lan0' } }),
    { code: 'LINK_EXISTS', message: expect.stringContaining('belongs to network "web"') },
  ],
  [
    'deleting a network in use',
    (cnm) => cnm.network('web').delete(),
    { code: 'NETWORK_IN_USE', message: 'network "web" has 1 endpoint (api)' },
  ],
  [
    'a network that is not there',
    (cnm) => cnm.network('nope').inspect(),
    { code: 'NETWORK_NOT_FOUND' },
  ],
  [
    'a sandbox name that is taken',
    (cnm) => cnm.createSandbox({ name: 'api' }),
    { code: 'SANDBOX_EXISTS' },
  ],
  [
    'a namespace that is not there',
    (cnm) => cnm.createSandbox({ netns: '/run/netns/nope' }),
    { code: 'NAMESPACE_NOT_FOUND' },
  ],
  [
    'two ways at once',
    (cnm) => cnm.createSandbox({ netns: '/run/netns/x', pid: 1 }),
    { code: 'INVALID_ARGUMENT' },
  ],
  [
    'a second connection',
    (cnm) => cnm.sandbox('api').connect(cnm.network('web'), { name: 'again' }),
    { code: 'ALREADY_CONNECTED', message: 'sandbox "api" is on network "web" already' },
  ],
  [
    'a second connection with the same name',
    (cnm) => cnm.sandbox('api').connect(cnm.network('web')),
    { code: 'ALREADY_CONNECTED' },
  ],
  [
    'the same network twice',
    (cnm) => cnm.createSandbox({ name: 'x', connect: [{ network: 'web' }, { network: 'web' }] }),
    { code: 'ALREADY_CONNECTED', message: 'sandbox "x" is on network "web" already' },
  ],
  [
    'an endpoint name that is taken',
    (cnm) => cnm.network('web').createEndpoint({ name: 'api' }),
    { code: 'ENDPOINT_EXISTS' },
  ],
  [
    'an address that is taken',
    (cnm) => cnm.network('web').createEndpoint({ name: 'x', ip: '10.7.0.2' }),
    { code: 'ADDRESS_IN_USE', message: expect.stringContaining('endpoint "api"') },
  ],
  [
    'an address outside',
    (cnm) => cnm.network('web').createEndpoint({ name: 'x', ip: '10.8.0.2' }),
    { code: 'INVALID_ADDRESS' },
  ],
  [
    'an IPv6 address without IPv6',
    (cnm) => cnm.network('web').createEndpoint({ name: 'x', ip6: 'fd00::2' }),
    {
      code: 'INVALID_ADDRESS',
      message: 'network "web" has no IPv6 subnet, so fd00::2 can\'t be used',
    },
  ],
  [
    'a MAC that is none',
    (cnm) => cnm.network('web').createEndpoint({ name: 'x', mac: 'nope' }),
    { code: 'INVALID_ADDRESS' },
  ],
  ...[
    'eth%d',
    'lo',
    'all',
    'default',
    '..',
    'a/b',
    'a:b',
    'a b',
    'é',
    '',
    'a234567890123456',
  ].flatMap((name): [string, Attempt, object][] => [
    [
      `a link called ${JSON.stringify(name)} inside`,
      (cnm) => cnm.network('web').createEndpoint({ name: 'x', interfaceName: name }),
      { code: 'INVALID_ARGUMENT', message: expect.stringContaining('no name for a link') },
    ],
    [
      `a bridge called ${JSON.stringify(name)}`,
      (cnm) => cnm.createNetwork({ name: 'x', options: { bridge: name } }),
      { code: 'INVALID_OPTION', message: expect.stringContaining('no name for a link') },
    ],
  ]),
  [
    'a link name in a connection of a new sandbox',
    (cnm) => cnm.createSandbox({ connect: [{ network: 'web', interfaceName: 'eth%d' }] }),
    { code: 'INVALID_ARGUMENT', hint: expect.stringContaining('15') },
  ],
  [
    'a prefix that leaves no room for numbers',
    (cnm) => cnm.createNetwork({ name: 'x', options: { prefix: 'a23456789012' } }),
    { code: 'INVALID_OPTION', hint: expect.stringContaining('11') },
  ],
  [
    'a prefix that the kernel expands',
    (cnm) => cnm.createNetwork({ name: 'x', options: { prefix: 'e%d' } }),
    { code: 'INVALID_OPTION' },
  ],
  [
    'a number where a network is wanted',
    (cnm) => cnm.sandbox('api').connect(5 as never),
    { code: 'INVALID_ARGUMENT', message: '5 is no network of this controller' },
  ],
  [
    'nothing where a sandbox is wanted',
    async (cnm) => (await cnm.sandbox('api').endpoints())[0]?.join(undefined as never),
    { code: 'INVALID_ARGUMENT', message: 'undefined is no sandbox of this controller' },
  ],
  ...[[], 'ls', [''], ['ls', 1], ['ls', 'a\0b'], undefined].map(
    (argv): [string, Attempt, object] => [
      `to run ${JSON.stringify(argv)}`,
      (cnm) => cnm.sandbox('api').exec(argv as never),
      { code: 'INVALID_ARGUMENT', message: 'argv is no list of a program and its arguments' },
    ],
  ),
  [
    'an unknown option of spawn',
    (cnm) => cnm.sandbox('api').spawn(['ls'], { uid: 1 } as never),
    { code: 'INVALID_ARGUMENT', message: 'program options: unknown key "uid"' },
  ],
  [
    'an unknown option of exec',
    (cnm) => cnm.sandbox('api').exec(['ls'], { stdio: 'inherit' } as never),
    { code: 'INVALID_ARGUMENT', message: 'program options: unknown key "stdio"' },
  ],
  ...(['spawn', 'exec'] as const).map((verb): [string, Attempt, object] => [
    `${verb} once it is cancelled`,
    (cnm) => cnm.sandbox('api')[verb](['ls'], { signal: AbortSignal.abort() }),
    { code: 'CANCELLED', message: 'starting ls in sandbox "api" was cancelled' },
  ]),
  [
    'doctor once it is cancelled',
    (cnm) => cnm.doctor({ signal: AbortSignal.abort() }),
    { code: 'CANCELLED' },
  ],
  [
    'to ensure nothing',
    (cnm) => cnm.ensureNetwork(undefined as never),
    { code: 'INVALID_ARGUMENT' },
  ],
  [
    'a second network in a failing step',
    (cnm) => cnm.createSandbox({ connect: [{ network: 'web' }, { network: 'nope' }] }),
    { code: 'NETWORK_NOT_FOUND' },
  ],
]

it.each(attempts)(
  'refuses %s with one clear error and changes nothing',
  async (_, attempt, error) => {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    const web = { name: 'web', subnets: ['10.7.0.0/24'], options: { bridge: 'lan0' } }
    await cnm.createNetwork(web)
    await cnm.createSandbox({ name: 'api', connect: [{ network: 'web' }] })
    const before = rig.snapshot()
    await expect(attempt(cnm)).rejects.toMatchObject(error)
    expect(rig.snapshot()).toEqual(before)
    // Names and addresses are free again too.
    const next = await cnm.network('web').createEndpoint({ name: 'x', ip: '10.7.0.3' })
    expect((await next.inspect()).ipv4).toBe('10.7.0.3')
  },
)

it('takes a network as it is only if it is the one wanted', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const web = await cnm.ensureNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
  expect((await cnm.ensureNetwork({ name: 'web' })).id).toBe(web.id)
  expect((await cnm.ensureNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })).id).toBe(web.id)
  await expect(cnm.ensureNetwork({ name: 'web', internal: true })).rejects.toMatchObject({
    code: 'NETWORK_EXISTS',
    message: 'network "web" exists already, but its internal is false, not true',
  })
})

const built = {
  name: 'lan',
  subnets: [
    { subnet: '10.9.0.0/24', range: '10.9.0.128/25', auxAddresses: { printer: '10.9.0.9' } },
  ],
  options: { icc: false, mtu: 1300 },
}

it.each([
  [{ subnets: ['0.0.0.0/24'] }],
  [{ subnets: ['10.9.0.0/24'], driver: 'bridge', ipam: 'local', ipv4: true, ipv6: false }],
  [{ options: { 'com.docker.network.bridge.enable_icc': '0' }, labels: { other: 'label' } }],
  [built],
])('ensureNetwork takes what means the same: %j', async (options) => {
  await using cnm = await new MemoryRig().start()
  const lan = await cnm.createNetwork(built)
  expect((await cnm.ensureNetwork({ ...options, name: 'lan' })).id).toBe(lan.id)
})

it.each([
  ['driver is bridge, not null', { driver: 'none' }],
  ['IPAM is local, not null', { ipam: 'null' }],
  ['ephemeral is false, not true', { ephemeral: true }],
  ['ipv4 is true, not false', { ipv4: false }],
  ['ipv6 is false, not true', { ipv6: true }],
  ['subnet is 10.9.0.0/24, not 0.0.0.0/26', { subnets: ['0.0.0.0/26'] }],
  ['subnet is not set, not fd00::/64', { subnets: ['fd00::/64'] }],
  [
    'range is 10.9.0.128/25, not 10.9.0.0/25',
    { subnets: [{ subnet: '10.9.0.0/24', range: '10.9.0.0/25' }] },
  ],
  [
    'gateway is 10.9.0.128, not 10.9.0.7',
    { subnets: [{ subnet: '10.9.0.0/24', gateway: '10.9.0.7' }] },
  ],
  [
    'auxiliary address "printer" is 10.9.0.9, not 10.9.0.8',
    { subnets: [{ subnet: '10.9.0.0/24', auxAddresses: { printer: '10.9.0.8' } }] },
  ],
  ['option "icc" is false, not true', { options: { icc: true } }],
  ['option "bridge" is not set, not lan0', { options: { bridge: 'lan0' } }],
  [
    'internal is false, not true, and its option "mtu" is 1300, not 1400',
    { internal: true, options: { 'com.docker.network.driver.mtu': '1400' } },
  ],
])('ensureNetwork refuses a network whose %s', async (difference, options) => {
  await using cnm = await new MemoryRig().start()
  await cnm.createNetwork(built)
  await expect(cnm.ensureNetwork({ ...options, name: 'lan' })).rejects.toMatchObject({
    code: 'NETWORK_EXISTS',
    message: `network "lan" exists already, but its ${difference}`,
  })
})

it('says so when it is closed', async () => {
  const rig = new MemoryRig()
  const cnm = await rig.start()
  await cnm.close()
  await cnm.close()
  await expect(cnm.networks()).rejects.toMatchObject({ code: 'CLOSED' })
})
