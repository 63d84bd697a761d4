import { type IpAddress, isUnspecified, parseAddress, socketText } from '../../address/address.ts'
import { CnmError, isCnmError } from '../../base/errors.ts'
import { DNS_PORT, isOurs, ndotsOf } from '../../dns/files/resolv-conf.ts'
import type { Upstream } from '../../kernel/kept-resource.ts'

/** A line of a sandbox's hosts file. */
export interface ExtraHost {
  readonly name: string
  /** `host-gateway`: the host, as the sandbox reaches it. */
  readonly address: IpAddress | 'host-gateway'
}

/** How long the kernel lets a host's name be. */
const longestHostname = 64
const longestName = 253
/** glibc counts no further. */
const mostDots = 15

/** `1.1.1.1`, `10.7.0.5:5353`, `2606:4700::1111`, `[2606:4700::1111]:53`. Errors: INVALID_OPTION. */
export function parseServers(texts: readonly string[], where: string): readonly Upstream[] {
  const servers = new Map<string, Upstream>()
  for (const text of texts) {
    const server = parseServer(text, where)
    servers.set(socketText(server), server)
  }
  return [...servers.values()]
}

function parseServer(text: string, where: string): Upstream {
  const hint = 'write it as 10.7.0.5, 10.7.0.5:5353 or [fd00::5]:5353'
  const [, inBrackets, plain, digits = String(DNS_PORT)] =
    /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? []
  const address = addressOf(inBrackets ?? plain ?? text)
  const port = Number(digits)
  if (address === undefined || port < 1 || port > 65535 || isUnspecified(address)) {
    throw invalid(where, `dns has ${JSON.stringify(text)}, which is no server`, hint)
  }
  if (isOurs({ address })) {
    throw invalid(
      where,
      `dns has ${text}, which is this resolver itself and would be asked in a loop`,
      'name another server, or leave dns out: then the host’s own servers are asked',
    )
  }
  return { address, port }
}

/** The name a sandbox has for itself. Errors: INVALID_OPTION. */
export function parseHostname(text: string, where: string): string {
  if (isHostname(text)) return text
  throw invalid(
    where,
    `hostname is ${JSON.stringify(text)}, which is no name of a host`,
    `give up to ${longestHostname} characters: labels of letters, digits and "-", with "." between; no address, and not "localhost"`,
  )
}

/** RFC 1123: labels of letters, digits and, inside, `-`. What means something else already is none. */
export function isHostname(text: string): boolean {
  return text.length <= longestHostname && text.split('.').every(isHostLabel) && !isTaken(text)
}

function isTaken(text: string): boolean {
  return text.toLowerCase() === 'localhost' || addressOf(text) !== undefined
}

function isHostLabel(label: string): boolean {
  return /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/.test(label)
}

/** Errors: INVALID_OPTION. */
export function parseDomain(text: string, where: string, option: string): string {
  // Some of the world's domains have "_" in them.
  if (isName(text)) return text
  throw invalid(
    where,
    `${option} is ${JSON.stringify(text)}, which is no domain`,
    'write it as example.org, without a dot at its end',
  )
}

function isName(text: string): boolean {
  const labels = text.split('.')
  return text.length <= longestName && labels.every((label) => /^[a-zA-Z0-9_-]{1,63}$/.test(label))
}

/** The domains that names are looked for in; `.` alone: none. Errors: INVALID_OPTION. */
export function parseSearch(texts: readonly string[], where: string): readonly string[] {
  if (texts.length === 1 && texts[0] === '.') return []
  if (texts.includes('.')) {
    throw invalid(where, 'dnsSearch has "." with others', 'give "." alone: no domain is searched')
  }
  return [...new Set(texts.map((text) => parseDomain(text, where, 'dnsSearch')))]
}

/** Options of resolv.conf: `ndots:2`, `rotate`. Errors: INVALID_OPTION. */
export function parseResolverOptions(texts: readonly string[], where: string): readonly string[] {
  for (const text of texts) {
    const isBadNdots = text.startsWith('ndots') && (ndotsOf([text]) ?? mostDots + 1) > mostDots
    if (/^[!-~]+$/.test(text) && !/^[#;]/.test(text) && !isBadNdots) continue
    throw invalid(
      where,
      `dnsOptions has ${JSON.stringify(text)}, which is no option of resolv.conf`,
      'give one word each: ndots:2, timeout:1, rotate',
    )
  }
  return texts
}

/** `db:10.7.0.9`, `db=fd00::9`, `db:[fd00::9]`, `gate:host-gateway`. Errors: INVALID_OPTION. */
export function parseExtraHosts(texts: readonly string[], where: string): readonly ExtraHost[] {
  return texts.map((text) => {
    const [, name = '', at = ''] = /^([^:=]*)[:=](.*)$/.exec(text) ?? []
    const address = at === 'host-gateway' ? at : addressOf(/^\[(.*)\]$/.exec(at)?.[1] ?? at)
    const isNamed = isName(name) && addressOf(name) === undefined
    if (isNamed && address !== undefined) return { name, address }
    throw invalid(
      where,
      `extraHosts has ${JSON.stringify(text)}, which is no name with an address`,
      'write it as db:10.7.0.9, db:fd00::9 or gate:host-gateway',
    )
  })
}

function addressOf(text: string): IpAddress | undefined {
  // Most names have neither, and an error takes long to make.
  if (!/[.:]/.test(text)) return undefined
  try {
    return parseAddress(text)
  } catch (error) {
    if (!isCnmError(error, 'INVALID_ADDRESS')) throw error
    return undefined
  }
}

function invalid(where: string, what: string, hint: string): CnmError {
  return new CnmError('INVALID_OPTION', `${where}: ${what}`, { hint })
}
