import { type IpAddress, parseAddress } from '../../address/address.ts'
import { CnmError } from '../../base/errors.ts'
import { RESOLVER_ADDRESS, type Upstream } from '../../kernel/kept-resource.ts'

/** Where the host's own programs may ask, unless its engine is told otherwise. */
export const ZONE_ADDRESS = '127.0.0.153' as IpAddress
export const DNS_PORT = 53

/** Whom we must never ask: a query would come back to us again and again. */
const ours: ReadonlySet<string> = new Set([RESOLVER_ADDRESS, ZONE_ADDRESS])

/** Whether asking there would be asking ourselves. */
export function isOurs({ address }: Pick<Upstream, 'address'>): boolean {
  return ours.has(address)
}

/** What a resolv.conf says. */
interface ResolvConf {
  /**
   * In its order, each once, without addresses of ours. What isn't an address is left out.
   */
  readonly servers: readonly Upstream[]
  readonly search: readonly string[]
  readonly options: readonly string[]
}

/**
 * Reads a resolv.conf as glibc does: the last `search` or `domain` counts, options add up, and what can't be
 * understood is passed over. Format: resolv.conf(5).
 */
export function parseResolvConf(text: string): ResolvConf {
  const servers = new Map<string, Upstream>()
  const options = new Set<string>()
  let search: readonly string[] = []
  for (const line of text.split('\n')) {
    const [keyword, ...values] = wordsOf(line)
    if (values[0] === undefined) continue
    if (keyword === 'nameserver') {
      const server = serverAt(values[0])
      if (server !== undefined) servers.set(`${server.address}%${server.link}`, server)
    } else if (keyword === 'search') search = values
    else if (keyword === 'domain') search = values.slice(0, 1)
    else if (keyword === 'options') for (const option of values) options.add(option)
  }
  return { servers: [...servers.values()], search: withoutRoot(search), options: [...options] }
}

/** What a sandbox's resolv.conf is made of. */
interface ResolvConfOptions {
  /** What the sandbox's user wants; in place of what the host has. */
  readonly search?: readonly string[] | undefined
  readonly options?: readonly string[] | undefined
  /** What the host's own file says (HostView). */
  readonly host: Pick<ResolvConf, 'search' | 'options'>
}

/**
 * A sandbox's /etc/resolv.conf: it asks us. A search domain `.` stands for none. Names are asked as they
 * are before search domains are put behind them (`ndots:0`), unless a user wants it otherwise: peers are
 * called by names without a dot.
 */
export function resolvConfText({ host, ...wanted }: ResolvConfOptions): string {
  const search = withoutRoot(wanted.search ?? host.search)
  const options = (wanted.options ?? host.options).filter((option) => !isInvalidNdots(option))
  if (ndotsOf(options) === undefined) options.push('ndots:0')
  const lines = [
    '# Written by libcnm for this sandbox, whose resolver is at this address.',
    '# Once it has been edited, it is left as it is.',
    `nameserver ${RESOLVER_ADDRESS}`,
    ...(search.length === 0 ? [] : [`search ${search.join(' ')}`]),
    `options ${options.join(' ')}`,
  ]
  return lines.map((line) => `${line}\n`).join('')
}

/** `ndots` of resolv.conf options, if they have a valid one: the last one counts. */
export function ndotsOf(options: readonly string[]): number | undefined {
  const value = options.findLast((option) => NDOTS.test(option))
  return value === undefined ? undefined : Number(value.slice('ndots:'.length))
}

const NDOTS = /^ndots:\d{1,9}$/

function isInvalidNdots(option: string): boolean {
  return option.startsWith('ndots') && !NDOTS.test(option)
}

/** Up to a comment, which may also come behind what counts. */
function wordsOf(line: string): string[] {
  const words = line.split(/\s+/).filter((word) => word !== '')
  const comment = words.findIndex((word) => word.startsWith('#') || word.startsWith(';'))
  return comment < 0 ? words : words.slice(0, comment)
}

function serverAt(text: string): Upstream | undefined {
  try {
    // Home routers announce such ones: `fe80::1%eth0`.
    const [, plain, link] = /^(fe[89ab][^%]*)%([^%/\s]+)$/i.exec(text) ?? []
    const address = parseAddress(plain ?? text)
    const server = { address, port: DNS_PORT, ...(link === undefined ? {} : { link }) }
    return isOurs(server) ? undefined : server
  } catch (error) {
    if (error instanceof CnmError) return undefined
    throw error
  }
}

function withoutRoot(search: readonly string[]): readonly string[] {
  return search.filter((domain) => domain !== '.')
}
