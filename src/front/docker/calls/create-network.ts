import type { NetworkOptions } from '../../../api/options.ts'
import { reservedLabel } from '../../../api/reserved-label.ts'
import { DockerError, forbidden, invalid } from '../json/docker-error.ts'
import type { Fields } from '../json/fields.ts'
import { parseGoBool } from '../json/go-values.ts'
import { parseIpamConfig } from '../json/ipam-config.ts'
import { type NetworkFacts, withFacts } from '../json/network-facts.ts'
import { isPredefined } from '../predefined.ts'

/** From this version on a network may be without IPv4. */
const ipv4Minor = 48

/** The body of `POST /networks/create`, of a client that speaks version 1.`minor`. */
export function parseNetworkCreate(body: Fields, minor: number): NetworkOptions {
  const name = body.text('Name')
  if (name === '') throw invalid('invalid network name: name is empty')
  if (isPredefined(name) || name === 'default') {
    throw forbidden(`operation is not permitted on predefined ${name} network`)
  }
  const driver = body.text('Driver') || 'bridge'
  refuseUnsupported(body, driver)
  const given = body.labels('Options') ?? {}
  const { options, ...families } = chooseFamilies(body, given, minor)
  const ipam = body.object('IPAM')
  const ipamOptions = ipam.labels('Options')
  const facts: NetworkFacts = {
    options: given,
    ...(body.flag('Attachable') ? { attachable: true } : {}),
    ...(ipamOptions === undefined ? {} : { ipamOptions }),
  }
  return {
    name,
    driver,
    ipam: ipamName(ipam.text('Driver')),
    subnets: parseIpamConfig(ipam.objects('Config'), families),
    internal: isInternal(body, given),
    options,
    labels: withFacts(labelsOf(body), facts),
    ...families,
  }
}

function refuseUnsupported(body: Fields, driver: string): void {
  if (['host', 'null', 'none'].includes(driver)) {
    throw forbidden(`only one instance of "${driver}" network is allowed`)
  }
  const scope = body.text('Scope')
  if (scope === 'swarm' || scope === 'global') {
    throw forbidden('cannot create a swarm scoped network when swarm is not active')
  }
  if (scope !== '' && scope !== 'local') throw invalid(`invalid network scope ${scope}`)
  if (body.flag('Ingress')) throw forbidden('Ingress network can only be global scope network')
  if (body.flag('ConfigOnly') || body.object('ConfigFrom').text('Network') !== '') {
    throw new DockerError(
      501,
      'there are no configuration-only networks here: give subnets and options with each network',
    )
  }
}

function labelsOf(body: Fields): Readonly<Record<string, string>> {
  const labels = body.labels('Labels') ?? {}
  if (Object.hasOwn(labels, reservedLabel)) throw invalid(`label ${reservedLabel} is reserved`)
  return labels
}

/** Docker's own allocator is called `default`; ours is called `local`. */
function ipamName(driver: string): string {
  return driver === '' || driver === 'default' ? 'local' : driver
}

const ipv4Label = 'com.docker.network.enable_ipv4'
const ipv6Label = 'com.docker.network.enable_ipv6'
const internalLabel = 'com.docker.network.internal'

/** A field of the request wins over the label that says the same. */
function chooseFamilies(body: Fields, given: Readonly<Record<string, string>>, minor: number) {
  const { [ipv4Label]: label4, [ipv6Label]: label6, [internalLabel]: _, ...options } = given
  const ipv4 = minor < ipv4Minor ? undefined : body.flag('EnableIPv4')
  return {
    ipv4: ipv4 ?? flagOf(ipv4Label, label4) ?? true,
    ipv6: body.flag('EnableIPv6') ?? flagOf(ipv6Label, label6) ?? false,
    options,
  }
}

function isInternal(body: Fields, given: Readonly<Record<string, string>>): boolean {
  return body.flag('Internal') || (flagOf(internalLabel, given[internalLabel]) ?? false)
}

function flagOf(label: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined
  const value = parseGoBool(text)
  if (value === undefined) throw invalid(`option ${label} is ${JSON.stringify(text)}, no boolean`)
  return value
}
