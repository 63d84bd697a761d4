import type { PortBinding } from '../../driver/driver.ts'
import { type Resource, resourceKey } from '../../kernel/resource.ts'
import type { Engine } from '../engine.ts'
import type { ExposedPort } from '../ports/port-spec.ts'
import type { EndpointRecord } from '../records.ts'

/** What is known of an endpoint. */
export interface LocalEndpointInfo
  extends Omit<EndpointRecord, 'resources' | 'adding' | 'ports' | 'told'> {
  /**
   * `degraded`: its names may not be known to all sandboxes yet, because the keeper is late or has to be
   * started again. Absent: it has no names, since it is in no sandbox, or its network has no addresses.
   */
  readonly dns?: 'ready' | 'degraded'
  /**
   * `degraded`: its driver is another program, which is away, or has yet to be told of it again. Absent: its
   * driver is none.
   */
  readonly plugin?: 'ready' | 'degraded'
  /** What is published. */
  readonly ports: readonly LocalBinding[]
  /** Ports that programs listen on, published or not. */
  readonly exposed: readonly ExposedPort[]
}

/** Published ports of a joined endpoint. */
export interface LocalBinding extends PortBinding {
  /**
   * `pending`: its host ports are held, but nothing is passed on, since the sandbox's answers would
   * leave by another endpoint. It becomes active when this one supplies the default route.
   */
  readonly state: 'active' | 'pending'
}

/** What is shown of a record. */
export function endpointInfo(engine: Engine, record: EndpointRecord): LocalEndpointInfo {
  const { resources: _, adding: __, told, ports = [], exposed = [], ...info } = record
  const hasNames = record.resources.some(({ kind }) => kind === 'names')
  const dns = engine.names.isDegraded(record.id) ? 'degraded' : 'ready'
  const plugin = engine.pluginState.isDegraded(record.id) ? 'degraded' : 'ready'
  return {
    ...info,
    ...(hasNames ? { dns } : {}),
    ...(told ? { plugin } : {}),
    ports: withStates(record, ports),
    exposed,
  }
}

export function withStates(
  record: EndpointRecord,
  ports: readonly PortBinding[],
): readonly LocalBinding[] {
  const pending = new Set(record.resources.filter(isPending).map(resourceKey))
  return ports.map((binding) => {
    const { protocol, hostAddress: address, hostPorts } = binding
    const isHeld =
      hostPorts !== undefined &&
      pending.has(resourceKey({ kind: 'reservation', protocol, address, ports: hostPorts }))
    return { ...binding, state: isHeld ? 'pending' : 'active' }
  })
}

function isPending(resource: Resource): boolean {
  return resource.kind === 'reservation' && resource.pending === true
}
