import type { IpAddress } from '../../src/address/address.ts'
import type { PortHolder } from '../../src/kernel/kernel.ts'
import type { ReservationResource } from '../../src/kernel/resource.ts'
import type { LocalController } from '../../src/model/controller.ts'
import type { KnownLocalEndpoint } from '../../src/model/endpoint/endpoint.ts'
import { publishedText } from '../../src/model/ports/port-spec.ts'
import type { MemoryRig } from './memory-rig.ts'

export async function onWeb(cnm: LocalController, name: string, publish: readonly string[] = []) {
  const box = await cnm.createSandbox({ name, connect: [{ network: 'web', publish }] })
  return (await box.endpoints())[0] as KnownLocalEndpoint
}

export const bindings = async (endpoint: KnownLocalEndpoint | undefined) =>
  (await endpoint?.inspect())?.ports.map(publishedText)
export const states = async (endpoint: KnownLocalEndpoint | undefined) =>
  (await endpoint?.inspect())?.ports.map((p) => p.state)

export function held(port: number, rest: Partial<PortHolder> = {}): PortHolder {
  return {
    protocol: 'tcp',
    address: '0.0.0.0' as IpAddress,
    port,
    pid: 7,
    process: 'httpd',
    ...rest,
  }
}

export function reserved(port: number): ReservationResource {
  const address = '0.0.0.0' as IpAddress
  return { kind: 'reservation', protocol: 'tcp', address, ports: { from: port, to: port } }
}

export async function web(rig: MemoryRig, more: object = {}): Promise<LocalController> {
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'], ...more })
  return cnm
}
