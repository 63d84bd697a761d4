import { expect, it } from 'vitest'
import type { IpAddress } from '../../address/address.ts'
import { chooseGateways, type GatewayCandidate } from './gateway.ts'

const v4 = { gateway4: '10.0.0.1' as IpAddress }
const v6 = { gateway6: 'fd00::1' as IpAddress }

function candidate(network: string, rest: Partial<GatewayCandidate>): GatewayCandidate {
  return { endpoint: `on ${network}`, network, internal: false, priority: 0, ...rest }
}

it.each([
  ['none has a gateway', [candidate('a', {})], {}],
  ['the name decides between equals', [candidate('b', v4), candidate('a', v4)], { ipv4: 'on a' }],
  [
    'priority beats the name',
    [candidate('a', v4), candidate('b', { ...v4, priority: 1 })],
    { ipv4: 'on b' },
  ],
  [
    'a negative priority comes last',
    [candidate('a', { ...v4, priority: -1 }), candidate('b', v4)],
    { ipv4: 'on b' },
  ],
  [
    'two families beat one',
    [candidate('a', v4), candidate('b', { ...v4, ...v6 })],
    { ipv4: 'on b', ipv6: 'on b' },
  ],
  [
    'families may come from different endpoints',
    [candidate('a', v4), candidate('b', v6)],
    { ipv4: 'on a', ipv6: 'on b' },
  ],
  [
    'one without a gateway never counts, whatever its priority',
    [candidate('a', { priority: 9 }), candidate('b', v4)],
    { ipv4: 'on b' },
  ],
])('%s', (_, candidates, choice) => {
  expect(chooseGateways(candidates)).toEqual(choice)
  expect(chooseGateways([...candidates].reverse())).toEqual(choice)
})
