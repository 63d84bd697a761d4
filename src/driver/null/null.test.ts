import { driverContract } from '../../testing/driver-contract.ts'
import { nothing } from './null.ts'

driverContract('the null driver', { create: nothing })
