import { expect, it } from 'vitest'
import { parseAddress, parsePrefix } from '../../address/address.ts'
import { ipamContract } from '../../testing/ipam-contract.ts'
import { nullIpam } from './null.ts'

ipamContract('null', {
  create: nullIpam,
  skips: {
    'choosing subnets': 'its pools are all addresses of a family, for every network',
    'given subnets': 'it has no subnets',
    addresses: 'it has no addresses',
  },
})

const ipam = nullIpam()
const holder = 'network "web"'

it('gives everything to everybody', async () => {
  for (let round = 0; round < 2; round++) {
    expect((await ipam.requestPool({ family: 4, holder })).subnet).toBe('0.0.0.0/0')
    expect((await ipam.requestPool({ family: 6, holder })).subnet).toBe('::/0')
  }
})

it('refuses subnets and ranges', async () => {
  const prefix = parsePrefix('10.7.0.0/24')
  for (const given of [{ subnet: prefix }, { range: prefix }]) {
    await expect(ipam.requestPool({ family: 4, holder, ...given })).rejects.toMatchObject({
      code: 'INVALID_POOL',
      message: `IPAM "null" has no subnets, so it can't give 10.7.0.0/24`,
    })
  }
})

it('refuses addresses', async () => {
  const { id: pool } = await ipam.requestPool({ family: 4, holder })
  await expect(ipam.requestAddress({ pool, holder: 'endpoint "api"' })).rejects.toMatchObject({
    code: 'INVALID_ADDRESS',
    message: 'IPAM "null" has no addresses for endpoint "api"',
  })
  const address = parseAddress('10.7.0.2')
  await expect(ipam.requestAddress({ pool, address, holder: 'gateway' })).rejects.toMatchObject({
    code: 'INVALID_ADDRESS',
    message: 'IPAM "null" has no address 10.7.0.2 for gateway',
  })
})
