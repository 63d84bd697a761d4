import { driverContract } from '../../testing/driver-contract.ts'
import { bridge } from './bridge.ts'

driverContract('the bridge driver', {
  create: bridge,
  options: [
    { icc: false, masquerade: false, mtu: 1300, prefix: 'net' },
    { gatewayMode4: 'routed', gatewayMode6: 'nat-unprotected', snat6: '2001:db8::7' },
    { icc: false, trustedInterfaces: 'eth1:eth2', advertiseCount: 2, inhibit4: true },
  ],
})
