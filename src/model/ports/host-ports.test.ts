import { expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import { bindings, held, onWeb, web } from '../../../test/support/publishing.ts'

it('gives wishes that differ only in the address the same free ports', async () => {
  await using cnm = await web(new MemoryRig())
  const one = await onWeb(cnm, 'one', ['80', '127.0.0.1::81', '[::1]::81', '3000-3009/udp'])
  const ports = (await one.inspect()).ports
  const hostPorts = (inside: number) =>
    ports.filter((each) => each.ports.from === inside).map((each) => each.hostPorts?.from)
  expect(hostPorts(80)).toEqual([32768, 32768])
  expect(hostPorts(81)).toEqual([32769, 32769])
  expect(hostPorts(3000)).toEqual([32770, 32770])
  const two = await onWeb(cnm, 'two', ['80'])
  expect((await two.inspect()).ports[0]?.hostPorts).toEqual({ from: 32780, to: 32780 })
})

it('takes the first of a range that is free, and says when there is none', async () => {
  await using cnm = await web(new MemoryRig())
  const wish = '8000-8001:80'
  expect((await bindings(await onWeb(cnm, 'one', [wish])))?.[0]).toBe('0.0.0.0:8000:80/tcp')
  // Who is content with one port only comes first.
  expect((await bindings(await onWeb(cnm, 'two', ['8002-8003:80', '8002:81'])))?.[0]).toBe(
    '0.0.0.0:8003:80/tcp',
  )
  await onWeb(cnm, 'three', [wish])
  await expect(onWeb(cnm, 'four', [wish])).rejects.toMatchObject({
    code: 'PORTS_EXHAUSTED',
    message: 'endpoint "four" of network "web": no port of 8000-8001/tcp can be had',
  })
  expect(await cnm.sandboxes()).toHaveLength(3)
})

it('names the endpoint that has a port', async () => {
  const rig = new MemoryRig()
  await using cnm = await web(rig)
  const api = await onWeb(cnm, 'api', ['8000-8009:8000-8009'])
  const before = rig.snapshot()
  for (const wish of ['8005:80', '127.0.0.1:8005:80', '8005-8006:80-81']) {
    await expect(onWeb(cnm, 'other', [wish])).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: 'port 8005/tcp is published by endpoint "api" of network "web"',
      details: { port: 8005, endpoint: 'api', network: 'web' },
    })
  }
  await expect(api.publish(['8005:90'])).rejects.toThrow('of network "web" already')
  expect(rig.snapshot()).toEqual(before)
  await onWeb(cnm, 'other', ['8005:80/udp', '8010:80'])
})

it('names the process that has a port, or takes another one where it may', async () => {
  const rig = new MemoryRig()
  await using cnm = await web(rig)
  rig.kernel.bindPort(held(8080))
  for (const port of [32768, 32769, 32771]) rig.kernel.bindPort(held(port))
  await expect(onWeb(cnm, 'api', ['8080:80'])).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: 'endpoint "api" of network "web": port 8080/tcp is held by httpd (pid 7)',
    details: { pid: 7, endpoint: 'api' },
  })
  const api = await onWeb(cnm, 'api', ['80', '8080-8081:81', '82-83'])
  const [first, second, third] = (await bindings(api))?.filter((text) => text.startsWith('0')) ?? []
  expect(first).toMatch(/^0.0.0.0:327(?!68|69|71)\d\d:80\/tcp$/)
  expect(second).toBe('0.0.0.0:8081:81/tcp')
  expect(third).toMatch(/^0.0.0.0:327\d\d-327\d\d:82-83\/tcp$/)
})

it('gives up after some tries, and leaves nothing', async () => {
  const rig = new MemoryRig()
  await using cnm = await web(rig)
  for (let port = 8000; port < 8100; port += 1) rig.kernel.bindPort(held(port))
  const before = rig.snapshot()
  await expect(onWeb(cnm, 'api', ['8000-8100:80'])).rejects.toMatchObject({ code: 'PORT_IN_USE' })
  expect(rig.snapshot()).toEqual(before)
})
