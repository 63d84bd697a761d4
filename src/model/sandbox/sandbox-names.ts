import type { parseSandboxOptions } from '../../api/options.ts'
import { CnmError } from '../../base/errors.ts'
import { shortId } from '../../base/id.ts'
import { hostsText } from '../../dns/files/hosts-file.ts'
import { ndotsOf, resolvConfText } from '../../dns/files/resolv-conf.ts'
import type { HostView } from '../../kernel/kernel.ts'
import type { NamespaceRef, Resource } from '../../kernel/resource.ts'
import type { EngineDns } from '../engine-dns.ts'
import type { NameSettings, SandboxRecord } from '../records.ts'
import {
  isHostname,
  parseDomain,
  parseExtraHosts,
  parseHostname,
  parseResolverOptions,
  parseSearch,
  parseServers,
} from './name-options.ts'

/** Files that are there for a sandbox, to be mounted over those of the same names in /etc. */
export interface SandboxFiles {
  readonly hosts: string
  readonly hostname: string
  /** Absent: its runtime answers names itself. */
  readonly resolvConf?: string
}

type Options = ReturnType<typeof parseSandboxOptions>

const what = 'sandbox options'

/** What a sandbox's options say of names, as it is recorded. Errors: INVALID_OPTION, INVALID_ARGUMENT. */
export function nameSettings(options: Options, { hostGateway }: EngineDns): NameSettings {
  refuseUseless(options)
  const { hostname, domainname, dns = [], dnsSearch = [], dnsOptions = [], resolver } = options
  const extraHosts = parseExtraHosts(options.extraHosts ?? [], what).map((host) =>
    host.address === 'host-gateway' && hostGateway ? { ...host, address: hostGateway } : host,
  )
  return {
    ...(hostname === undefined ? {} : { hostname: parseHostname(hostname, what) }),
    ...(domainname === undefined
      ? {}
      : { domainname: parseDomain(domainname, what, 'domainname') }),
    ...(dns.length === 0 ? {} : { dnsServers: parseServers(dns, what) }),
    ...(dnsSearch.length === 0 ? {} : { dnsSearch: parseSearch(dnsSearch, what) }),
    ...(dnsOptions.length === 0 ? {} : { dnsOptions: parseResolverOptions(dnsOptions, what) }),
    ...(extraHosts.length === 0 ? {} : { extraHosts }),
    ...(resolver === false ? { resolver } : {}),
  }
}

/** What would have no effect is a mistake. */
function refuseUseless(options: Options): void {
  const { hostname, domainname, extraHosts, dns, dnsSearch, dnsOptions, resolver } = options
  const ofResolver = { dns, dnsSearch, dnsOptions }
  const all = { hostname, domainname, extraHosts, resolver, ...ofResolver }
  const given = (fields: object) =>
    Object.entries(fields).find(([, value]) => value !== undefined)?.[0]
  const refused = options.host ? given(all) : resolver === false ? given(ofResolver) : undefined
  if (refused === undefined) return
  throw new CnmError(
    'INVALID_ARGUMENT',
    options.host
      ? `${what}: with host, the host's own names are used, so there can be no ${refused}`
      : `${what}: with resolver: false there is no resolver to which ${refused} could apply`,
    { hint: `leave ${refused} out` },
  )
}

/** The name it has for itself: its own, if hosts can have such a name. */
export function hostnameOf({ hostname, name, id }: SandboxRecord): string {
  return hostname ?? (isHostname(name) ? name : shortId(id))
}

/** What it is called in its hosts file: as a whole, and without its domain. */
export function fullNames(sandbox: SandboxRecord): readonly string[] {
  const hostname = hostnameOf(sandbox)
  const full = sandbox.domainname === undefined ? hostname : `${hostname}.${sandbox.domainname}`
  const short = full.slice(0, full.indexOf('.'))
  return full.includes('.') ? [full, short] : [full]
}

/** Undefined: the host's own are used. */
export function filesOf(folder: string, sandbox: SandboxRecord): SandboxFiles | undefined {
  if (sandbox.namespace === undefined) return undefined
  const own = ownFolder(sandbox) ?? `${folder}/${shortId(sandbox.id)}`
  const path = (name: string) => `${own}/${name}`
  return {
    hosts: path('hosts'),
    hostname: path('hostname'),
    ...(sandbox.resolver === false ? {} : { resolvConf: path('resolv.conf') }),
  }
}

/** Where they are already: its programs have them from there, whatever version has put them there. */
function ownFolder({ resources }: SandboxRecord): string | undefined {
  const end = '/hosts'
  const hosts = resources.find((it) => it.kind === 'file' && it.path.endsWith(end))
  return hosts?.kind === 'file' ? hosts.path.slice(0, -end.length) : undefined
}

/** All that a sandbox itself has; what its endpoints have is theirs. */
export function sandboxResources(
  folder: string,
  sandbox: SandboxRecord,
  { resolver: host }: HostView,
): readonly Resource[] {
  const { namespace, origin, extraHosts = [] } = sandbox
  const files = filesOf(folder, sandbox)
  if (namespace === undefined || files === undefined) return []
  const extra = extraHosts.flatMap(({ name, address }) =>
    address === 'host-gateway' ? [] : [{ address, names: [name] }],
  )
  const own: Resource = { kind: 'namespace', namespace }
  return [
    ...(origin === 'own' ? [own] : []),
    { kind: 'file', path: files.hosts, content: hostsText(extra) },
    { kind: 'file', path: files.hostname, content: `${hostnameOf(sandbox)}\n` },
    ...(files.resolvConf === undefined ? [] : resolver(sandbox, namespace, host, files.resolvConf)),
  ]
}

function resolver(
  { id, dnsServers: servers, dnsSearch: search, dnsOptions: options }: SandboxRecord,
  namespace: NamespaceRef,
  host: HostView['resolver'],
  path: string,
): readonly Resource[] {
  const hasNdots = ndotsOf(options ?? host.options) !== undefined
  return [
    { kind: 'file', path, content: resolvConfText({ search, options, host }) },
    {
      kind: 'resolver',
      namespace,
      sandbox: id,
      ...(servers ? { servers } : {}),
      ...(hasNdots ? { ndots: true as const } : {}),
    },
  ]
}
