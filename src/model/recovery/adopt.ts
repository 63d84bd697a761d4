import { basename } from 'node:path'
import { cidrAddress } from '../../address/address.ts'
import { type EndpointId, idFromPrefix, type SandboxId, shortId } from '../../base/id.ts'
import type { NamesResource } from '../../kernel/kept-resource.ts'
import type { Survey, SurveyedNamespace } from '../../kernel/kernel.ts'
import { planMembers, planOf } from '../endpoint/members.ts'
import { type Engine, put } from '../engine.ts'
import { takeAddresses } from '../network/addresses.ts'
import type { EndpointRecord, NetworkRecord, SandboxRecord } from '../records.ts'
import { sandboxResources } from '../sandbox/sandbox-names.ts'
import { surveyMachine } from './drift.ts'
import { identityOf } from './known-senders.ts'

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
  // By their paths: without a resolver, which went with its keeper, the whole id is not known.
  const known = new Set(engine.state.sandboxes.all().map((sandbox) => sandbox.namespace?.path))
  for (const namespace of survey.namespaces) {
    if (known.has(namespace.path) || !/^[0-9a-f]{12}$/.test(basename(namespace.path))) continue
    const id = sandboxId(namespace.path, survey)
    const sandbox = sandboxRecord(engine, id, namespace.path)
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
    const lost = endpoints.every(({ id }) => keptNames(id, survey)) ? '' : 'names, aliases, '
    problems.push(
      `sandbox ${sandbox.name} was adopted without its record: its name and labels are lost, and the ${lost}labels and published ports of its endpoints (${endpoints.length})`,
    )
  }
  return problems
}

/** Its resolver, where it has one, tells the whole id. */
function sandboxId(path: string, { kept = [] }: Survey): SandboxId {
  const resolver = kept.find((each) => each.kind === 'resolver' && each.namespace.path === path)
  if (resolver?.kind === 'resolver') return resolver.sandbox as SandboxId
  return idFromPrefix<SandboxId>(basename(path))
}

function keptNames(id: EndpointId, { kept = [] }: Survey): NamesResource | undefined {
  return kept.find((each): each is NamesResource => each.kind === 'names' && each.endpoint === id)
}

function sandboxRecord(engine: Engine, id: SandboxId, path: string): SandboxRecord {
  const namespace = { path }
  const record: SandboxRecord = {
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
    resources: [],
  }
  return { ...record, resources: sandboxResources(engine.sandboxDir, record, engine.lastView) }
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
      survey,
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

/** Its names or its firewall elements, where it has some, tell the whole id. */
function endpointId(prefix: string, { elements, kept = [] }: Survey): EndpointId {
  const names = kept.find((each) => each.kind === 'names' && each.endpoint.startsWith(prefix))
  const known =
    names?.kind === 'names'
      ? names.endpoint
      : elements.find(({ owner }) => owner.startsWith(prefix))?.owner
  return (known as EndpointId | undefined) ?? idFromPrefix<EndpointId>(prefix)
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
  survey: Survey,
): EndpointRecord {
  const [name = shortId(id), ...others] = keptNames(id, survey)?.names ?? []
  const addresses = link.addresses.map(cidrAddress)
  const isGateway = namespace.routes.some(
    ({ destination, link: out }) => /^(0\.0\.0\.0|::)\/0$/.test(destination) && out === link.name,
  )
  return {
    id,
    name,
    network: network.id,
    state: 'ready',
    created: new Date().toISOString(),
    labels: {},
    aliases: others.filter((other) => other !== shortId(sandbox.id)),
    // The gateway stays the same.
    gwPriority: isGateway ? 1 : 0,
    attached: true,
    persistent: false,
    ...identityOf(id, link, addresses, network, survey),
    joined: { sandbox: sandbox.id, link: link.name },
    resources: [],
  }
}
