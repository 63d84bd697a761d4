import {
  type Cidr,
  cidrOf,
  contains,
  familyOf,
  parseAddress,
  parsePrefix,
} from '../../address/address.ts'
import { type MacAddress, parseMac } from '../../address/mac.ts'
import { portsWithout } from '../../address/port.ts'
import type { parseEndpointOptions } from '../../api/endpoint-options.ts'
import { refuseLinkName } from '../../api/endpoint-options.ts'
import { CnmError } from '../../base/errors.ts'
import type { PublishedPort, Rate } from '../../driver/driver.ts'
import type { Upstream } from '../../kernel/kept-resource.ts'
import {
  type ExposedPort,
  mergePublished,
  parseExposed,
  parsePublished,
} from '../ports/port-spec.ts'
import { parseServers } from '../sandbox/name-options.ts'
import { parseSysctlLabel, parseSysctls, type Sysctls } from './endpoint-sysctls.ts'
import { parseRate } from './rate.ts'
import { parseSenders, type Senders } from './senders.ts'

type Options = ReturnType<typeof parseEndpointOptions>

/** What an endpoint's options say, in the form that is recorded: what is not set is not there. */
interface EndpointSettings {
  readonly mac?: MacAddress
  readonly interfaceName?: string
  readonly publish?: readonly PublishedPort[]
  readonly exposed?: readonly ExposedPort[]
  readonly linkLocal?: readonly Cidr[]
  readonly addresses?: Senders['addresses']
  readonly macs?: Senders['macs']
  readonly rate?: Rate
  readonly sysctls?: Sysctls
  readonly dnsServers?: readonly Upstream[]
}

/** Errors: INVALID_ADDRESS, INVALID_PORT, INVALID_OPTION, INVALID_ARGUMENT. */
export function endpointSettings(given: Options): EndpointSettings {
  const options = given.options === undefined ? given : withLabels(given, given.options)
  const { mac, interfaceName, linkLocal = [], sysctls, dns = [] } = options
  const senders = parseSenders(options)
  const exposed = (options.expose ?? []).map(parseExposed)
  const publish = publishedPorts(options, exposed)
  const rate = options.rate && parseRate(options.rate)
  return {
    ...(mac === undefined ? {} : { mac: parseMac(mac) }),
    ...(interfaceName === undefined ? {} : { interfaceName }),
    ...(publish.length === 0 ? {} : { publish }),
    ...(exposed.length === 0 ? {} : { exposed }),
    ...(linkLocal.length === 0 ? {} : { linkLocal: linkLocal.map(linkLocalCidr) }),
    ...senders,
    ...(rate === undefined ? {} : { rate }),
    ...(sysctls === undefined ? {} : { sysctls: parseSysctls(sysctls) }),
    ...(dns.length === 0 ? {} : { dnsServers: parseServers(dns, 'endpoint options') }),
  }
}

function publishedPorts(options: Options, exposed: readonly ExposedPort[]): PublishedPort[] {
  const named = mergePublished((options.publish ?? []).map(parsePublished))
  if (!options.publishAll) return named
  const rest = exposed.flatMap(({ protocol, ports }) => {
    const published = named.filter((each) => each.protocol === protocol).map((each) => each.ports)
    return portsWithout([ports], published).map((left) => ({ protocol, ports: left }))
  })
  return [...named, ...mergePublished(rest)]
}

const linkLocal4 = parsePrefix('169.254.0.0/16')
const linkLocal6 = parsePrefix('fe80::/64')

function linkLocalCidr(text: string): Cidr {
  const address = parseAddress(text)
  const [prefix, length] = familyOf(address) === 4 ? [linkLocal4, 16] : [linkLocal6, 64]
  if (contains(prefix, address)) return cidrOf(address, length)
  throw new CnmError('INVALID_ADDRESS', `${address} is no link-local address`, {
    details: { address },
    hint: `give addresses of ${linkLocal4} or ${linkLocal6}`,
  })
}

const label = {
  interfaceName: 'com.docker.network.endpoint.ifname',
  mac: 'com.docker.network.endpoint.macaddress',
  sysctls: 'com.docker.network.endpoint.sysctls',
  addresses: 'cnm.addresses',
  macs: 'cnm.macs',
} as const

/** The fields that Docker's labels mean. */
function withLabels(given: Options, labels: NonNullable<Options['options']>): Options {
  for (const key of Object.keys(labels)) {
    if (Object.values<string>(label).includes(key)) continue
    throw new CnmError('INVALID_OPTION', `endpoint options: unknown option "${key}"`, {
      details: { option: key },
      hint: `known are ${Object.values(label).join(', ')}`,
    })
  }
  const sysctls = labels[label.sysctls]
  const addresses = given.addresses ?? listOf(labels[label.addresses])
  const macs = given.macs ?? listOf(labels[label.macs])
  return refuseLinkName({
    ...given,
    ...either('interfaceName', given.interfaceName, labels[label.interfaceName]),
    ...either('mac', given.mac, labels[label.mac]),
    ...(addresses === undefined ? {} : { addresses }),
    ...(macs === undefined ? {} : { macs }),
    ...(sysctls === undefined
      ? {}
      : { sysctls: parseSysctlLabel(String(sysctls), given.sysctls ?? {}) }),
  })
}

function listOf(value: string | number | boolean | undefined): string[] | 'any' | undefined {
  if (value === undefined) return undefined
  const text = String(value).trim()
  return text === 'any' ? text : text.split(',').map((each) => each.trim())
}

function either<K extends 'interfaceName' | 'mac'>(
  key: K,
  field: string | undefined,
  labelled: string | number | boolean | undefined,
): { readonly [key in K]?: string } {
  if (labelled === undefined) return {}
  const value = String(labelled)
  if (field !== undefined && field.toLowerCase() !== value.toLowerCase()) {
    throw new CnmError(
      'INVALID_OPTION',
      `endpoint options: ${key} is "${field}", but "${label[key]}" is "${value}"`,
      { hint: 'give one of them' },
    )
  }
  return { [key]: field ?? value } as { readonly [key in K]?: string }
}
