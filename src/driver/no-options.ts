import { CnmError } from '../base/errors.ts'
import type { NetworkDriver } from './driver.ts'

/** For drivers without options of their own. */
export function noOptions(driver: string): NetworkDriver['parseOptions'] {
  return (options, network) => {
    const [key] = Object.keys(options)
    if (key === undefined) return { options: {} }
    throw new CnmError(
      'INVALID_OPTION',
      `network "${network.name}": driver "${driver}" has no options, so not "${key}" either`,
    )
  }
}
