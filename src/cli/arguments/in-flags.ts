import { CnmError, type ErrorCode } from '../../base/errors.ts'

/** What options are called on the command line, where that isn't how the library calls them. */
const flags: Readonly<Record<string, string>> = {
  addresses: '--addresses',
  aliases: '--alias',
  dns: '--dns',
  dnsOptions: '--dns-option',
  dnsSearch: '--dns-search',
  domainname: '--domainname',
  extraHosts: '--add-host',
  hostname: '--hostname',
  macs: '--macs',
  interfaceName: '--driver-opt com.docker.network.endpoint.ifname',
  pid: '--pid',
  'rate.fromSandbox': '--rate-out',
  'rate.toSandbox': '--rate-in',
}

const hints: Partial<Record<ErrorCode, string>> = {
  NETWORK_EXISTS: 'use another name, or the network that is there',
  NETWORK_IN_USE: 'disconnect them first, or use --force',
}

/** An error in the words of the command line, not of the library. */
export function inFlags(error: CnmError): CnmError {
  const { code, details, cause } = error
  const needsHost = code === 'NOT_ALLOWED' && details.origin === 'host'
  const hint = needsHost ? 'make the sandbox with --host-stack' : (hints[code] ?? error.hint)
  return new CnmError(code, wording(error.message), {
    details,
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  })
}

/** `sandbox options: extraHosts has "x", …` → `--add-host has "x", …` */
function wording(message: string): string {
  const [, field, index = '', rest] =
    /^(?:network|sandbox|endpoint) options: ([a-zA-Z.]+?)(\.\d+)? (.*)$/s.exec(message) ?? []
  const flag = field !== undefined && Object.hasOwn(flags, field) ? flags[field] : undefined
  return flag === undefined ? message : `${flag}${index} ${rest}`
}
