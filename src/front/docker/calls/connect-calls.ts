import type { EndpointOptions } from '../../../api/endpoint-options.ts'
import { isCnmError } from '../../../base/errors.ts'
import type { LocalController } from '../../../model/controller.ts'
import type { KnownLocalEndpoint } from '../../../model/endpoint/endpoint.ts'
import type { KnownLocalNetwork } from '../../../model/network/network.ts'
import type { KnownLocalSandbox } from '../../../model/sandbox/sandbox.ts'
import { findContainer, findNetwork } from '../find.ts'
import { readBody } from '../json/body.ts'
import { DockerError, forbidden, invalid } from '../json/docker-error.ts'
import type { Fields } from '../json/fields.ts'
import { isPredefined } from '../predefined.ts'
import type { Answer, Call, Front } from './call.ts'

export async function connectContainer({ front, request, id, note }: Call): Promise<Answer> {
  const body = await readBody(request)
  const box = findContainer(front.controller, body.text('Container'))
  const network = findNetwork(front.controller, id)
  note(named(network, box))
  refuseHost(box, network)
  refusePrivate(front, box, network)
  const options = endpointOptions(front, network, body.object('EndpointConfig'))
  await box.connect(network, options).catch((error: unknown) => {
    const isThere = isCnmError(error, 'ALREADY_CONNECTED') || isCnmError(error, 'ENDPOINT_EXISTS')
    if (!isThere) throw error
    throw forbidden(`endpoint with name ${box.name} already exists in network ${network.name}`)
  })
  return { status: 200 }
}

/** For the log. */
function named(network: KnownLocalNetwork, box: KnownLocalSandbox): object {
  return { network: network.name, networkId: network.id, sandbox: box.name, sandboxId: box.id }
}

function refuseHost(box: KnownLocalSandbox, network: KnownLocalNetwork): void {
  if (box.info.origin !== 'host' && network.info.driver !== 'host') return
  throw invalid('container cannot be disconnected from host network or connected to host network')
}

function refusePrivate(
  { controller }: Front,
  box: KnownLocalSandbox,
  network: KnownLocalNetwork,
): void {
  const present = controller.now
    .endpoints({ sandbox: box.id })
    .map(({ info }) => controller.now.network(info.network))
    .filter(({ id }) => id !== network.id)
  const isPrivate = (one: KnownLocalNetwork) => one.info.driver === 'null'
  if (present.length === 0 || ![network, ...present].some(isPrivate)) return
  throw invalid(
    'container cannot be connected to multiple networks with one of the networks in private (none) mode',
  )
}

function endpointOptions(
  front: Front,
  network: KnownLocalNetwork,
  config: Fields,
): EndpointOptions {
  const ipam = config.object('IPAMConfig')
  const ip = ipam.text('IPv4Address')
  const ip6 = ipam.text('IPv6Address')
  const aliases = config.texts('Aliases')
  if (isPredefined(network.name)) refuseOnPredefined(ip || ip6, aliases)
  const mac = config.text('MacAddress')
  const options: EndpointOptions = {
    aliases,
    linkLocal: ipam.texts('LinkLocalIPs'),
    links: config.texts('Links').map((link) => linkOf(front, network, link)),
    options: config.labels('DriverOpts') ?? {},
    gwPriority: config.integer('GwPriority') ?? 0,
  }
  return {
    ...options,
    ...(ip === '' ? {} : { ip }),
    ...(ip6 === '' ? {} : { ip6 }),
    ...(mac === '' ? {} : { mac }),
  }
}

function refuseOnPredefined(address: string, aliases: readonly string[]): void {
  if (address !== '') {
    throw invalid(
      'invalid endpoint settings: user specified IP address is supported on user defined networks only',
    )
  }
  if (aliases.length === 0) return
  throw invalid(
    'invalid endpoint settings: network-scoped aliases are only supported for user-defined networks',
  )
}

/** `db:store`, where `db` is a container: our links are to endpoints. */
function linkOf({ controller }: Front, network: KnownLocalNetwork, link: string): string {
  const [name = '', ...alias] = link.split(':')
  const endpoint = endpointOn(controller, network, findContainer(controller, name))
  if (endpoint === undefined) {
    throw invalid(`cannot link to ${name}, as it is not on network ${network.name}`)
  }
  return [endpoint.id, ...alias].join(':')
}

function endpointOn(
  { now }: LocalController,
  { id: network }: KnownLocalNetwork,
  { id: sandbox }: KnownLocalSandbox,
): KnownLocalEndpoint | undefined {
  return now.endpoints({ network, sandbox })[0]
}

export async function disconnectContainer({ front, request, id, note }: Call): Promise<Answer> {
  const body = await readBody(request)
  const container = body.text('Container')
  const force = body.flag('Force') ?? false
  const { controller } = front
  let box: KnownLocalSandbox
  try {
    box = findContainer(controller, container)
  } catch (error) {
    const isUnknown = error instanceof DockerError && error.status === 404
    if (!isUnknown || !force) throw error
    await deleteNamed(controller, findNetwork(controller, id), container)
    return { status: 200 }
  }
  const network = findNetwork(controller, id)
  note(named(network, box))
  refuseHost(box, network)
  const endpoint = endpointOn(controller, network, box)
  if (endpoint === undefined) {
    throw new DockerError(500, `container ${box.id} is not connected to network ${network.name}`)
  }
  if (force) await endpoint.delete()
  else await endpoint.leave()
  return { status: 200 }
}

async function deleteNamed(
  { now }: LocalController,
  { id }: KnownLocalNetwork,
  name: string,
): Promise<void> {
  const endpoint = now.endpoints({ network: id }).find((each) => each.name === name)
  if (endpoint === undefined) throw new DockerError(404, `endpoint ${name} not found`)
  await endpoint.delete()
}
