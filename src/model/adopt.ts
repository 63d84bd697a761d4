import { basename } from 'node:path'
import { cidrAddress, familyOf } from '../address/address.ts'
import { type EndpointId, idFromPrefix, type SandboxId, shortId } from '../base/id.ts'
import type { Survey, SurveyedNamespace } from '../kernel/kernel.ts'
import { takeAddresses } from './addresses.ts'
import { surveyMachine } from './drift.ts'
import { type Engine, put } from './engine.ts'
import { planMembers, planOf } from './members.ts'
import type { EndpointRecord, NetworkRecord, SandboxRecord } from './records.ts'

/** The firewall's elements tell on which uplinks forwarding is ours: to be known before networks are described. */
export async function recallForwarding(engine: Engine): Promise<void> {
  for (const { set, key } of (await surveyMachine(engine)).elements) {
    const [family, link] = key
    if (set === 'uplinks' && family && link) engine.assumeForwarding(family, link)
  }
}

/**
 * The records of sandboxes and endpoints are gone, but they run on: they are recognised by their
 * namespaces, links and addresses, and recorded again. Answers with what could not be recovered.
 */
export async function adoptLost(engine: Engine): Promise<string[]> {
  const problems: string[] = []
  const survey = await surveyMachine(engine)
  for (const namespace of survey.namespaces) {
    const id = idFromPrefix<SandboxId>(basename(namespace.path))
    if (engine.state.sandboxes.get(id) || !/^[0-9a-f]{12}$/.test(basename(namespace.path))) continue
    const sandbox = sandboxRecord(id, namespace.path)
    const endpoints = await adoptEndpoints(engine, sandbox, namespace, survey, problems)
    engine.state.putSandbox(sandbox)
    engine.ledger.claim([{ owner: id, from: [], to: sandbox.resources }])
    const { claims, done, records } = planMembers(
      engine,
      sandbox,
      endpoints.map((record) => planOf(engine, record)),
      [],
    )
    engine.ledger.claim(claims)
    for (const record of records) engine.state.putEndpoint(record)
    await engine.store.commit([put('sandbox', sandbox), ...done])
    problems.push(
      `sandbox ${sandbox.name} was adopted without its record: its name and labels are lost, and the names, aliases, labels and published ports of its endpoints (${endpoints.length})`,
    )
  }
  return problems
}

function sandboxRecord(id: SandboxId, path: string): SandboxRecord {
  const namespace = { path }
  return {
    id,
    name: shortId(id),
    state: 'ready',
    created: new Date().toISOString(),
    labels: {},
    namespace,
    origin: 'own',
    links: [],
    gateways: [],
    ephemeral: false,
    resources: [{ kind: 'namespace', namespace }],
  }
}

async function adoptEndpoints(
  engine: Engine,
  sandbox: SandboxRecord,
  namespace: SurveyedNamespace,
  survey: Survey,
  problems: string[],
): Promise<EndpointRecord[]> {
  const found: EndpointRecord[] = []
  for (const link of namespace.links) {
    const hostEnd = survey.links.find(({ name, type }) => name === link.hostEnd && type === 'veth')
    const network = hostEnd?.bridge === undefined ? undefined : networkOf(engine, hostEnd.bridge)
    if (hostEnd === undefined || network === undefined) continue
    const record = endpointRecord(
      sandbox,
      namespace,
      network,
      endpointId(hostEnd.name.slice(4), survey),
      link,
    )
    try {
      const state = engine.state.networks.need(network.id)
      await takeAddresses(engine.ipam(network.ipam), state, record.name, record)
      found.push(record)
    } catch (error) {
      problems.push(
        `link ${link.name} of sandbox ${sandbox.name} can't be adopted: ${String(error)}`,
      )
    }
  }
  return found
}

/** Its firewall elements, where it has some, tell the whole id. */
function endpointId(prefix: string, survey: Survey): EndpointId {
  const owner = survey.elements.find((element) => element.owner.startsWith(prefix))?.owner
  return (owner as EndpointId | undefined) ?? idFromPrefix<EndpointId>(prefix)
}

/** The network whose bridge that is. */
function networkOf(engine: Engine, bridge: string): NetworkRecord | undefined {
  return engine.state.networks
    .all()
    .find(({ resources }) => resources.some((r) => r.kind === 'bridge' && r.name === bridge))
    ?.record
}

function endpointRecord(
  sandbox: SandboxRecord,
  namespace: SurveyedNamespace,
  network: NetworkRecord,
  id: EndpointId,
  link: SurveyedNamespace['links'][number],
): EndpointRecord {
  const addresses = link.addresses.map(cidrAddress)
  const ipv4 = network.ipv4 && addresses.find((address) => familyOf(address) === 4)
  const ipv6 =
    network.ipv6 &&
    addresses.find((address) => familyOf(address) === 6 && !address.startsWith('fe80:'))
  const isGateway = namespace.routes.some(
    ({ destination, link: out }) => /^(0\.0\.0\.0|::)\/0$/.test(destination) && out === link.name,
  )
  return {
    id,
    name: shortId(id),
    network: network.id,
    state: 'ready',
    created: new Date().toISOString(),
    labels: {},
    aliases: [],
    // Whoever was the gateway stays it.
    gwPriority: isGateway ? 1 : 0,
    attached: true,
    persistent: false,
    ...(ipv4 ? { ipv4 } : {}),
    ...(ipv6 ? { ipv6 } : {}),
    mac: link.mac,
    joined: { sandbox: sandbox.id, link: link.name },
    resources: [],
  }
}
