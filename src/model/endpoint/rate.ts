import type { RateOptions } from '../../api/endpoint-options.ts'
import { CnmError } from '../../base/errors.ts'
import type { Rate } from '../../driver/driver.ts'

const units: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 }
const least = 8e3
const most = 1e11

/** Bits per second in both directions; undefined: no limit in either. Errors: INVALID_ARGUMENT. */
export function parseRate({ toSandbox, fromSandbox }: RateOptions): Rate | undefined {
  if (toSandbox === undefined && fromSandbox === undefined) return undefined
  return {
    ...(toSandbox === undefined ? {} : { toSandbox: bitsPerSecond('toSandbox', toSandbox) }),
    ...(fromSandbox === undefined
      ? {}
      : { fromSandbox: bitsPerSecond('fromSandbox', fromSandbox) }),
  }
}

function bitsPerSecond(key: string, value: number | string): number {
  const [, number, unit = 'bit'] = /^(\d+(?:\.\d+)?)([kmg]?bit)?$/i.exec(String(value)) ?? []
  const rate = Math.round(Number(number) * (units[unit.toLowerCase()] ?? 0))
  if (rate >= least && rate <= most) return rate
  throw new CnmError(
    'INVALID_ARGUMENT',
    `endpoint options: rate.${key} is ${JSON.stringify(value)}, which is no rate`,
    { hint: 'give bits per second, or 800kbit, 100mbit, 1.5gbit: from 8kbit to 100gbit' },
  )
}
