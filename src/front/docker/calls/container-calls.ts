import type { LocalBinding } from '../../../model/endpoint/endpoint-info.ts'
import type { KnownLocalNetwork } from '../../../model/network/network.ts'
import type { KnownLocalSandbox } from '../../../model/sandbox/sandbox.ts'
import { findContainer } from '../find.ts'
import { DockerError, invalid } from '../json/docker-error.ts'
import { Filters } from '../json/filters.ts'
import { endpointJson } from '../json/network-json.ts'
import type { Answer, Call, Front } from './call.ts'

/** Whatever would make, start or stop one, or tell what goes on in it. */
export function refuseContainers(): never {
  throw new DockerError(
    501,
    'this is a network engine: it makes no containers. "cnm run" and "cnm sandbox create" make sandboxes, which can be connected like containers',
  )
}

const listFilters = ['id', 'label', 'name', 'network', 'status']
const statuses = ['created', 'dead', 'exited', 'paused', 'removing', 'restarting', 'running']

export function listContainers({ front, query }: Call): Answer {
  const filters = Filters.parse(query.get('filters'), listFilters)
  const unknown = filters.values('status').find((status) => !statuses.includes(status))
  if (unknown !== undefined) throw invalid(`invalid filter 'status=${unknown}'`)
  const found = front.controller.now.sandboxes().filter((box) => {
    const { id, name, labels } = box.info
    // A network that isn't there has nothing on it.
    const isOn = networksOf(front, box).some(
      (network) => filters.exact('network', network.name) || filters.begins('network', network.id),
    )
    return (
      filters.matches('id', id) &&
      (filters.matches('name', name) || filters.matches('name', `/${name}`)) &&
      filters.labels('label', labels) &&
      filters.exact('status', 'running') &&
      (!filters.has('network') || isOn)
    )
  })
  return { status: 200, body: found.map((box) => summary(front, box)) }
}

export function inspectContainer({ front, id }: Call): Answer {
  const box = findContainer(front.controller, id)
  const info = box.info
  const [files, ports] = [info.files, portsOf(front, box)]
  const body = {
    Id: info.id,
    Created: info.created,
    Path: '',
    Args: [],
    State: {
      Status: 'running',
      Running: true,
      Paused: false,
      Restarting: false,
      Dead: false,
      Pid: info.program ?? 0,
      ExitCode: 0,
      Error: '',
      StartedAt: info.created,
      FinishedAt: '0001-01-01T00:00:00Z',
    },
    Image: '',
    ResolvConfPath: files?.resolvConf ?? '',
    HostnamePath: files?.hostname ?? '',
    HostsPath: files?.hosts ?? '',
    Name: `/${info.name}`,
    RestartCount: 0,
    Platform: 'linux',
    HostConfig: { NetworkMode: networkMode(front, box), PortBindings: {} },
    Mounts: [],
    Config: {
      Hostname: info.hostname ?? '',
      Domainname: info.domainname ?? '',
      Image: '',
      Labels: info.labels,
    },
    NetworkSettings: {
      SandboxID: info.id,
      SandboxKey: info.namespace?.path ?? '',
      Ports: Object.fromEntries(portsByName(ports)),
      Networks: networksJson(front, box),
    },
  }
  return { status: 200, body }
}

function summary(front: Front, box: KnownLocalSandbox): object {
  const { id, name, created, labels } = box.info
  const createdMs = Date.parse(created)
  return {
    Id: id,
    Names: [`/${name}`],
    Image: '',
    ImageID: '',
    Command: '',
    Created: Math.floor(createdMs / 1000),
    Ports: portsOf(front, box),
    Labels: labels,
    State: 'running',
    Status: `Up ${age(Date.now() - createdMs)}`,
    HostConfig: { NetworkMode: networkMode(front, box) },
    NetworkSettings: { Networks: networksJson(front, box) },
    Mounts: [],
  }
}

/** As Docker says it, roughly: `5 minutes`. */
function age(ms: number): string {
  const units = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
  ] as const
  const [name, unit] = units.find(([, each]) => ms >= each) ?? (['second', 1000] as const)
  const count = Math.max(0, Math.floor(ms / unit))
  return `${count} ${name}${count === 1 ? '' : 's'}`
}

function networksOf({ controller }: Front, box: KnownLocalSandbox): readonly KnownLocalNetwork[] {
  return controller.now
    .endpoints({ sandbox: box.id })
    .map(({ info }) => controller.now.network(info.network))
}

function networkMode(front: Front, box: KnownLocalSandbox): string {
  if (box.info.origin === 'host') return 'host'
  return networksOf(front, box)[0]?.name ?? 'none'
}

function networksJson({ controller }: Front, box: KnownLocalSandbox): object {
  const entries = controller.now.endpoints({ sandbox: box.id }).map((endpoint) => {
    const network = controller.now.network(endpoint.info.network)
    return [network.name, endpointJson(endpoint, network)] as const
  })
  return Object.fromEntries(entries)
}

interface PortJson {
  readonly IP: string
  readonly PrivatePort: number
  readonly PublicPort: number
  readonly Type: string
}

function portsOf({ controller }: Front, box: KnownLocalSandbox): readonly PortJson[] {
  return controller.now
    .endpoints({ sandbox: box.id })
    .flatMap(({ info }) => info.ports.flatMap(portsIn))
}

function portsIn({ hostAddress, hostPorts, ports, protocol }: LocalBinding): PortJson[] {
  if (hostPorts === undefined) return []
  return Array.from({ length: ports.to - ports.from + 1 }, (_, at) => ({
    IP: hostAddress,
    PrivatePort: ports.from + at,
    PublicPort: hostPorts.from + at,
    Type: protocol,
  }))
}

/** `80/tcp` → where it is published. */
function portsByName(ports: readonly PortJson[]): ReadonlyMap<string, object[]> {
  const names = new Map<string, object[]>()
  for (const { IP, PrivatePort, PublicPort, Type } of ports) {
    const name = `${PrivatePort}/${Type}`
    const places = names.get(name) ?? []
    names.set(name, [...places, { HostIp: IP, HostPort: String(PublicPort) }])
  }
  return names
}
