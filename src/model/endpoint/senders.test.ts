import { describe, expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import type { EndpointOptions } from '../../api/endpoint-options.ts'

async function connected(rig: MemoryRig, options: EndpointOptions) {
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] })
  const box = await cnm.createSandbox({ name: 'api' })
  return { cnm, endpoint: await box.connect(cnm.network('web'), options) }
}

describe('what an endpoint may send from', () => {
  it.each<[EndpointOptions, object]>([
    [{}, {}],
    [{ addresses: [], macs: [] }, {}],
    [
      { addresses: 'any', macs: 'any' },
      { addresses: 'any', macs: 'any' },
    ],
    [
      { addresses: ['10.7.0.9', 'FD00:7::0009', '10.7.0.9'], macs: ['02-42-0A-07-00-09'] },
      { addresses: ['10.7.0.9', 'fd00:7::9'], macs: ['02:42:0a:07:00:09'] },
    ],
    [
      { options: { 'cnm.addresses': '10.7.0.9, fd00:7::9', 'cnm.macs': 'any' } },
      { addresses: ['10.7.0.9', 'fd00:7::9'], macs: 'any' },
    ],
  ])('%j is kept as %j', async (options, kept) => {
    const rig = new MemoryRig()
    const { cnm, endpoint } = await connected(rig, options)
    const { addresses, macs } = await endpoint.inspect()
    expect({ ...(addresses && { addresses }), ...(macs && { macs }) }).toEqual(kept)
    const before = await endpoint.inspect()
    await cnm.close()
    await using again = await rig.start()
    expect(await again.endpoint(endpoint.id).inspect()).toEqual(before)
    expect(await again.doctor()).toEqual([])
  })

  it.each<[EndpointOptions, string, string]>([
    [{ addresses: ['eth0'] }, 'INVALID_ADDRESS', 'eth0'],
    [{ addresses: ['224.0.0.1'] }, 'INVALID_ADDRESS', 'which nothing can be sent from'],
    [{ addresses: ['255.255.255.255'] }, 'INVALID_ADDRESS', 'which nothing can be sent from'],
    [{ addresses: ['127.0.0.1'] }, 'INVALID_ADDRESS', 'which nothing can be sent from'],
    [{ addresses: ['0.0.0.0'] }, 'INVALID_ADDRESS', 'which nothing can be sent from'],
    [{ addresses: ['::'] }, 'INVALID_ADDRESS', 'which nothing can be sent from'],
    [{ addresses: ['::1'] }, 'INVALID_ADDRESS', 'which nothing can be sent from'],
    [{ addresses: ['ff02::1'] }, 'INVALID_ADDRESS', 'which nothing can be sent from'],
    [{ addresses: ['any', '10.7.0.9'] }, 'INVALID_ARGUMENT', 'addresses has "any" beside others'],
    [{ macs: ['any', 'any'] }, 'INVALID_ARGUMENT', 'macs has "any" beside others'],
    [{ macs: ['01:00:5e:00:00:01'] }, 'INVALID_ADDRESS', 'is a multicast MAC address'],
    [{ addresses: 'all' as 'any' }, 'INVALID_ARGUMENT', 'addresses'],
    [{ options: { 'cnm.addresses': '' } }, 'INVALID_ADDRESS', '""'],
    [
      { addresses: Array.from({ length: 65 }, (_, n) => `10.7.1.${n}`) },
      'INVALID_ARGUMENT',
      'addresses has 65 of them',
    ],
  ])('is never %j', async (options, code, message) => {
    const rig = new MemoryRig()
    const refused = connected(rig, options)
    await expect(refused).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    })
  })

  it('is no question where there is no link', async () => {
    await using cnm = await new MemoryRig().start()
    const box = await cnm.createSandbox({ name: 'api' })
    await expect(box.connect(cnm.network('none'), { addresses: 'any' })).rejects.toMatchObject({
      code: 'NOT_ALLOWED',
      message: expect.stringContaining('it can have no addresses'),
    })
  })
})
