import type { EndpointOptions } from '../../api/endpoint-options.ts'

/** What of Docker's endpoint options is passed on: our own, given as `--driver-opt` or `driver_opts`. */
export function senderOptions(
  options: Readonly<Record<string, unknown>> | undefined,
): Pick<EndpointOptions, 'options'> {
  const given = Object.entries(options ?? {}).flatMap(([key, value]) =>
    (key === 'cnm.addresses' || key === 'cnm.macs') && typeof value === 'string'
      ? [[key, value] as const]
      : [],
  )
  return given.length === 0 ? {} : { options: Object.fromEntries(given) }
}
