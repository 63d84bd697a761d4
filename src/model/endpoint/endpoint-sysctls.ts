import { CnmError } from '../../base/errors.ts'

/** Values by name, in which IFNAME stands for the link: `net.ipv4.conf.IFNAME.log_martians`. */
export type Sysctls = Readonly<Record<string, string>>

const pattern = /^net\.(ipv4|ipv6|mpls)\.([a-z0-9_]+)\.IFNAME\.([a-z0-9_]+)$/

/** Only those of the endpoint's own link. Errors: INVALID_OPTION. */
export function parseSysctls(given: Sysctls): Sysctls {
  for (const [name, value] of Object.entries(given)) {
    if (!pattern.test(name)) {
      throw invalid(
        `${JSON.stringify(name)} is no sysctl of the endpoint's link`,
        'write it as net.ipv4.conf.IFNAME.log_martians',
      )
    }
    if (!/^[^\s\0][^\n\0]*$/.test(value)) {
      throw invalid(`sysctl ${name} can't be ${JSON.stringify(value)}`, 'give a value on one line')
    }
  }
  return given
}

/** Docker's list `NAME=VALUE,NAME=VALUE`, together with what is given otherwise. */
export function parseSysctlLabel(text: string, others: Sysctls): Sysctls {
  const all: Record<string, string> = { ...others }
  for (const entry of text.split(',')) {
    const [, name = '', value = ''] = /^([^=]*)=(.*)$/.exec(entry) ?? []
    if (name === '') {
      throw invalid(`${JSON.stringify(entry)} sets no sysctl`, 'write it as NAME=VALUE,NAME=VALUE')
    }
    if ((all[name] ?? value) !== value) {
      throw invalid(
        `sysctl ${name} is given twice, as "${all[name]}" and "${value}"`,
        'give it once',
      )
    }
    all[name] = value
  }
  return all
}

/** The path below /proc/sys for a link: `net/ipv4/conf/eth0/log_martians`. */
export function sysctlPath(name: string, link: string): string {
  return name
    .split('.')
    .map((part) => (part === 'IFNAME' ? link : part))
    .join('/')
}

function invalid(what: string, hint: string): CnmError {
  return new CnmError('INVALID_OPTION', `endpoint options: ${what}`, { hint })
}
