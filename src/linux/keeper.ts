/**
 * The keeper of this host as a service of its own. Another composition root: it loads neither the engine
 * nor the daemon, so that it stays small.
 */
export { keepForUnit, type UnitKeeperOptions } from '../keeper/process/keep-for-unit.ts'
