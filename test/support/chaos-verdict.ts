import { expect } from 'vitest'
import type { EndpointInfo, RemoteController, SandboxInfo } from '#dist/client/client.js'
import { hostPorts } from './chaos-client.ts'
import { namespaceOf } from './chaos-promises.ts'
import type { CliHost } from './cli-host.ts'
import { uplink } from './host.ts'
import { expectPublished } from './published-records.ts'

interface Records {
  readonly networks: readonly {
    readonly id: string
    readonly options: Readonly<Record<string, unknown>>
  }[]
  readonly sandboxes: readonly SandboxInfo[]
  readonly endpoints: readonly EndpointInfo[]
}

interface IpLink {
  readonly ifname: string
  readonly linkinfo?: { readonly info_kind?: string }
  readonly addr_info?: readonly { readonly local: string; readonly scope: string }[]
}

/** Records and machine agree, as `ip` and `nft` see it, and what should be reached is. */
export async function expectAgreement(cnm: CliHost, client: RemoteController): Promise<void> {
  const records = {
    networks: (await client.networks()).flatMap(({ info }) =>
      info.driver === 'bridge' ? [info] : [],
    ),
    sandboxes: (await client.sandboxes()).map(({ info }) => info),
    endpoints: (await client.endpoints()).map(({ info }) => info),
  }
  const states = [...records.sandboxes, ...records.endpoints].map(({ state }) => state)
  expect(new Set(states)).toEqual(new Set(states.length === 0 ? [] : ['ready']))
  await expectHostLinks(cnm, records)
  const mounted = await cnm.host.sh(`ls ${cnm.runDir}/netns`)
  expect(mounted.split('\n').filter(Boolean)).toHaveLength(records.sandboxes.length)
  for (const box of records.sandboxes) await expectInside(cnm, box, records)
  await expectPublished(cnm.host, publishedOf(records), hostPorts)
  const wrong = await Promise.all(records.sandboxes.map((box) => unreached(cnm, box, records)))
  expect(wrong.flat()).toEqual([])
}

async function expectHostLinks({ host }: CliHost, records: Records): Promise<void> {
  const links = await host.ip<IpLink[]>('-j -d link')
  const ours = links.filter(({ ifname }) => ifname !== uplink.link)
  const count = (kind: string) => ours.filter((each) => each.linkinfo?.info_kind === kind).length
  expect(count('bridge'), 'bridges').toBe(records.networks.length)
  const joined = records.endpoints.filter(({ joined }) => joined !== undefined)
  expect(count('veth'), 'veths').toBe(joined.length)
}

async function expectInside(cnm: CliHost, box: SandboxInfo, records: Records): Promise<void> {
  const links = JSON.parse(
    await cnm.host.inside(namespaceOf(box), ['ip', '-j', 'addr']),
  ) as readonly IpLink[]
  const found = links
    .filter(({ ifname }) => ifname !== 'lo')
    .map(({ addr_info = [] }) => addr_info.flatMap((each) => (isGlobal(each) ? [each.local] : [])))
  const wanted = endpointsIn(box, records).map(addressesOf)
  expect(found.map(String).sort(), box.name).toEqual(wanted.map(String).sort())
}

function isGlobal({ scope }: { readonly scope: string }): boolean {
  return scope === 'global'
}

function addressesOf({ ipv4, ipv6 }: EndpointInfo): string[] {
  return [ipv4, ipv6].filter((address) => address !== undefined)
}

function endpointsIn({ id }: SandboxInfo, { endpoints }: Records): EndpointInfo[] {
  return endpoints.filter(({ joined }) => joined?.sandbox === id)
}

function publishedOf(records: Records) {
  return records.sandboxes.flatMap((box) =>
    endpointsIn(box, records).map(({ ipv4, ipv6, ports }) => ({
      path: namespaceOf(box),
      ...(ipv4 === undefined ? {} : { ipv4 }),
      ...(ipv6 === undefined ? {} : { ipv6 }),
      ports: ports as never,
    })),
  )
}

/** Addresses and names that don't answer inside a sandbox, and should. */
async function unreached(cnm: CliHost, box: SandboxInfo, records: Records): Promise<string[]> {
  const own = endpointsIn(box, records)
  const open = new Set(
    records.networks.flatMap(({ id, options }) => (options.icc === false ? [] : [id])),
  )
  const neighbours = own.flatMap(({ id, network }) =>
    records.endpoints.filter((each) => {
      return each.network === network && each.id !== id && each.joined !== undefined
    }),
  )
  const pings = neighbours
    .filter(({ network }) => open.has(network))
    .flatMap(addressesOf)
    .map((address) => `(ping -c1 -W3 ${address} >/dev/null || echo ping ${address}) &`)
  const boxes = new Map(records.sandboxes.map(({ id, name }) => [id, name]))
  const namesOf = ({ name, joined }: EndpointInfo) => [name, boxes.get(joined?.sandbox ?? '')]
  const digs = neighbours.map(({ name }) => {
    // Sandboxes are called by their own names, too, and those on several of its networks have several.
    const called = [...neighbours, ...own].filter((each) => namesOf(each).includes(name))
    const patterns = called
      .flatMap(addressesOf)
      .map((address) => `-e ${address}`)
      .join(' ')
    const dig = `dig @127.0.0.11 +short +tries=2 ${name} A ${name} AAAA`
    return `said=$(${dig}); echo "$said" | grep -qxF ${patterns} || echo dig ${name}: $said`
  })
  const script = [...pings, ...digs, 'wait'].join('\n')
  const said = await cnm.host.inside(namespaceOf(box), ['sh', '-c', script], { timeoutMs: 30_000 })
  return said
    .split('\n')
    .filter(Boolean)
    .map((line) => `${box.name}: ${line}`)
}
