import { driverContract } from '../../testing/driver-contract.ts'
import { host } from './host.ts'

driverContract('the host driver', { create: host })
