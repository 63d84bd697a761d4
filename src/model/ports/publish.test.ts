import { expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import { bindings, held, onWeb, reserved, states, web } from '../../../test/support/publishing.ts'
import { publishedText } from './port-spec.ts'

it('publishes when it connects, and takes everything back', async () => {
  const rig = new MemoryRig()
  await using cnm = await web(rig)
  const before = rig.snapshot()
  const box = await cnm.createSandbox({ name: 'api' })
  const endpoint = await box.connect(cnm.network('web'), { publish: ['8080:80', '53:53/udp'] })
  expect(await bindings(endpoint)).toEqual([
    '0.0.0.0:8080:80/tcp',
    '[::]:8080:80/tcp',
    '0.0.0.0:53:53/udp',
    '[::]:53:53/udp',
  ])
  expect(await states(endpoint)).toEqual(['active', 'active', 'active', 'active'])
  const lines = rig.kernel.lines().join('\n')
  expect(lines).toContain('cnm published4 { tcp . 8080')
  await box.delete()
  expect(rig.snapshot()).toEqual(before)
  await onWeb(cnm, 'next', ['8080:80'])
})

it('publishes and unpublishes while a sandbox runs', async () => {
  const rig = new MemoryRig()
  await using cnm = await web(rig, { subnets: ['10.7.0.0/24'] })
  const api = await onWeb(cnm, 'api')
  const before = rig.snapshot()
  const made = await api.publish(['8000-8999:8000-8999', '7000:80', '7001:81', '90'])
  expect(made.map(publishedText)).toEqual([
    '0.0.0.0:8000-8999:8000-8999/tcp',
    '0.0.0.0:7000-7001:80-81/tcp',
    '0.0.0.0:32768:90/tcp',
  ])
  expect(made[0]?.state).toBe('active')
  await api.unpublish(['8100-8199:8100-8199', '81', made[2] as never])
  expect(await bindings(api)).toEqual([
    '0.0.0.0:8000-8099:8000-8099/tcp',
    '0.0.0.0:8200-8999:8200-8999/tcp',
    '0.0.0.0:7000:80/tcp',
  ])
  const next = await onWeb(cnm, 'next', ['8100:80', '32768:81'])
  await next.delete()
  await cnm.sandbox('next').delete()
  await expect(api.publish(['8099:1'])).rejects.toMatchObject({ code: 'PORT_IN_USE' })
  await api.unpublish((await api.inspect()).ports)
  expect(rig.snapshot()).toEqual(before)
  expect(await cnm.doctor()).toEqual([])
})

it('unpublishes only what is published', async () => {
  await using cnm = await web(new MemoryRig())
  const api = await onWeb(cnm, 'api', ['8080:80'])
  for (const wrong of ['9090', '8081:80', '8080:81', '8080:80/udp', '127.0.0.1:8080:80']) {
    await expect(api.unpublish(['8080:80', wrong])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('endpoint "api" of network "web" does not publish'),
      hint: expect.stringContaining('0.0.0.0:8080:80/tcp'),
    })
  }
  expect(await bindings(api)).toHaveLength(2)
  await api.unpublish(['[::]::80'])
  expect(await bindings(api)).toEqual(['0.0.0.0:8080:80/tcp'])
})

it('publishes nothing of an endpoint that has joined nothing, until it joins', async () => {
  const rig = new MemoryRig()
  await using cnm = await web(rig)
  const network = cnm.network('web')
  const wish = { name: 'db', persistent: true, publish: ['5432:5432', '80'] }
  const db = await network.createEndpoint(wish)
  await expect(db.publish(['1:1'])).rejects.toMatchObject({ code: 'ENDPOINT_NOT_JOINED' })
  expect(await bindings(db)).toEqual([])
  const [one, two] = [await cnm.createSandbox(), await cnm.createSandbox()]
  await db.join(one)
  expect((await bindings(db))?.[0]).toBe('0.0.0.0:5432:5432/tcp')
  const other = await network.createEndpoint({ name: 'other', publish: ['5432:1'] })
  await expect(other.join(two)).rejects.toMatchObject({ code: 'PORT_IN_USE' })
  await db.leave()
  expect(await bindings(db)).toEqual([])
  await other.join(two)
  await expect(db.join(one)).rejects.toMatchObject({ code: 'PORT_IN_USE' })
  await other.leave()
  await db.join(one)
  // What is left of a wish is wished for again.
  await db.unpublish(['[::]:5432:5432'])
  await db.leave()
  await db.join(one)
  expect(await bindings(db)).toHaveLength(3)
})

it('passes nothing on while the default route leads elsewhere', async () => {
  const rig = new MemoryRig()
  await using cnm = await web(rig)
  await cnm.createNetwork({ name: 'back', subnets: ['10.8.0.0/24'] })
  const api = await onWeb(cnm, 'api', ['8080:80'])
  const isPublished = (what: string) => rig.kernel.lines().some((line) => line.includes(what))
  const box = cnm.sandbox('api')
  const back = await box.connect(cnm.network('back'), { gwPriority: 1, publish: ['9090:90'] })
  expect(await states(api)).toEqual(['pending', 'active'])
  expect(await states(back)).toEqual(['active'])
  expect(isPublished('published4 { tcp . 8080')).toBe(false)
  expect(isPublished('published6 { tcp . 8080')).toBe(true)
  expect(() => rig.kernel.bindPort(held(8080))).toThrow('reserved')
  await back.leave()
  expect(await states(api)).toEqual(['active', 'active'])
  expect(isPublished('published4 { tcp . 8080')).toBe(true)
  expect(await cnm.doctor()).toEqual([])
})

it('passes nothing on to a namespace with a default route of its own', async () => {
  const rig = new MemoryRig()
  rig.kernel.addNamespace('/run/netns/blue')
  rig.kernel.addLink({ name: 'out', namespace: { path: '/run/netns/blue' } })
  await using cnm = await web(rig)
  const connect = [{ network: 'web', publish: ['8080:80'] }]
  const blue = await cnm.createSandbox({ netns: '/run/netns/blue', connect })
  expect(await states((await blue.endpoints())[0])).toEqual(['active', 'active'])
  await blue.delete()
})

it('has the same ports after a restart, and none of them twice', async () => {
  const rig = new MemoryRig()
  const first = await web(rig)
  const api = await onWeb(first, 'api', ['80', '8000-8001:81', '9000-9999:9000-9999'])
  const before = [await bindings(api), await states(api)]
  await first.close()
  const machine = rig.snapshot()
  await using second = await rig.start()
  expect(rig.snapshot()).toEqual(machine)
  const again = (await second.sandbox('api').endpoints())[0]
  expect([await bindings(again), await states(again)]).toEqual(before)
  await expect(onWeb(second, 'next', ['9500:1'])).rejects.toMatchObject({
    message: 'port 9500/tcp is published by endpoint "api" of network "web"',
  })
  expect(await bindings(await onWeb(second, 'next', ['80']))).not.toEqual(
    (await bindings(again))?.slice(0, 2),
  )
})

it('starts although a process has taken a port meanwhile, and says so', async () => {
  const rig = new MemoryRig()
  const first = await web(rig)
  await onWeb(first, 'api', ['8080:80', '9090:90'])
  await first.close()
  const remove = [8080, 9090].map((port) => reserved(port))
  await rig.kernel.apply({ remove, add: [] })
  rig.kernel.bindPort(held(8080))
  await using second = await rig.start()
  const findings = await second.doctor()
  expect(findings.filter(({ kind }) => kind === 'lost')).toEqual([
    {
      kind: 'lost',
      detail:
        'endpoint "api": port 8080/tcp is held by httpd (pid 7), which hears nothing of what is published there',
      mended: false,
    },
  ])
  expect(() => rig.kernel.bindPort(held(9090))).toThrow('reserved')
  const mended = await second.doctor({ fix: true })
  const open = mended.filter((finding) => !finding.mended).map(({ kind }) => kind)
  expect(open.sort()).toEqual(['lost', 'missing', 'shadowed'])
})

it('publishes what is exposed, if all of it shall be', async () => {
  await using cnm = await web(new MemoryRig(), { subnets: ['10.7.0.0/24'] })
  const box = await cnm.createSandbox({ name: 'api' })
  const expose = ['80', '81', '53/udp', '7000-7009']
  const options = { expose, publishAll: true, publish: ['8081:81', '7003:7003'] }
  const endpoint = await box.connect(cnm.network('web'), options)
  expect(await bindings(endpoint)).toEqual([
    '0.0.0.0:8081:81/tcp',
    '0.0.0.0:7003:7003/tcp',
    '0.0.0.0:32768:80/tcp',
    '0.0.0.0:32769:53/udp',
    '0.0.0.0:32770-32772:7000-7002/tcp',
    '0.0.0.0:32773-32778:7004-7009/tcp',
  ])
  expect((await endpoint.inspect()).exposed).toHaveLength(4)
  await endpoint.leave()
  const quiet = await box.connect(cnm.network('web'), { expose })
  expect(await quiet.inspect()).toMatchObject({ ports: [], exposed: expect.any(Array) })
})

it('does not publish again what was unpublished', async () => {
  await using cnm = await web(new MemoryRig(), { subnets: ['10.7.0.0/24'] })
  const box = await cnm.createSandbox({ name: 'api' })
  const publish = ['80', '8080:80', '9000-9009:80']
  const options = { name: 'api', persistent: true, publish }
  const endpoint = await cnm.network('web').createEndpoint(options)
  await endpoint.join(box)
  await endpoint.unpublish(['8080:80'])
  await endpoint.leave()
  await endpoint.join(box)
  expect(await bindings(endpoint)).toEqual(['0.0.0.0:32769:80/tcp', '0.0.0.0:9000:80/tcp'])
})

it('publishes 10,000 ports as quickly as one', async () => {
  const rig = new MemoryRig()
  await using cnm = await web(rig, { subnets: ['10.7.0.0/24'] })
  const api = await onWeb(cnm, 'api')
  const before = rig.kernel.steps()
  await api.publish(['20000-29999:20000-29999'])
  expect(rig.kernel.steps() - before).toBeLessThan(10)
  await api.unpublish(['20000-29999:20000-29999'])
  const shifted = Array.from({ length: 10_000 }, (_, n) => `${20_000 + n}:${1000 + n}`)
  await api.publish(shifted)
  expect((await api.inspect()).ports).toHaveLength(1)
})

it('reports what was published and unpublished', async () => {
  await using cnm = await web(new MemoryRig(), { subnets: ['10.7.0.0/24'] })
  const api = await onWeb(cnm, 'api')
  const events = (await cnm.events())[Symbol.asyncIterator]()
  await api.publish(['8080:80'])
  await api.update({ rate: { toSandbox: '10mbit' } })
  await api.unpublish(['80'])
  const attributes = { network: 'web', sandbox: 'api', ports: '0.0.0.0:8080:80/tcp' }
  expect((await events.next()).value).toMatchObject({ action: 'publish', name: 'api', attributes })
  expect((await events.next()).value).toMatchObject({ action: 'update', name: 'api' })
  expect((await events.next()).value).toMatchObject({ action: 'unpublish', attributes })
})

it.each(['host', 'none'])('publishes nothing on network "%s"', async (network) => {
  await using cnm = await web(new MemoryRig())
  const connect = [{ network, publish: ['8080:80'] }]
  await expect(cnm.createSandbox({ host: network === 'host', connect })).rejects.toMatchObject({
    code: 'NOT_ALLOWED',
    message: expect.stringContaining(`network "${network}" publishes nothing: `),
  })
})
