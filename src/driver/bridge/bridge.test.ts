import { driverContract } from '../../testing/driver-contract.ts'
import { bridge } from './bridge.ts'

driverContract('the bridge driver', {
  create: bridge,
  options: [{ icc: false, masquerade: false, mtu: 1300, prefix: 'net' }],
})
